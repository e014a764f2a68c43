#include "proxy/reactor.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace telltale::proxy {
namespace {

class Calls final : public Watcher {
   public:
    explicit Calls(std::function<void(uint32_t)> call) : call_(std::move(call)) {}
    void on_ready(uint32_t events) override { call_(events); }

   private:
    std::function<void(uint32_t)> call_;
};

struct Pair {
    UniqueFd near, far;
};

Pair socket_pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void send_byte(const UniqueFd& fd) {
    EXPECT_EQ(::send(fd.get(), "x", 1, 0), 1);
}

TEST(Reactor, runs_tasks_of_other_threads_in_their_order_and_all_before_it_stops) {
    Reactor reactor;
    std::vector<int> order;
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) reactor.post([&order, i] { order.push_back(i); });
        reactor.stop();
    });
    reactor.run([] {});
    other.join();
    ASSERT_EQ(order.size(), 100U);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(Reactor, a_task_may_post_another_and_stop_waits_for_it) {
    Reactor reactor;
    bool ran = false;
    reactor.post([&] {
        reactor.stop();
        reactor.post([&] { ran = true; });
    });
    reactor.run([] {});
    EXPECT_TRUE(ran);
}

TEST(Reactor, knows_its_own_thread) {
    Reactor reactor;
    bool inside = false;
    reactor.post([&] { inside = reactor.is_own_thread(); });
    reactor.stop();
    std::thread([&] { reactor.run([] {}); }).join();
    EXPECT_TRUE(inside);
    EXPECT_FALSE(reactor.is_own_thread());
}

TEST(Reactor, an_edge_is_told_once_until_something_changes) {
    Reactor reactor;
    const Pair pair = socket_pair();
    int told = 0;
    Calls calls([&](uint32_t events) { told += (events & EPOLLIN) != 0 ? 1 : 0; });
    ASSERT_FALSE(reactor.watch(pair.near.get(), calls, Reactor::Trigger::edge));
    send_byte(pair.far);
    int turns = 0;
    reactor.run([&] {
        if (++turns == 5) send_byte(pair.far);
        if (turns == 10) reactor.stop();
        reactor.post([] {});  // the next turn, whatever else happens
    });
    EXPECT_EQ(told, 2);
}

TEST(Reactor, a_level_is_told_every_turn) {
    Reactor reactor;
    const Pair pair = socket_pair();
    int told = 0;
    Calls calls([&](uint32_t) {
        if (++told == 5) reactor.stop();
    });
    ASSERT_FALSE(reactor.watch(pair.near.get(), calls, Reactor::Trigger::level));
    send_byte(pair.far);
    reactor.run([] {});
    EXPECT_GE(told, 5);
}

TEST(Reactor, tells_again_of_what_is_there_when_asked) {
    Reactor reactor;
    const Pair pair = socket_pair();
    int told = 0;
    Calls* self = nullptr;
    Calls calls([&](uint32_t events) {
        if ((events & EPOLLIN) == 0) return;
        if (++told == 4) return reactor.stop();
        reactor.tell_again(pair.near.get(), *self);
    });
    self = &calls;
    ASSERT_FALSE(reactor.watch(pair.near.get(), calls, Reactor::Trigger::edge));
    send_byte(pair.far);
    reactor.run([] {});
    EXPECT_EQ(told, 4);
}

TEST(Reactor, says_nothing_more_of_a_descriptor_that_was_forgotten_or_closed) {
    Reactor reactor;
    Pair forgotten = socket_pair();
    Pair closed = socket_pair();
    int told = 0;
    Calls calls([&](uint32_t) { ++told; });
    ASSERT_FALSE(reactor.watch(forgotten.near.get(), calls, Reactor::Trigger::level));
    ASSERT_FALSE(reactor.watch(closed.near.get(), calls, Reactor::Trigger::level));
    reactor.forget(forgotten.near.get());
    closed.near.reset();
    send_byte(forgotten.far);
    reactor.post([] {});
    int turns = 0;
    reactor.run([&] {
        if (++turns < 5) return reactor.post([] {});
        reactor.stop();
    });
    EXPECT_EQ(told, 0);
}

TEST(Reactor, an_unusable_descriptor_is_an_error_and_no_silence) {
    Reactor reactor;
    Calls calls([](uint32_t) {});
    EXPECT_EQ(reactor.watch(-1, calls, Reactor::Trigger::edge).value(), EBADF);
}

}  // namespace
}  // namespace telltale::proxy
