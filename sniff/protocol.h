// The words of a verdict: sides, protocols, verdicts. The names are what records, metrics, logs and
// documents say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace telltale::sniff {

enum class Side : uint8_t { client, upstream };
enum class Direction : uint8_t { inbound, outbound };
enum class Expect : uint8_t { any, grpc, http };
enum class Verdict : uint8_t { undecided, match, mismatch };

enum class Protocol : uint8_t {
    undecided,  // bytes may still come
    none,       // there was no connection on this side
    silent,     // a connection, and not one byte
    http1,      // a request line or a status line; for an upstream also HTML without a status line
    http2,      // client: the 24-byte preface; upstream: SETTINGS first (RFC 9113 §3.4)
    http2_goaway,  // upstream: GOAWAY, or another HTTP/2 frame, where SETTINGS must stand
    tls,           // ClientHello or ServerHello (RFC 8446 §4.1)
    tls_alert,     // upstream: an alert record first (RFC 8446 §6)
    ssh,
    mysql,
    postgres,
    redis,
    smtp,
    other,   // bytes that no probe knows
    closed,  // upstream: FIN before any byte
    reset,   // upstream: RST before any byte
};
inline constexpr size_t protocol_count = 16;

inline constexpr std::array<std::string_view, protocol_count> protocol_names = {
    "undecided", "none",  "silent",   "http/1", "http/2", "http/2-goaway", "tls",    "tls-alert",
    "ssh",       "mysql", "postgres", "redis",  "smtp",   "other",         "closed", "reset"};
inline constexpr std::array<std::string_view, 2> side_names = {"client", "upstream"};
inline constexpr std::array<std::string_view, 2> direction_names = {"inbound", "outbound"};
inline constexpr std::array<std::string_view, 3> expect_names = {"any", "grpc", "http"};
inline constexpr std::array<std::string_view, 3> verdict_names = {"undecided", "match", "mismatch"};

[[nodiscard]] constexpr std::string_view name(Protocol p) {
    return protocol_names[static_cast<size_t>(p)];
}
[[nodiscard]] constexpr std::string_view name(Side s) {
    return side_names[static_cast<size_t>(s)];
}
[[nodiscard]] constexpr std::string_view name(Direction d) {
    return direction_names[static_cast<size_t>(d)];
}
[[nodiscard]] constexpr std::string_view name(Expect e) {
    return expect_names[static_cast<size_t>(e)];
}
[[nodiscard]] constexpr std::string_view name(Verdict v) {
    return verdict_names[static_cast<size_t>(v)];
}

static_assert(name(Protocol::reset) == "reset" && name(Protocol::tls_alert) == "tls-alert");

}  // namespace telltale::sniff
