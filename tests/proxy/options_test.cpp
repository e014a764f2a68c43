#include "proxy/options.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "proxy/unique_fd.h"

namespace telltale::proxy {
namespace {

struct TcpPair {
    UniqueFd near, far;
};

TcpPair tcp_pair() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener.get(), raw, size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), raw, &size), 0);
    TcpPair pair;
    pair.near = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(pair.near.get(), raw, size), 0);
    pair.far = UniqueFd(::accept(listener.get(), nullptr, nullptr));
    EXPECT_TRUE(pair.far.is_open());
    return pair;
}

// More than the far side takes without reading.
void fill(int fd) {
    const std::array<char, 65536> block{};
    while (::send(fd, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

TEST(UnsentBytes, counts_what_the_peer_has_not_taken) {
    const TcpPair pair = tcp_pair();
    EXPECT_EQ(unsent_bytes(pair.near.get()), 0U);
    fill(pair.near.get());
    EXPECT_GT(unsent_bytes(pair.near.get()), 0U);
}

TEST(UnsentBytes, are_none_on_a_connection_that_was_reset) {
    TcpPair pair = tcp_pair();
    fill(pair.near.get());
    ASSERT_FALSE(set_reset_on_close(pair.far.get()));
    pair.far.reset();
    pollfd waiting{.fd = pair.near.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
    EXPECT_EQ(unsent_bytes(pair.near.get()), 0U);
}

TEST(PendingError, is_told_once) {
    TcpPair pair = tcp_pair();
    ASSERT_FALSE(set_reset_on_close(pair.far.get()));
    pair.far.reset();
    pollfd waiting{.fd = pair.near.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
    EXPECT_EQ(pending_error(pair.near.get()), ECONNRESET);
    EXPECT_EQ(pending_error(pair.near.get()), 0);
}

}  // namespace
}  // namespace telltale::proxy
