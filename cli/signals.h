// SIGTERM, SIGINT and SIGHUP as calls: one thread that waits for them with sigwait(), so that no
// code runs in a signal handler. (SIGPIPE is ignored by main().)
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace telltale::cli {

// Before any thread is made: threads inherit it, and the kernel would hand a signal to any that
// does not block it. What arrives from here on waits for Signals.
void block_signals();

class Signals final {
   public:
    // Called on this object's thread, one at a time.
    struct Callbacks {
        std::function<void()> first;   // SIGTERM or SIGINT, the first of them
        std::function<void()> again;   // every later one
        std::function<void()> reload;  // SIGHUP; several that wait at once are one (signal(7))
    };
    explicit Signals(Callbacks callbacks);
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

   private:
    void wait_for_signals(const Callbacks& callbacks);

    std::atomic<bool> over_ = false;
    std::thread thread_;
};

}  // namespace telltale::cli
