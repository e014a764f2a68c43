// One thread, one event loop, and the sessions that live on it: their deadlines, buffers, setups
// and counters. Nothing here is touched by another thread, but for what says so.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "config/config.h"
#include "proxy/buffers.h"
#include "proxy/ended_ring.h"
#include "proxy/generation.h"
#include "proxy/incident_sink.h"
#include "proxy/net.h"
#include "proxy/outbox.h"
#include "proxy/reactor.h"
#include "proxy/session.h"
#include "proxy/setup.h"
#include "proxy/stats.h"
#include "proxy/ticker.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// What all workers share, read only while they run.
struct Shared {
    IncidentTaker& sink;
    asio::io_context& names;  // where names are looked up; runs on another thread
    NameMemory& memory;       // of their answers
    std::string process_id;   // first part of an incident's id
    size_t workers = 1;
    // Any worker's thread: a connection from this address has ended. May be empty.
    std::function<void(const PeerAddress&)> client_left;
};

// Where a connection belongs: a listener of one generation of the configuration.
struct Destination {
    GenerationPtr generation;
    size_t listener = 0;
};

class Worker final {
   public:
    Worker(size_t number, const Shared& shared, const GenerationPtr& generation);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // ---- any thread
    void run();   // starts the thread
    void join();  // after the last session; stops the loop
    [[nodiscard]] uint32_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
    // Counts the connection at once, so that the next choice of a worker sees it; the worker adopts
    // it on its own thread.
    void hand_over(const Destination& to, UniqueFd fd, const PeerAddress& peer);
    // New connections of this generation are on their way: names may be asked for.
    void use(const GenerationPtr& generation);
    // Records that were still held back are on their way to the sink when `then` is called.
    void snapshot(size_t connections_max, std::function<void(WorkerSnapshot)> then);
    void abort_all();

    // ---- its own thread
    [[nodiscard]] Reactor& reactor() noexcept { return reactor_; }
    [[nodiscard]] ErrorCode watch(Leg& leg) noexcept {
        return reactor_.watch(leg.fd(), leg, Reactor::Trigger::edge);
    }
    void tell_again(Leg& leg) noexcept { reactor_.tell_again(leg.fd(), leg); }
    [[nodiscard]] ListenerStats& stats(size_t slot) noexcept { return stats_[slot]; }
    [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
    // The time when what is being told happened: the clock is read once for each event.
    [[nodiscard]] int64_t now_ns() const noexcept { return now_ns_; }
    [[nodiscard]] TimeMs now_ms() const noexcept { return now_ms_; }
    void read_clock() noexcept {
        now_ns_ = std::chrono::steady_clock::now().time_since_epoch().count();
        now_ms_ = now_ns_ / 1'000'000;
    }
    void set_deadline(Timed& timed, TimeMs due) noexcept { ticker_.set(timed, due, now_ms_); }
    void drop_deadline(Timed& timed) noexcept { ticker_.drop(timed); }
    // Completes the record (id, node, links) and hands it to the sink; returns its number on this
    // worker.
    uint64_t report(Incident&& incident, const config::Config& config);
    void amend(uint64_t number, IncidentEnd end);
    void remove(Session& session) noexcept;
    void adopt(const Destination& to, UniqueFd fd, const PeerAddress& peer);

   private:
    using Sessions = boost::intrusive::list<Session, boost::intrusive::base_hook<SessionLink>>;
    [[nodiscard]] std::string incident_id(uint64_t number) const;
    [[nodiscard]] WorkerSnapshot take_snapshot(size_t connections_max) const;
    [[nodiscard]] SetupPtr setup_of(const GenerationPtr& generation);
    [[nodiscard]] SetupPtr make_setup(const GenerationPtr& generation);

    const size_t number_;
    const Shared& shared_;
    int64_t now_ns_ = 0;
    TimeMs now_ms_ = 0;
    // Sessions give back to it when they die: declared before them.
    BufferPool buffers_;
    std::deque<ListenerStats> stats_;  // index = slot
    EndedRing ended_ring_;
    Sessions sessions_;
    std::vector<boost::intrusive_ptr<Session>> ended_;  // an event of this turn may still name them
    std::atomic<uint32_t> load_{0};
    uint64_t next_id_ = 0;
    uint64_t incidents_ = 0;
    Reactor reactor_;
    Ticker ticker_{reactor_};
    Outbox outbox_;
    SetupPtr setup_;               // of the newest generation
    std::vector<SetupPtr> older_;  // their sessions go on
    std::thread thread_;
};

}  // namespace telltale::proxy
