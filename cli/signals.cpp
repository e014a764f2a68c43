#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace telltale::cli {

namespace {

sigset_t awaited_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

}  // namespace

void block_signals() {
    const sigset_t set = awaited_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signals::Signals(Callbacks callbacks)
    : thread_([this, callbacks = std::move(callbacks)] { wait_for_signals(callbacks); }) {}

Signals::~Signals() {
    over_ = true;
    // Directed at the thread, so it wakes even when nobody sends a real one.
    pthread_kill(thread_.native_handle(), SIGINT);
    thread_.join();
}

void Signals::wait_for_signals(const Callbacks& callbacks) {
    const sigset_t set = awaited_signals();
    bool ending = false;
    while (true) {
        int number = 0;
        if (sigwait(&set, &number) != 0) return;
        if (over_) return;
        if (number == SIGHUP) {
            callbacks.reload();
            continue;
        }
        (ending ? callbacks.again : callbacks.first)();
        ending = true;
    }
}

}  // namespace telltale::cli
