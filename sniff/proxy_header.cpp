#include "sniff/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace telltale::sniff {

namespace {

constexpr size_t v1_size_max = 107;  // with CR LF, says the specification
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t v2_fixed_size = 16;
constexpr uint16_t v2_length_max = 4096;  // addresses need 216 bytes, the rest is for TLVs

constexpr uint8_t family_inet = 1;
constexpr uint8_t family_inet6 = 2;
constexpr uint8_t family_unix = 3;
constexpr std::array<uint16_t, 4> address_sizes = {0, 12, 36, 216};

// ---- version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n"

struct Field {
    std::string_view charset;
    size_t size_max;
};
constexpr std::string_view digits = "0123456789";
constexpr std::array<Field, 4> tcp4_fields = {
    {{"0123456789.", 15}, {"0123456789.", 15}, {digits, 5}, {digits, 5}}};
constexpr std::array<Field, 4> tcp6_fields = {
    {{"0123456789abcdefABCDEF:.", 45}, {"0123456789abcdefABCDEF:.", 45}, {digits, 5}, {digits, 5}}};

// The four fields behind "PROXY TCPx "; size counts from the start of `rest`.
ProxyHeader parse_v1_fields(std::string_view rest, std::span<const Field, 4> fields, bool is_v6) {
    std::array<std::string_view, 4> values;
    size_t position = 0;
    for (size_t i = 0; i < fields.size(); ++i) {
        const size_t end = rest.find_first_not_of(fields[i].charset, position);
        const size_t size = std::min(end, rest.size()) - position;
        if (size > fields[i].size_max) return {.match = Match::no};
        if (end == std::string_view::npos) return {.match = Match::more};
        if (size == 0 || rest[end] != (i + 1 < fields.size() ? ' ' : '\r')) {
            return {.match = Match::no};
        }
        values[i] = rest.substr(position, size);
        position = end + 1;
    }
    if (position == rest.size()) return {.match = Match::more};
    if (rest[position] != '\n') return {.match = Match::no};
    ProxyHeader header{.match = Match::yes, .size = position + 1};
    header.source = is_v6 ? "[" + std::string(values[0]) + "]:" : std::string(values[0]) + ":";
    header.source += values[2];
    return header;
}

ProxyHeader parse_v1_unknown(std::string_view text) {
    const size_t end = text.find('\r');
    if (std::min(end, text.size()) + 2 > v1_size_max) return {.match = Match::no};
    if (end == std::string_view::npos || end + 1 == text.size()) return {.match = Match::more};
    if (text[end + 1] != '\n') return {.match = Match::no};
    return {.match = Match::yes, .size = end + 2};
}

ProxyHeader parse_v1(Bytes prefix) {
    constexpr std::string_view tcp4 = "PROXY TCP4 ";
    constexpr std::string_view tcp6 = "PROXY TCP6 ";
    constexpr std::string_view unknown = "PROXY UNKNOWN";
    const std::string_view text = as_text(prefix);
    if (text.starts_with(unknown)) return parse_v1_unknown(text);
    for (const std::string_view start : {tcp4, tcp6}) {
        if (!text.starts_with(start)) continue;
        const bool is_v6 = start == tcp6;
        auto header =
            parse_v1_fields(text.substr(start.size()), is_v6 ? tcp6_fields : tcp4_fields, is_v6);
        if (header.match == Match::yes) header.size += start.size();
        return header;
    }
    return {.match = std::max({match_literal(prefix, tcp4), match_literal(prefix, tcp6),
                               match_literal(prefix, unknown)})};
}

// ---- version 2: signature, version and command, family, length, addresses, TLVs

std::string port_text(Bytes field) {
    return ":" + std::to_string((uint32_t{field[0]} << 8U) | field[1]);
}

std::string inet_text(Bytes address) {
    std::string text;
    for (const uint8_t octet : address) {
        if (!text.empty()) text += '.';
        text += std::to_string(octet);
    }
    return text;
}

// RFC 5952: lower case, the longest run of two or more zero groups as "::".
std::string inet6_text(Bytes address) {
    std::array<uint16_t, 8> groups{};
    for (size_t i = 0; i < groups.size(); ++i) {
        groups[i] = static_cast<uint16_t>((address[2 * i] << 8U) | address[2 * i + 1]);
    }
    size_t run_start = groups.size();
    size_t run_size = 1;
    for (size_t start = 0; start < groups.size(); ++start) {
        size_t end = start;
        while (end < groups.size() && groups[end] == 0) ++end;
        if (end - start > run_size) {
            run_start = start;
            run_size = end - start;
        }
    }
    std::string text;
    for (size_t i = 0; i < groups.size(); ++i) {
        if (i == run_start) {
            text += "::";
            i += run_size - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') text += ':';
        std::array<char, 4> digits_of{};
        const auto end = std::to_chars(digits_of.begin(), digits_of.end(), groups[i], 16).ptr;
        text.append(digits_of.begin(), end);
    }
    return text;
}

std::string v2_source(uint8_t family, Bytes addresses) {
    if (family == family_inet)
        return inet_text(addresses.first(4)) + port_text(addresses.subspan(8, 2));
    if (family == family_inet6) {
        return "[" + inet6_text(addresses.first(16)) + "]" + port_text(addresses.subspan(32, 2));
    }
    if (family == family_unix) {
        const std::string_view path = as_text(addresses.first(108));
        return "unix:" + std::string(path.substr(0, std::min(path.find('\0'), path.size())));
    }
    return {};
}

ProxyHeader parse_v2(Bytes prefix) {
    if (const Match signature = match_literal(prefix, v2_signature); signature != Match::yes) {
        return {.match = signature};
    }
    Cursor cursor(prefix.subspan(v2_signature.size()));
    const auto command = cursor.u8();
    if (!command) return {.match = Match::more};
    if (*command != 0x20 && *command != 0x21) return {.match = Match::no};
    const auto family_byte = cursor.u8();
    if (!family_byte) return {.match = Match::more};
    const uint8_t family = *family_byte >> 4U;
    if (family > family_unix || (*family_byte & 0x0fU) > 2) return {.match = Match::no};

    const bool is_local = *command == 0x20;
    const uint16_t length_min = is_local ? 0 : address_sizes[family];
    if (!cursor.rest().empty() && cursor.rest()[0] > (v2_length_max >> 8U))
        return {.match = Match::no};
    const auto length = cursor.u16();
    if (!length) return {.match = Match::more};
    if (*length > v2_length_max || *length < length_min) return {.match = Match::no};
    const auto addresses = cursor.take(*length);
    if (!addresses) return {.match = Match::more};
    ProxyHeader header{.match = Match::yes, .size = v2_fixed_size + *length};
    if (!is_local) header.source = v2_source(family, *addresses);
    return header;
}

}  // namespace

ProxyHeader parse_proxy_header(Bytes prefix) {
    if (prefix.empty()) return {.match = Match::more};
    return prefix[0] == 'P' ? parse_v1(prefix) : parse_v2(prefix);
}

}  // namespace telltale::sniff
