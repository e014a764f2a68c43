#include "sniff/tls.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace telltale::sniff {

namespace {

constexpr uint8_t content_alert = 21;  // RFC 8446 §5.1
constexpr uint8_t content_handshake = 22;
constexpr uint8_t content_first = 20;
constexpr uint8_t content_last = 24;
constexpr uint8_t client_hello = 1;  // RFC 8446 §4
constexpr uint8_t server_hello = 2;
constexpr size_t record_header_size = 5;
constexpr uint16_t record_length_max = 16384 + 2048;  // RFC 5246 §6.2.3; plain ones are shorter
constexpr size_t handshake_kept_max = 65536;
constexpr size_t list_max = 16;

constexpr uint16_t extension_server_name = 0;  // RFC 6066 §3
constexpr uint16_t extension_alpn = 16;        // RFC 7301 §3.1
constexpr uint16_t extension_versions = 43;    // RFC 8446 §4.2.1

// RFC 8446 §4.1.3: a ServerHello with this random is a HelloRetryRequest.
constexpr std::array<uint8_t, 32> retry_random = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

// Major 3, minor 0 (SSL 3) to 4; TLS 1.3 says 1 or 3 here.
constexpr bool is_version(size_t position, uint8_t byte) {
    return position == 0 ? byte == 3 : byte <= 4;
}

// RFC 8701: reserved values that clients send to keep servers tolerant: 0x0a0a, 0x1a1a, … 0xfafa.
constexpr bool is_grease(uint16_t value) {
    return (value & 0x0f0fU) == 0x0a0aU && (value >> 8U) == (value & 0xffU);
}

// One byte of a handshake message: type, 24-bit length, version.
bool fits_hello(size_t position, uint8_t byte, uint8_t type) noexcept {
    if (position == 0) return byte == type;
    if (position == 1) return byte <= 1;  // no hello is longer than 128 KiB
    if (position == 4 || position == 5) return is_version(position - 4, byte);
    return true;
}

Match hello_probe(Bytes prefix, uint8_t type) noexcept {
    constexpr size_t hello_bytes = tls_hello_window - record_header_size;
    if (!prefix.empty() && prefix[0] != content_handshake) return Match::no;
    for (size_t i = 1; i < std::min<size_t>(prefix.size(), 3); ++i) {
        if (!is_version(i - 1, prefix[i])) return Match::no;
    }
    if (prefix.size() > 3 && prefix[3] > (record_length_max >> 8U)) return Match::no;
    if (prefix.size() < record_header_size) return Match::more;
    const size_t length = (size_t{prefix[3]} << 8U) | prefix[4];
    if (length == 0 || length > record_length_max) return Match::no;

    // A peer may cut its hello into records of one byte: what the first record holds must do.
    const size_t wanted = std::min(length, hello_bytes);
    const Bytes body = prefix.subspan(record_header_size);
    for (size_t i = 0; i < std::min(body.size(), wanted); ++i) {
        if (!fits_hello(i, body[i], type)) return Match::no;
    }
    return body.size() >= wanted ? Match::yes : Match::more;
}

struct Record {
    uint8_t type = 0;
    Bytes body;  // shorter than the record when the stream ends in it
    bool whole = false;
};

// The next record of a stream; nullopt when there is none, or when it is not one.
std::optional<Record> next_record(Cursor& cursor) noexcept {
    const auto type = cursor.u8();
    const auto version = cursor.u16();
    const auto length = cursor.u16();
    if (!type || !version || !length) return std::nullopt;
    if (*type < content_first || *type > content_last || (*version >> 8U) != 3) return std::nullopt;
    if (*length > record_length_max) return std::nullopt;
    Record record{.type = *type, .body = {}, .whole = cursor.rest().size() >= *length};
    record.body = *cursor.take(std::min<size_t>(cursor.rest().size(), *length));
    return record;
}

struct Handshake {
    std::string body;  // of the first message, without its type and length
    bool complete = false;
};

std::optional<Handshake> first_handshake(Bytes stream, uint8_t type) {
    std::string message;
    size_t wanted = 4;
    Cursor cursor(stream);
    while (message.size() < wanted && message.size() < handshake_kept_max) {
        const auto record = next_record(cursor);
        if (!record || record->type != content_handshake) break;
        message += as_text(record->body);
        Cursor header(as_bytes(message));
        const auto first = header.u8();
        if (first && *first != type) return std::nullopt;
        if (const auto length = header.u24()) wanted = 4 + size_t{*length};
    }
    if (message.size() < 4) return std::nullopt;
    Handshake handshake{.body = {}, .complete = message.size() >= wanted};
    handshake.body = message.substr(4, std::min(wanted, message.size()) - 4);
    return handshake;
}

// A vector behind its length; when it is cut, what is there of it.
Bytes take_cut(Cursor& cursor, size_t length) noexcept {
    return *cursor.take(std::min(cursor.rest().size(), length));
}

std::vector<std::string> read_alpn(Bytes extension) {
    std::vector<std::string> names;
    Cursor cursor(extension);
    if (!cursor.u16()) return names;
    while (names.size() < list_max) {
        const auto length = cursor.u8();
        if (!length) break;
        const auto name = cursor.take(*length);
        if (!name) break;
        const bool grease =
            name->size() == 2 && is_grease(static_cast<uint16_t>(((*name)[0] << 8U) | (*name)[1]));
        if (!grease) names.emplace_back(as_text(*name));
    }
    return names;
}

std::string read_server_name(Bytes extension) {
    Cursor cursor(extension);
    const auto list = cursor.u16();
    const auto type = cursor.u8();
    const auto length = cursor.u16();
    if (!list || !type || *type != 0 || !length || *length > 255) return {};
    const auto name = cursor.take(*length);
    return name ? std::string(as_text(*name)) : std::string();
}

std::vector<uint16_t> read_versions(Bytes extension, uint8_t type) {
    std::vector<uint16_t> versions;
    Cursor cursor(extension);
    if (type == client_hello && !cursor.u8()) return versions;
    while (versions.size() < list_max) {
        const auto version = cursor.u16();
        if (!version) break;
        if (!is_grease(*version)) versions.push_back(*version);
    }
    return versions;
}

void read_extensions(Cursor& cursor, uint8_t type, TlsHello& hello) {
    const auto total = cursor.u16();
    if (!total) return;
    Cursor extensions(take_cut(cursor, *total));
    while (true) {
        const auto id = extensions.u16();
        const auto length = extensions.u16();
        if (!id || !length) return;
        const auto body = extensions.take(*length);
        if (!body) return;
        if (*id == extension_server_name && type == client_hello)
            hello.sni = read_server_name(*body);
        if (*id == extension_alpn) hello.alpn = read_alpn(*body);
        if (*id == extension_versions) {
            auto versions = read_versions(*body, type);
            if (!versions.empty()) hello.versions = std::move(versions);
        }
    }
}

// Session id, then what differs: client: cipher suites and compression methods; server: one of
// each.
bool skip_to_extensions(Cursor& cursor, uint8_t type) noexcept {
    const auto session = cursor.u8();
    if (!session || !cursor.take(*session)) return false;
    if (type == server_hello) return cursor.take(3).has_value();
    const auto suites = cursor.u16();
    if (!suites || !cursor.take(*suites)) return false;
    const auto compressions = cursor.u8();
    return compressions && cursor.take(*compressions);
}

TlsHello parse_hello(Bytes stream, uint8_t type) {
    TlsHello hello;
    const auto handshake = first_handshake(stream, type);
    if (!handshake) return hello;
    hello.complete = handshake->complete;
    Cursor cursor(as_bytes(handshake->body));
    const auto version = cursor.u16();
    const auto random = cursor.take(retry_random.size());
    if (version) hello.versions = {*version};
    if (!random) return hello;
    hello.hello_retry =
        type == server_hello && std::equal(random->begin(), random->end(), retry_random.begin());
    if (skip_to_extensions(cursor, type)) read_extensions(cursor, type, hello);
    return hello;
}

constexpr std::array<std::pair<uint8_t, std::string_view>, 34> alert_names = {{
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed"},
    {22, "record_overflow"},
    {30, "decompression_failure"},
    {40, "handshake_failure"},
    {41, "no_certificate"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {60, "export_restriction"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
}};

}  // namespace

Match tls_client_hello_probe(Bytes prefix) noexcept {
    return hello_probe(prefix, client_hello);
}

Match tls_server_hello_probe(Bytes prefix) noexcept {
    return hello_probe(prefix, server_hello);
}

Match tls_alert_probe(Bytes prefix) noexcept {
    for (size_t i = 0; i < std::min<size_t>(prefix.size(), tls_alert_window); ++i) {
        const uint8_t byte = prefix[i];
        const bool fits = i == 0   ? byte == content_alert
                          : i <= 2 ? is_version(i - 1, byte)
                          : i == 3 ? byte == 0
                          : i == 4 ? byte == 2
                          : i == 5 ? byte == 1 || byte == 2  // warning, fatal
                                   : true;
        if (!fits) return Match::no;
    }
    return prefix.size() >= tls_alert_window ? Match::yes : Match::more;
}

TlsHello parse_client_hello(Bytes stream) {
    return parse_hello(stream, client_hello);
}

TlsHello parse_server_hello(Bytes stream) {
    return parse_hello(stream, server_hello);
}

std::optional<TlsAlert> parse_tls_alert(Bytes stream) noexcept {
    if (tls_alert_probe(stream) != Match::yes) return std::nullopt;
    return TlsAlert{.level = stream[5], .description = stream[6]};
}

std::optional<TlsAlert> find_later_alert(Bytes stream) noexcept {
    Cursor cursor(stream);
    auto record = next_record(cursor);
    while (record && record->whole) {
        // A sealed alert is longer than its two bytes, and says nothing to us.
        if (const auto alert = parse_tls_alert(cursor.rest())) return alert;
        record = next_record(cursor);
    }
    return std::nullopt;
}

std::string_view alert_name(uint8_t description) noexcept {
    for (const auto& [code, text] : alert_names) {
        if (code == description) return text;
    }
    return {};
}

}  // namespace telltale::sniff
