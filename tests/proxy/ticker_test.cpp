#include "proxy/ticker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

namespace telltale::proxy {
namespace {

TimeMs now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Owner final : public Timed {
   public:
    explicit Owner(std::function<void(TimeMs)> call) : call_(std::move(call)) {}
    void on_deadline(TimeMs now) override { call_(now); }

   private:
    std::function<void(TimeMs)> call_;
};

TEST(Ticker, fires_not_before_the_deadline) {
    Reactor reactor;
    Ticker ticker(reactor);
    const TimeMs due = now_ms() + 120;
    TimeMs fired = 0;
    Owner owner([&](TimeMs now) {
        fired = now;
        reactor.stop();
    });
    ticker.set(owner, due, now_ms());
    reactor.run([] {});
    EXPECT_GE(fired, due);
}

TEST(Ticker, starts_anew_after_it_rested) {
    Reactor reactor;
    Ticker ticker(reactor);
    int fired = 0;
    Owner* self = nullptr;
    Owner owner([&](TimeMs now) {
        if (++fired == 3) return reactor.stop();
        ticker.set(*self, now + 1, now);
    });
    self = &owner;
    ticker.set(owner, now_ms(), now_ms());
    reactor.run([] {});
    EXPECT_EQ(fired, 3);
}

TEST(Ticker, rests_when_nobody_waits_any_more) {
    Reactor reactor;
    Ticker ticker(reactor);
    EXPECT_FALSE(ticker.ticking());
    Owner dropped([](TimeMs) { FAIL() << "a dropped deadline fired"; });
    ticker.set(dropped, now_ms() + 60'000, now_ms());
    EXPECT_TRUE(ticker.ticking());
    ticker.drop(dropped);
    reactor.run([&] {
        if (!ticker.ticking()) reactor.stop();
    });
    EXPECT_FALSE(ticker.ticking());
}

}  // namespace
}  // namespace telltale::proxy
