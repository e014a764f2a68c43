// One function per socket option; each says what breaks without it. Errors come back as values; TCP
// options on a Unix socket are skipped by the caller.
#pragma once

#include <cstddef>

#include "proxy/net.h"

namespace telltale::proxy {

// Without TCP_NODELAY a small gRPC message waits up to 40 ms for the ACK of the one before.
// Accepted sockets inherit it.
[[nodiscard]] ErrorCode set_no_delay(int fd) noexcept;
// Without keepalive and TCP_USER_TIMEOUT a peer that vanished is noticed after 15 minutes, or
// never.
[[nodiscard]] ErrorCode set_keepalive(int fd) noexcept;
// Without SO_REUSEADDR a restart fails while old connections are in TIME_WAIT.
[[nodiscard]] ErrorCode set_reuse_address(int fd) noexcept;
// close() then sends RST instead of FIN: how a reset of one leg is passed on to the other.
[[nodiscard]] ErrorCode set_reset_on_close(int fd) noexcept;
// The error that waits on a socket (SO_ERROR), taken off it; 0: none.
[[nodiscard]] int pending_error(int fd) noexcept;
// Bytes written that the peer may still acknowledge (SIOCOUTQ); 0 for a connection that was reset,
// or when the kernel can't tell.
[[nodiscard]] size_t unsent_bytes(int fd) noexcept;

// Soft RLIMIT_NOFILE up to the hard limit; returns what holds now.
[[nodiscard]] size_t raise_file_limit() noexcept;

}  // namespace telltale::proxy
