// Parts of sentences: how an operator reads an address, an answer, a wait or an errno. Used by the
// sentences and by the naming of the hop. Everything that comes out is escaped, bounded and
// printable.
#pragma once

#include <string>
#include <string_view>

#include "sniff/evidence.h"

namespace telltale::sniff {

inline constexpr size_t shown_bytes_max =
    80;  // of any single text from the wire or the configuration

[[nodiscard]] std::string shown(std::string_view text);  // escaped and cut
[[nodiscard]] bool has_layer(const Evidence& e, Layer layer);
[[nodiscard]] std::string upstream_words(
    const Evidence& e);  // "10.244.2.9:12260"; the CONNECT target in a tunnel
[[nodiscard]] std::string requested_words(
    const Evidence& e);  // "group-rpc-service:12260", or the address
[[nodiscard]] std::string host_of(
    std::string_view address);  // "db.internal" of "db.internal:443", "[::1]" of "[::1]:443"
[[nodiscard]] std::string client_words(const Evidence& e);  // "a gRPC client"
[[nodiscard]] std::string opening_words(
    const Evidence& e);  // "the HTTP/2 preface", "the TLS hello", "GET /metrics"
[[nodiscard]] std::string http1_answer_words(
    const Http1Response& answer);  // "HTTP/1.1 400", "an HTML page without a status line"
[[nodiscard]] std::string answer_words(
    const Evidence& e);                               // what the upstream said, of any protocol
[[nodiscard]] std::string duration_words(Millis ms);  // "5.0 s", "300 ms"
[[nodiscard]] std::string errno_words(int error);     // "ECONNREFUSED (connection refused)"
[[nodiscard]] std::string attempts_words(const Evidence& e);  // "10.0.0.1:80: ECONNREFUSED (…); …"
[[nodiscard]] std::string alert_words(const TlsAlert& alert);    // "handshake_failure (40)"
[[nodiscard]] std::string_view http2_error_name(uint32_t code);  // "" when RFC 9113 §7 has none
[[nodiscard]] std::string http2_error_words(uint32_t code);      // "ENHANCE_YOUR_CALM (0xb)"

}  // namespace telltale::sniff
