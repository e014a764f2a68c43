#include "proxy/options.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>

namespace telltale::proxy {

namespace {

template <typename T>
ErrorCode set(int fd, int level, int option, const T& value) noexcept {
    if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
    return {errno, boost::system::system_category()};
}

}  // namespace

ErrorCode set_no_delay(int fd) noexcept {
    return set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

ErrorCode set_keepalive(int fd) noexcept {
    // 60 s idle, then three probes 10 s apart: a black hole ends within 90 s, idle peers cost one
    // packet a minute.
    for (const auto error :
         {set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60),
          set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10), set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3),
          set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 90000U)}) {
        if (error) return error;
    }
    return {};
}

ErrorCode set_reuse_address(int fd) noexcept {
    return set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

ErrorCode set_reset_on_close(int fd) noexcept {
    return set(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
}

int pending_error(int fd) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

size_t unsent_bytes(int fd) noexcept {
    int count = 0;
    if (::ioctl(fd, SIOCOUTQ, &count) != 0 || count <= 0) return 0;
    // After a RST the kernel drops the queue but goes on to count it.
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool told = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    if (told && info.tcpi_state == TCP_CLOSE) return 0;
    return static_cast<size_t>(count);
}

size_t raise_file_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return limit.rlim_cur;
}

}  // namespace telltale::proxy
