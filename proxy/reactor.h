// The event loop of one worker: readiness of descriptors by epoll(7), tasks from other threads, and
// a hook after each turn. Made for relaying: one epoll_ctl per descriptor for its whole life,
// one epoll_wait per turn, no read that finds nothing.
//
// Asio's reactor tries a read before it waits, so every message costs a recv that fails with
// EAGAIN, and its waits cost an epoll_ctl each (docs/performance.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/net.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// Who is told of a descriptor's readiness; outlives the turn in which it closes the descriptor.
class Watcher {
   public:
    // events: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR.
    virtual void on_ready(uint32_t events) = 0;

   protected:
    ~Watcher() = default;
};

class Reactor final {
   public:
    using Task = std::function<void()>;
    enum class Trigger : uint8_t {
        edge,   // reads and writes; told once for each change, so the watcher goes on until EAGAIN
        level,  // reads; told again each turn while it is so
    };

    Reactor();  // throws std::system_error without descriptors
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    // ---- its own thread, or before run()
    // Closing the descriptor ends the watch; an event of the same turn may still arrive after that.
    [[nodiscard]] ErrorCode watch(int fd, Watcher& watcher, Trigger trigger) noexcept;
    // Tells an edge-triggered watcher again of what is there already: how a long transfer lets the
    // others go first.
    void tell_again(int fd, Watcher& watcher) noexcept;
    void forget(int fd) noexcept;
    // Until stop(); what was posted before is still done. on_turn: after all events of one wait
    // were told.
    template <typename OnTurn>
    void run(OnTurn&& on_turn) {
        thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        while (!stopped_) {
            turn();
            on_turn();
        }
    }
    // Any thread may ask.
    [[nodiscard]] bool is_own_thread() const noexcept {
        return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }

    // ---- any thread
    void post(Task task);
    void stop();

   private:
    void turn();
    void run_tasks();

    UniqueFd epoll_;
    UniqueFd wake_;  // eventfd(2): readable while tasks wait
    std::atomic<std::thread::id> thread_{};
    std::mutex mutex_;
    std::vector<Task> tasks_;
    bool stopping_ = false;  // by stop()
    bool stopped_ = false;   // and every task was run
};

}  // namespace telltale::proxy
