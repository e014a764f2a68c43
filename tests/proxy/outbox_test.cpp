#include "proxy/outbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

constexpr TimeMs start = 1'000'000;

// A sink whose lines are counted; every incident is of another upstream, so that each has its line.
class Outboxes : public testing::Test {
   protected:
    void push(TimeMs now) {
        Incident incident = example_incident();
        incident.evidence.upstream_address = "10.0.0.1:" + std::to_string(++pushed_);
        outbox_.push(std::move(incident), now);
    }
    bool wait_for_lines(size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return lines_ >= count; });
    }
    size_t lines() {
        const std::lock_guard lock(mutex_);
        return lines_;
    }

    Reactor reactor_;
    Ticker ticker_{reactor_};
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t lines_ = 0;
    int pushed_ = 0;
    config::Config config_ = [] {
        config::Config config;
        config.log.format = config::LogFormat::json;
        return config;
    }();
    IncidentSink sink_{config_, [this](const std::string&) {
                           const std::lock_guard lock(mutex_);
                           ++lines_;
                           changed_.notify_all();
                       }};
    Outbox outbox_{sink_, ticker_};
};

TEST_F(Outboxes, the_first_goes_at_once_and_the_next_with_the_tick) {
    push(start);
    EXPECT_TRUE(wait_for_lines(1));
    push(start + 1);
    push(start + 2);
    EXPECT_EQ(lines(), 1U);
    outbox_.on_deadline(start + Deadlines::tick_ms);
    EXPECT_TRUE(wait_for_lines(3));
}

TEST_F(Outboxes, after_a_quiet_tick_the_next_goes_at_once_again) {
    push(start);
    outbox_.on_deadline(start + Deadlines::tick_ms);
    push(start + 500);
    EXPECT_TRUE(wait_for_lines(2));
}

TEST_F(Outboxes, a_flush_lets_nothing_wait) {
    for (int i = 0; i < 3; ++i) push(start);
    outbox_.flush();
    EXPECT_TRUE(wait_for_lines(3));
}

TEST_F(Outboxes, holds_only_so_many) {
    for (int i = 0; i < 33; ++i) push(start);
    EXPECT_TRUE(wait_for_lines(33));
}

TEST_F(Outboxes, equal_ones_of_a_tick_are_counted_and_the_newest_is_kept) {
    for (int i = 0; i < 5; ++i) {
        Incident incident = example_incident();
        incident.id = std::to_string(i);
        outbox_.push(std::move(incident), start);
    }
    outbox_.flush();
    std::promise<std::vector<IncidentSink::Entry>> promise;
    sink_.list([&](std::vector<IncidentSink::Entry> entries) { promise.set_value(entries); });
    const auto entries = promise.get_future().get();
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].count, 5U);
    EXPECT_EQ(entries[0].incident.id, "4");
    EXPECT_EQ(lines(), 1U);
}

}  // namespace
}  // namespace telltale::proxy
