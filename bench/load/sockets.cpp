#include "bench/load/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <system_error>

namespace telltale::bench::load {

namespace {

constexpr int backlog = 4096;  // the system's net.core.somaxconn limits it further

void set(int socket, int level, int option, int value) {
    setsockopt(socket, level, option, &value, sizeof value);
}

const sockaddr* generic(const Address& address) {
    return reinterpret_cast<const sockaddr*>(&address.socket);
}

}  // namespace

void Descriptor::close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Address address_of(const std::string& text) {
    Address address{{}, text};
    const size_t colon = text.rfind(':');
    const char* end = text.data() + text.size();
    uint16_t port = 0;
    if (colon == std::string::npos ||
        inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.socket.sin_addr) != 1 ||
        std::from_chars(text.data() + colon + 1, end, port).ptr != end || port == 0)
        throw std::invalid_argument("\"" + text + "\" is not an IPv4 address with a port");
    address.socket.sin_family = AF_INET;
    address.socket.sin_port = htons(port);
    return address;
}

Descriptor listen_on(const Address& address) {
    Descriptor listener{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!listener.open()) throw_errno("can't make a socket");
    set(listener.number(), SOL_SOCKET, SO_REUSEADDR, 1);
    set(listener.number(), IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
    if (bind(listener.number(), generic(address), sizeof address.socket) != 0 ||
        listen(listener.number(), backlog) != 0)
        throw_errno("can't listen on " + address.text);
    return listener;
}

Descriptor make_socket(const SocketOptions& options) {
    Descriptor made{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!made.open()) return made;
    if (options.close == Close::reset) {
        const linger at_once{1, 0};
        setsockopt(made.number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    if (options.receive_buffer != 0)
        set(made.number(), SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
    if (options.send_at_once) set(made.number(), IPPROTO_TCP, TCP_NODELAY, 1);
    return made;
}

size_t raise_file_limit(size_t wanted) {
    const rlimit more{wanted, wanted};
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("can't read the limit of open files");
    if (limit.rlim_max < wanted && setrlimit(RLIMIT_NOFILE, &more) == 0) return wanted;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("can't raise the limit of open files");
    return limit.rlim_cur;
}

void need_files(size_t wanted) {
    const size_t limit = raise_file_limit(wanted);
    if (limit < wanted)
        throw std::runtime_error("needs " + std::to_string(wanted) +
                                 " open files and may have no more than " + std::to_string(limit) +
                                 " (ulimit -Hn)");
}

bool send_whole(int socket, std::string_view bytes) {
    return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
}

std::string error_text(int error) {
    return std::generic_category().message(error);
}

void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace telltale::bench::load
