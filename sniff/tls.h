// TLS records, hellos and alerts by bounded parsing (RFC 8446 §4, §5.1, §6; RFC 5246 for 1.2). A
// hello may span records and segments; nothing is decrypted, nothing is trusted.
#pragma once

#include <optional>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/probe.h"

namespace telltale::sniff {

inline constexpr uint16_t tls_hello_window = 11;  // record header, handshake type, length, version
inline constexpr uint16_t tls_alert_window = 7;

[[nodiscard]] Match tls_client_hello_probe(Bytes prefix) noexcept;
[[nodiscard]] Match tls_server_hello_probe(Bytes prefix) noexcept;
[[nodiscard]] Match tls_alert_probe(Bytes prefix) noexcept;

// Best effort on any prefix of the stream; `complete` says whether the whole hello was there.
[[nodiscard]] TlsHello parse_client_hello(Bytes stream);
[[nodiscard]] TlsHello parse_server_hello(Bytes stream);
[[nodiscard]] std::optional<TlsAlert> parse_tls_alert(Bytes stream) noexcept;
// An alert record that follows the records at the start of the stream, in clear; nullopt when there
// is none in sight.
[[nodiscard]] std::optional<TlsAlert> find_later_alert(Bytes stream) noexcept;
[[nodiscard]] std::string_view alert_name(
    uint8_t description) noexcept;  // "no_application_protocol"; "" when unknown

}  // namespace telltale::sniff
