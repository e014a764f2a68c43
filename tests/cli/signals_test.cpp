#include "cli/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <future>

namespace telltale::cli {
namespace {

void never() {
    ADD_FAILURE() << "not asked for";
}

TEST(Signals, tell_the_first_from_the_later_ones) {
    block_signals();
    std::promise<void> first;
    std::promise<void> again;
    const Signals signals{{.first = [&first] { first.set_value(); },
                           .again = [&again] { again.set_value(); },
                           .reload = never}};
    kill(getpid(), SIGTERM);
    first.get_future().get();  // a second one set the promise twice, and would throw
    kill(getpid(), SIGINT);
    again.get_future().get();
}

TEST(Signals, end_without_any_signal) {
    block_signals();
    const Signals signals{{.first = never, .again = never, .reload = never}};
}

TEST(Signals, that_came_before_anybody_listened_are_not_lost) {
    block_signals();
    kill(getpid(), SIGTERM);
    std::promise<void> first;
    const Signals signals{
        {.first = [&first] { first.set_value(); }, .again = never, .reload = never}};
    first.get_future().get();
}

TEST(Signals, reload_as_often_as_asked_and_do_not_end) {
    block_signals();
    std::promise<void> first;
    std::array<std::promise<void>, 2> reloads;
    size_t reloaded = 0;
    const Signals signals{{.first = [&first] { first.set_value(); },
                           .again = never,
                           .reload = [&] { reloads.at(reloaded++).set_value(); }}};
    kill(getpid(), SIGHUP);
    reloads[0].get_future().get();
    kill(getpid(), SIGHUP);
    reloads[1].get_future().get();
    kill(getpid(), SIGTERM);  // still the first that ends
    first.get_future().get();
}

TEST(Signals, reload_also_while_the_end_is_under_way) {
    block_signals();
    std::promise<void> first;
    std::promise<void> reload;
    const Signals signals{{.first = [&first] { first.set_value(); },
                           .again = never,
                           .reload = [&reload] { reload.set_value(); }}};
    kill(getpid(), SIGTERM);
    first.get_future().get();
    kill(getpid(), SIGHUP);
    reload.get_future().get();
}

}  // namespace
}  // namespace telltale::cli
