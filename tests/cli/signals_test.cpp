#include "cli/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>

namespace telltale::cli {
namespace {

TEST(Signals, tell_the_first_from_the_later_ones) {
    block_ending_signals();
    std::promise<void> first;
    std::promise<void> again;
    const Signals signals{[&first] { first.set_value(); }, [&again] { again.set_value(); }};
    kill(getpid(), SIGTERM);
    first.get_future().get();  // a second one set the promise twice, and would throw
    kill(getpid(), SIGINT);
    again.get_future().get();
}

TEST(Signals, end_without_any_signal) {
    block_ending_signals();
    bool called = false;
    {
        const Signals signals{[&called] { called = true; }, [&called] { called = true; }};
    }
    EXPECT_FALSE(called);
}

TEST(Signals, that_came_before_anybody_listened_are_not_lost) {
    block_ending_signals();
    kill(getpid(), SIGTERM);
    std::promise<void> first;
    const Signals signals{[&first] { first.set_value(); }, [] {}};
    first.get_future().get();
}

}  // namespace
}  // namespace telltale::cli
