#include "proxy/hide_addresses.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <vector>

#include "sniff/words.h"

namespace telltale::proxy {

namespace {

constexpr std::string_view in_command = "HOST:PORT";
constexpr size_t ipv6_text_max = 45;  // with an IPv4 address at its end (RFC 4291 §2.2)

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_ipv6_char(char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
}

bool continues_a_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

// The word that replaces what begins at `at`.
std::string word_at(std::string_view text, size_t at, std::string_view word) {
    const std::string_view before = text.substr(0, at);
    if (before.ends_with("://") || before.ends_with("-connect ")) return std::string(in_command);
    std::string out(word);
    if (before.empty() || before.ends_with(". ")) out[0] = static_cast<char>(out[0] - 'a' + 'A');
    return out;
}

// "The client 10.1.2.3:4 sent …" says it already.
bool is_said_before(std::string_view text, size_t at, std::string_view word) {
    if (at < word.size() + 1 || text[at - 1] != ' ') return false;
    const std::string_view said = text.substr(at - 1 - word.size(), word.size());
    return said.substr(1) == word.substr(1) && std::tolower(said[0]) == word[0];
}

// Puts the word in place of text[at, at + size); gives where to go on.
size_t replace(std::string& text, size_t at, size_t size, std::string_view word) {
    if (is_said_before(text, at, word)) {
        text.erase(at - 1, size + 1);
        return at - 1;
    }
    const std::string replacement = word_at(text, at, word);
    text.replace(at, size, replacement);
    return at + replacement.size();
}

// ---- the addresses that are known

struct Known {
    std::string text;
    std::string_view word;
};

// A name alone says nothing of where it is.
bool is_address(std::string_view text) {
    return text.find_first_of(":/") != std::string_view::npos;
}

void add(std::vector<Known>& all, const std::string& text, std::string_view word) {
    if (!is_address(text)) return;
    all.push_back({text, word});
    if (std::string cut = sniff::shown(text); cut != text) all.push_back({std::move(cut), word});
}

std::vector<Known> known_addresses(const sniff::Evidence& e) {
    std::vector<Known> all;
    add(all, e.client_address, "the client");
    for (const std::string* text : {&e.upstream_address, &e.requested, &e.connect_target}) {
        add(all, *text, "the upstream");
    }
    for (const auto& attempt : e.attempts) add(all, attempt.address, "the upstream");
    // What holds another one goes first.
    std::stable_sort(all.begin(), all.end(), [](const Known& one, const Known& other) {
        return one.text.size() > other.text.size();
    });
    return all;
}

void hide_known(std::string& text, const Known& known) {
    size_t at = 0;
    while ((at = text.find(known.text, at)) != std::string::npos) {
        const size_t end = at + known.text.size();
        const bool is_inside = (at > 0 && continues_a_name(text[at - 1])) ||
                               (end < text.size() && continues_a_name(text[end]));
        at = is_inside ? at + 1 : replace(text, at, known.text.size(), known.word);
    }
}

// ---- any IP address

size_t digits_at(std::string_view text, size_t at) {
    size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end - at;
}

// ":12260" behind an address.
size_t port_size(std::string_view text, size_t at) {
    if (at >= text.size() || text[at] != ':') return 0;
    const size_t digits = digits_at(text, at + 1);
    return digits == 0 ? 0 : digits + 1;
}

// Size of "10.244.2.9", or of the "10-244-2-9" that host names have, at this place; 0 for none.
size_t ipv4_size(std::string_view text, size_t at) {
    size_t end = at;
    for (int octet = 0; octet < 4; ++octet) {
        if (octet > 0) {
            if (end >= text.size() || (text[end] != '.' && text[end] != '-')) return 0;
            ++end;
        }
        const size_t digits = std::min<size_t>(digits_at(text, end), 3);
        if (digits == 0) return 0;
        int value = 0;
        for (size_t i = 0; i < digits; ++i) value = value * 10 + (text[end + i] - '0');
        if (value > 255) return 0;
        end += digits;
    }
    return end - at;
}

bool is_ipv6(std::string_view text) {
    std::array<char, ipv6_text_max + 1> terminated{};
    if (text.size() > ipv6_text_max) return false;
    std::copy(text.begin(), text.end(), terminated.begin());
    std::array<unsigned char, 16> bytes{};
    return inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1;
}

// The longest at this place. "::" alone is punctuation.
size_t ipv6_size(std::string_view text, size_t at) {
    size_t end = at;
    size_t colons = 0;
    while (end < text.size() && end - at < ipv6_text_max && is_ipv6_char(text[end])) {
        if (text[end++] == ':') ++colons;
    }
    if (colons < 2) return 0;
    for (size_t size = end - at; size > 2; --size) {
        if (is_ipv6(text.substr(at, size))) return size;
    }
    return 0;
}

// "%eth0"
size_t zone_size(std::string_view text, size_t at) {
    if (at >= text.size() || text[at] != '%') return 0;
    size_t end = at + 1;
    while (end < text.size() && continues_a_name(text[end])) ++end;
    return end - at;
}

// Size of the address at this place with brackets, zone and port; 0 when there is none. No border
// is asked for in front: an escaped byte (\x00) may stand right before it.
size_t address_size(std::string_view text, size_t at) {
    const bool bracket = text[at] == '[';
    const size_t start = at + (bracket ? 1 : 0);
    size_t size = ipv6_size(text, start);
    if (size == 0) {
        const size_t ipv4 = bracket ? 0 : ipv4_size(text, at);
        return ipv4 == 0 ? 0 : ipv4 + port_size(text, at + ipv4);
    }
    size_t end = start + size;
    end += zone_size(text, end);
    if (bracket && end < text.size() && text[end] == ']') ++end;
    return end - at + port_size(text, end);
}

// "Not only on 127.0.0.1" is no secret, but it is an address.
bool is_loopback(std::string_view address) {
    return address.starts_with("127.") || address == "::1" || address.starts_with("[::1]");
}

void hide_any(std::string& text) {
    size_t at = 0;
    while (at < text.size()) {
        const bool may_begin = is_ipv6_char(text[at]) || text[at] == '[';
        const size_t size = may_begin ? address_size(text, at) : 0;
        if (size == 0) {
            ++at;
            continue;
        }
        const bool loopback = is_loopback(std::string_view(text).substr(at, size));
        at = replace(text, at, size, loopback ? "the loopback address" : "an address");
    }
}

// The first half of an address may stand where a text was cut.
void hide_cut(std::string& text) {
    constexpr std::string_view mark = "…";
    size_t at = 0;
    while ((at = text.find(mark, at)) != std::string::npos) {
        size_t begin = at;
        while (begin > 0 && is_ipv6_char(text[begin - 1])) --begin;
        const std::string_view last = std::string_view(text).substr(begin, at - begin);
        const bool may_be_half = last.find_first_of(".:") != std::string_view::npos;
        if (may_be_half) text.erase(begin, at - begin);
        at = (may_be_half ? begin : at) + mark.size();
    }
}

}  // namespace

std::string hide_addresses(std::string text, const sniff::Evidence& evidence) {
    for (const Known& known : known_addresses(evidence)) hide_known(text, known);
    hide_any(text);
    hide_cut(text);
    return text;
}

}  // namespace telltale::proxy
