// SIGTERM and SIGINT as calls: one thread that waits for them with sigwait(), so that no code runs
// in a signal handler.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace telltale::cli {

// Before any thread is made: threads inherit it, and the kernel would hand a signal to any that
// does not block it. What arrives from here on waits for Signals.
void block_ending_signals();

class Signals final {
   public:
    // first: at the first signal; again: at every later one. Called on this object's thread.
    Signals(std::function<void()> first, std::function<void()> again);
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

   private:
    void wait_for_signals(const std::function<void()>& first, const std::function<void()>& again);

    std::atomic<bool> over_ = false;
    std::thread thread_;
};

}  // namespace telltale::cli
