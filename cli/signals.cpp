#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace telltale::cli {

namespace {

sigset_t ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

}  // namespace

void block_ending_signals() {
    const sigset_t set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signals::Signals(std::function<void()> first, std::function<void()> again)
    : thread_([this, first = std::move(first), again = std::move(again)] {
          wait_for_signals(first, again);
      }) {}

Signals::~Signals() {
    over_ = true;
    // Directed at the thread, so it wakes even when nobody sends a real one.
    pthread_kill(thread_.native_handle(), SIGINT);
    thread_.join();
}

void Signals::wait_for_signals(const std::function<void()>& first,
                               const std::function<void()>& again) {
    const sigset_t set = ending_signals();
    bool seen = false;
    while (true) {
        int number = 0;
        if (sigwait(&set, &number) != 0) return;
        if (over_) return;
        (seen ? again : first)();
        seen = true;
    }
}

}  // namespace telltale::cli
