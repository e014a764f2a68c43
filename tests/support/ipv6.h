// Whether this host has IPv6 on loopback: containers often have none. Said aloud by GTEST_SKIP;
// with CI set it is taken for there, so that the tests fail and are not skipped.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>

#include "proxy/unique_fd.h"

namespace telltale::test {

[[nodiscard]] inline bool has_ipv6() {
    if (std::getenv("CI") != nullptr) return true;
    const proxy::UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    return fd.get() >= 0 && ::bind(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&loopback)),
                                   sizeof(loopback)) == 0;
}

inline constexpr const char* no_ipv6 = "MISSING: this host has no IPv6 on loopback";

}  // namespace telltale::test
