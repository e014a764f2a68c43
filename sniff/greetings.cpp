#include "sniff/greetings.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace telltale::sniff {

namespace {

constexpr size_t greeting_max = 256;

constexpr bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}
constexpr bool is_printable(uint8_t byte) {
    return byte >= 0x20 && byte < 0x7f;
}

Match match_any(Bytes prefix, std::span<const std::string_view> literals) noexcept {
    Match best = Match::no;
    for (const std::string_view literal : literals) {
        best = std::max(best, match_literal(prefix, literal));
    }
    return best;
}

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, std::min(text.find_first_of("\r\n"), greeting_max)));
}

std::string until_nul(std::string_view text) {
    return std::string(text.substr(0, std::min(text.find('\0'), greeting_max)));
}

// Body of a MySQL packet: a protocol 10 handshake (0x0a, version text) or an error (0xff, code,
// text).
Match mysql_body(Bytes body) noexcept {
    if (body.empty()) return Match::more;
    if (body[0] == 0x0a) {
        if (body.size() > 1 && !is_digit(body[1])) return Match::no;
        if (body.size() > 2 && !is_digit(body[2]) && body[2] != '.') return Match::no;
        return body.size() > 2 ? Match::yes : Match::more;
    }
    if (body[0] != 0xff) return Match::no;
    // Server error codes lie in 1000 to 5000; the code is little-endian, its low byte says nothing.
    if (body.size() > 2 && (body[2] < 0x03 || body[2] > 0x13)) return Match::no;
    if (body.size() > 3 && !is_printable(body[3])) return Match::no;
    return body.size() > 3 ? Match::yes : Match::more;
}

std::string mysql_text(Bytes prefix) {
    const std::string_view body = as_text(prefix.subspan(std::min<size_t>(prefix.size(), 4)));
    if (body.empty()) return {};
    if (body[0] == 0x0a) return until_nul(body.substr(1));
    // 0xff, code, then "#" and five characters of SQL state once the client's abilities are known.
    std::string_view text = body.substr(std::min<size_t>(body.size(), 3));
    if (text.starts_with('#')) text.remove_prefix(std::min<size_t>(text.size(), 6));
    const size_t size = size_t{prefix[0]} | (size_t{prefix[1]} << 8U);
    const size_t before = body.size() - text.size();
    return first_line(text.substr(0, size > before ? size - before : 0));
}

Match postgres_error(Bytes prefix) noexcept {             // 'E', length, field code, text
    const Match plain = match_literal(prefix, "EFATAL");  // protocol 2: text at once
    if (plain == Match::yes) return plain;
    if (prefix.size() > 1 && prefix[1] != 0) return plain;
    if (prefix.size() > 2 && prefix[2] != 0) return Match::no;
    // Code, at least one character and two zeros, and never more than 30,000 bytes.
    if (prefix.size() > 3 && prefix[3] > 0x75) return Match::no;
    if (prefix.size() > 4 && prefix[3] == 0 && prefix[4] < 8) return Match::no;
    if (prefix.size() > 5 && std::string_view("SVCMDHPqWst").find(static_cast<char>(prefix[5])) ==
                                 std::string_view::npos) {
        return Match::no;
    }
    if (prefix.size() > 6 && prefix[6] < 0x20) return Match::no;
    return prefix.size() > 6 ? Match::yes : Match::more;
}

Match postgres_authentication(Bytes prefix) noexcept {  // 'R', length, kind (0 to 12)
    constexpr uint8_t length_max = 255;
    constexpr uint8_t kind_max = 12;
    for (size_t i = 1; i < std::min<size_t>(prefix.size(), 9); ++i) {
        const uint8_t lowest = i == 4 ? 8 : 0;
        const uint8_t highest = i == 4 ? length_max : (i == 8 ? kind_max : 0);
        if (prefix[i] < lowest || prefix[i] > highest) return Match::no;
    }
    return prefix.size() >= 9 ? Match::yes : Match::more;
}

std::string postgres_text(Bytes prefix) {
    if (starts_with(prefix, "EFATAL")) return until_nul(as_text(prefix.subspan(1)));
    if (prefix.size() < 6 || prefix[0] != 'E') return {};
    std::string_view fields = as_text(prefix.subspan(5));
    while (!fields.empty() && fields[0] != '\0') {
        const size_t end = std::min(fields.find('\0'), fields.size());
        if (fields[0] == 'M') return first_line(fields.substr(1, end - 1));
        fields.remove_prefix(std::min(end + 1, fields.size()));
    }
    return {};
}

}  // namespace

Match ssh_probe(Bytes prefix) noexcept {
    static constexpr std::array<std::string_view, 2> literals = {"SSH-1.", "SSH-2."};
    return match_any(prefix, literals);
}

Match mysql_probe(Bytes prefix) noexcept {
    // Little-endian length, 24 bits: a first packet is never shorter than 5 bytes nor longer than
    // 1023.
    if (prefix.size() > 1 && prefix[1] > 0x03) return Match::no;
    if (prefix.size() > 1 && prefix[1] == 0 && prefix[0] < 5) return Match::no;
    if (prefix.size() > 2 && prefix[2] != 0) return Match::no;
    // Sequence number: 0; some servers number a refusal 1.
    if (prefix.size() > 3 && prefix[3] > 1) return Match::no;
    if (prefix.size() <= 4) return Match::more;
    return mysql_body(prefix.subspan(4));
}

Match postgres_probe(Bytes prefix) noexcept {
    if (prefix.empty()) return Match::more;
    if (prefix[0] == 'E') return postgres_error(prefix);
    if (prefix[0] == 'R') return postgres_authentication(prefix);
    return Match::no;
}

Match redis_probe(Bytes prefix) noexcept {
    static constexpr std::array<std::string_view, 11> literals = {
        "-ERR ",      "-NOAUTH ", "-DENIED ",     "-LOADING ",     "-MISCONF ", "-READONLY ",
        "-WRONGPASS", "-NOPERM ", "-MASTERDOWN ", "-CLUSTERDOWN ", "+PONG\r\n"};
    return match_any(prefix, literals);
}

Match smtp_probe(Bytes prefix) noexcept {
    // Replies that open or refuse a session in RFC 5321 §4.2 and RFC 959 §4.2. "200 " is NNTP's,
    // and not here.
    static constexpr std::array<std::string_view, 12> literals = {"120 ", "120-", "220 ", "220-",
                                                                  "421 ", "421-", "500 ", "500-",
                                                                  "530 ", "530-", "554 ", "554-"};
    return match_any(prefix, literals);
}

std::string greeting_text(Protocol protocol, Bytes prefix) {
    if (protocol == Protocol::mysql && mysql_probe(prefix) == Match::yes) return mysql_text(prefix);
    if (protocol == Protocol::postgres) return postgres_text(prefix);
    if (protocol == Protocol::ssh || protocol == Protocol::redis || protocol == Protocol::smtp) {
        return first_line(as_text(prefix));
    }
    return {};
}

}  // namespace telltale::sniff
