// One thread, one io_context, and the sessions that live on it: their deadlines, buffers, routes
// and counters. Nothing here is touched by another thread, but for load() and post().
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "config/config.h"
#include "config/registry.h"
#include "proxy/buffers.h"
#include "proxy/deadlines.h"
#include "proxy/incident_sink.h"
#include "proxy/net.h"
#include "proxy/route.h"
#include "proxy/session.h"
#include "proxy/stats.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// What all workers share, read only while they run.
struct Shared {
    const config::Config& config;
    const config::Registry& registry;
    IncidentSink& sink;
    const OwnAddresses& own;
    std::string process_id;  // first part of an incident's id
};

class Worker final {
   public:
    Worker(size_t number, size_t workers, const Shared& shared);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // ---- any thread
    void run();   // starts the thread
    void join();  // after the last session; stops the loop
    [[nodiscard]] uint32_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
    // Counts the connection at once, so that the next choice of a worker sees it; the worker adopts
    // it on its own thread.
    void hand_over(size_t listener, UniqueFd fd, const PeerAddress& peer);
    void snapshot(size_t connections_max, std::function<void(WorkerSnapshot)> then);
    void abort_all();

    // ---- its own thread
    [[nodiscard]] asio::io_context& context() noexcept { return context_; }
    [[nodiscard]] const config::Config& config() const noexcept { return shared_.config; }
    [[nodiscard]] const config::Registry& registry() const noexcept { return shared_.registry; }
    [[nodiscard]] const config::Listener& listener(size_t index) const noexcept {
        return shared_.config.listeners[index];
    }
    [[nodiscard]] ListenerStats& stats(size_t listener) noexcept { return stats_[listener]; }
    [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
    [[nodiscard]] Route& route(size_t listener) noexcept { return *routes_[listener]; }
    [[nodiscard]] static int64_t now_ns() noexcept {
        return std::chrono::steady_clock::now().time_since_epoch().count();
    }
    [[nodiscard]] static TimeMs now_ms() noexcept { return now_ns() / 1'000'000; }
    void set_deadline(DeadlineHook& hook, TimeMs due) noexcept;
    // Completes the record (id, node, links) and hands it to the sink; returns its number on this
    // worker.
    uint64_t report(Incident incident);
    void amend(uint64_t number, IncidentEnd end);
    void remove(Session& session) noexcept;
    void adopt(size_t listener, UniqueFd fd, const PeerAddress& peer);

   private:
    using Sessions = boost::intrusive::list<Session, boost::intrusive::base_hook<SessionLink>>;
    [[nodiscard]] std::string incident_id(uint64_t number) const;
    void arm_tick();
    void on_tick();
    [[nodiscard]] WorkerSnapshot take_snapshot(size_t connections_max) const;

    const size_t number_;
    const Shared& shared_;
    // Sessions die in ~io_context with their pending operations; what they touch then is declared
    // before it.
    BufferPool buffers_;
    Deadlines deadlines_;
    std::vector<ListenerStats> stats_;
    Sessions sessions_;
    std::atomic<uint32_t> load_{0};
    uint64_t next_id_ = 0;
    uint64_t incidents_ = 0;
    bool ticking_ = false;
    asio::io_context context_{1};
    asio::executor_work_guard<Executor> work_;
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>
        tick_;
    Chains chains_;
    std::vector<std::unique_ptr<Route>> routes_;
    std::thread thread_;
};

}  // namespace telltale::proxy
