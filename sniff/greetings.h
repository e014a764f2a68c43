// Protocols that are neither HTTP nor TLS: SSH, MySQL, PostgreSQL, Redis, SMTP/FTP, told by their
// first bytes.
#pragma once

#include <string>

#include "sniff/bytes.h"
#include "sniff/probe.h"

namespace telltale::sniff {

// Bytes at which each probe has answered for good.
inline constexpr uint16_t ssh_window = 6;
inline constexpr uint16_t mysql_window = 8;
inline constexpr uint16_t postgres_window = 9;
inline constexpr uint16_t redis_window = 13;
inline constexpr uint16_t smtp_window = 4;

[[nodiscard]] Match ssh_probe(Bytes prefix) noexcept;  // RFC 4253 §4.2
[[nodiscard]] Match mysql_probe(
    Bytes prefix) noexcept;  // protocol 10 handshake, or an error packet
[[nodiscard]] Match postgres_probe(Bytes prefix) noexcept;  // ErrorResponse, Authentication
[[nodiscard]] Match redis_probe(Bytes prefix) noexcept;     // RESP error, status
[[nodiscard]] Match smtp_probe(Bytes prefix) noexcept;  // ddd SP or ddd- greeting lines: SMTP, FTP

// The version text or first line that such a server said; "" when there is none.
[[nodiscard]] std::string greeting_text(Protocol protocol, Bytes prefix);

}  // namespace telltale::sniff
