#include "sniff/explain/hex.h"

#include <algorithm>

#include "sniff/explain/pattern.h"

namespace telltale::sniff::explain {
namespace {

bool is_separator(char c) {
    return c == ' ' || c == ':' || c == ',' || c == '-' || (c >= '\t' && c <= '\r');
}

// "0x" and "\x", in either case.
bool is_mark(std::string_view text) {
    return text.size() >= 2 && (text[0] == '0' || text[0] == '\\') && to_lower(text[1]) == 'x';
}

std::string_view stripped(std::string_view text) {
    constexpr std::string_view around = " \t\r\n\"'`[]{}()";
    const size_t begin = text.find_first_not_of(around);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(around) - begin + 1);
}

void append_byte(std::string& out, int high, int low) {
    out += static_cast<char>(static_cast<unsigned char>(high * 16 + low));
}

// ---- quoted strings

struct Escaped {
    size_t size = 1;  // of the escape, with its backslash
    int byte = -1;
};

Escaped octal(std::string_view text) {
    Escaped found;
    int value = 0;
    while (found.size < std::min<size_t>(text.size(), 4) && text[found.size] >= '0' &&
           text[found.size] <= '7') {
        value = value * 8 + (text[found.size++] - '0');
    }
    if (found.size > 1 && value < 256) found.byte = value;
    return found;
}

Escaped hexadecimal(std::string_view text, size_t digits) {
    Escaped found{.size = 2 + digits};
    if (text.size() < found.size) return {};
    int value = 0;
    for (const char c : text.substr(2, digits)) {
        if (hex_value(c) < 0) return {};
        value = value * 16 + hex_value(c);
    }
    if (value < 256) found.byte = value;
    return found;
}

Escaped escape_at(std::string_view text) {
    constexpr std::string_view letters = "abtnvfr\\\"'/";
    constexpr std::string_view bytes = "\a\b\t\n\v\f\r\\\"'/";
    if (text.size() < 2) return {};
    if (to_lower(text[1]) == 'x') return hexadecimal(text, 2);
    if (text[1] == 'u') return hexadecimal(text, 4);
    const size_t letter = letters.find(text[1]);
    if (letter == std::string_view::npos) return octal(text);
    return {.size = 2, .byte = static_cast<unsigned char>(bytes[letter])};
}

// ---- dumps

// The offset at the front of a line: "00000010:", "0x0010:", "00000010  ". Empty: no dump's line.
std::string_view after_offset(std::string_view line) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    line.remove_prefix(begin);
    const bool marked = is_mark(line);
    if (marked) line.remove_prefix(2);
    size_t digits = 0;
    while (digits < line.size() && hex_value(line[digits]) >= 0) ++digits;
    const bool colon = digits < line.size() && line[digits] == ':';
    const bool spaces = line.substr(digits).starts_with("  ") && digits >= 7;
    if (digits < 4 || digits > 16 || (marked && !colon) || (!colon && !spaces)) return {};
    return line.substr(digits + 1);
}

size_t hex_digits(std::string_view text) {
    size_t count = 0;
    while (count < text.size() && hex_value(text[count]) >= 0) ++count;
    return count;
}

// At most 16 bytes in groups; two spaces, '|' or anything else ends them.
std::string line_bytes(std::string_view rest) {
    std::string out;
    while (out.size() < 16) {
        const size_t begin = rest.find_first_not_of(" \t");
        if (begin == std::string_view::npos || (begin >= 2 && !out.empty() && out.size() != 8))
            break;
        rest.remove_prefix(begin);
        const size_t digits = hex_digits(rest);
        const bool ended = digits == rest.size() || rest[digits] == ' ' || rest[digits] == '\t';
        if (digits == 0 || digits % 2 != 0 || digits > 32 || !ended) break;
        for (size_t i = 0; i < digits; i += 2) {
            append_byte(out, hex_value(rest[i]), hex_value(rest[i + 1]));
        }
        rest.remove_prefix(digits);
    }
    return out;
}

// What a TCP segment carries, of an IPv4 or IPv6 packet with or without an Ethernet header
// (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1). Anything else is given back as it is.
std::string tcp_payload(const std::string& packet) {
    const auto byte = [&packet](size_t at) -> size_t {
        return at < packet.size() ? static_cast<unsigned char>(packet[at]) : 0;
    };
    const bool ethernet = byte(12) == 0x08 && byte(13) == 0x00 && byte(14) == 0x45;
    const size_t ip = ethernet ? 14 : 0;
    size_t tcp = 0;
    size_t end = packet.size();
    if (byte(ip) / 16 == 4 && byte(ip + 9) == 6 && byte(ip) % 16 >= 5) {
        tcp = ip + byte(ip) % 16 * 4;
        end = std::min(end, ip + byte(ip + 2) * 256 + byte(ip + 3));
    } else if (byte(ip) / 16 == 6 && byte(ip + 6) == 6) {
        tcp = ip + 40;
    } else {
        return packet;
    }
    const size_t data = tcp + byte(tcp + 12) / 16 * 4;
    if (data < tcp + 20 || data > end) return packet;
    return packet.substr(data, end - data);
}

}  // namespace

std::optional<std::string> parse_hex(std::string_view text) {
    text = stripped(text);
    std::string out;
    while (!text.empty()) {
        if (is_separator(text.front())) {
            text.remove_prefix(1);
            continue;
        }
        if (is_mark(text)) text.remove_prefix(2);
        const size_t digits = hex_digits(text);
        if (digits == 0 || digits % 2 != 0) return std::nullopt;
        for (size_t i = 0; i < digits && out.size() < hex_max; i += 2) {
            append_byte(out, hex_value(text[i]), hex_value(text[i + 1]));
        }
        text.remove_prefix(digits);
        if (!text.empty() && !is_separator(text.front()) && !is_mark(text)) return std::nullopt;
    }
    if (out.size() < 2) return std::nullopt;
    return out;
}

std::string unescape(std::string_view text) {
    std::string out;
    while (!text.empty() && out.size() < hex_max) {
        const Escaped found = text.front() == '\\' ? escape_at(text) : Escaped{};
        out += found.byte < 0 ? text.front() : static_cast<char>(found.byte);
        text.remove_prefix(found.byte < 0 ? 1 : found.size);
    }
    return out;
}

std::vector<std::string> parse_dumps(std::string_view text) {
    std::vector<std::string> dumps;
    bool open = false;  // the line before was a dump's
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        const std::string bytes = line_bytes(after_offset(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!bytes.empty() && !open) dumps.emplace_back();
        open = !bytes.empty();
        if (open && dumps.back().size() < hex_max) dumps.back() += bytes;
    }
    for (std::string& dump : dumps) dump = tcp_payload(dump);
    std::erase_if(dumps, [](const std::string& dump) { return dump.size() < 2; });
    return dumps;
}

}  // namespace telltale::sniff::explain
