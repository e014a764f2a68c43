#include "proxy/worker.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace telltale::proxy {

Worker::Worker(size_t number, size_t workers, const Shared& shared)
    : number_(number),
      shared_(shared),
      buffers_(shared.config.limits.buffered_bytes / workers),
      stats_(shared.config.listeners.size()),
      chains_(shared.config.listeners.size()) {
    read_clock();
    for (const config::Listener& listener : shared.config.listeners) {
        routes_.push_back(std::make_unique<Route>(
            shared.names, [this](Reactor::Task task) { reactor_.post(std::move(task)); },
            routes_.size(), listener.upstream, shared.own, chains_));
    }
}

Worker::~Worker() {
    join();
    while (!sessions_.empty()) sessions_.front().abort();
    ended_.clear();
}

void Worker::run() {
    thread_ = std::thread([this] {
        // Signals are the control thread's.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        pthread_setname_np(pthread_self(), ("worker-" + std::to_string(number_)).c_str());
        reactor_.run(*this);
    });
}

void Worker::join() {
    if (!thread_.joinable()) return;
    reactor_.stop();
    thread_.join();
}

void Worker::hand_over(size_t listener, UniqueFd fd, const PeerAddress& peer) {
    load_.fetch_add(1, std::memory_order_relaxed);
    if (reactor_.is_own_thread()) {
        adopt(listener, std::move(fd), peer);
        return;
    }
    auto held = std::make_shared<UniqueFd>(std::move(fd));
    reactor_.post([this, listener, held, peer] {
        read_clock();
        adopt(listener, std::move(*held), peer);
    });
}

void Worker::adopt(size_t listener, UniqueFd fd, const PeerAddress& peer) {
    boost::intrusive_ptr<Session> session(
        new Session(*this, listener, next_id_++, std::move(fd), peer));
    sessions_.push_back(*session);
    ++stats_[listener].active;
    ++stats_[listener].accepted;
    Session& started = *session.detach();  // the list's
    started.start();
}

void Worker::remove(Session& session) noexcept {
    deadlines_.drop(session);
    --stats_[session.listener_index()].active;
    load_.fetch_sub(1, std::memory_order_relaxed);
    sessions_.erase(sessions_.iterator_to(session));
    ended_.emplace_back(&session, false);
}

void Worker::abort_all() {
    reactor_.post([this] {
        read_clock();
        while (!sessions_.empty()) sessions_.front().abort();
    });
}

uint64_t Worker::report(Incident incident) {
    const config::Node& node = shared_.config.node;
    incident.id = incident_id(++incidents_);
    incident.at = std::chrono::system_clock::now();
    incident.node = node.namespace_.empty() ? node.name : node.namespace_ + "/" + node.name;
    incident.runbook =
        shared_.config.runbook_url + "#" + std::string(sniff::name(incident.diagnosis.cause));
    // A full queue is counted by the sink; the counters of this worker have moved already.
    static_cast<void>(shared_.sink.push(std::move(incident)));
    return incidents_;
}

void Worker::amend(uint64_t number, IncidentEnd end) {
    end.id = incident_id(number);
    shared_.sink.amend(std::move(end));
}

std::string Worker::incident_id(uint64_t number) const {
    return shared_.process_id + "-" + std::to_string(number_) + "-" + std::to_string(number);
}

// ---- deadlines

void Worker::set_deadline(Timed& hook, TimeMs due) noexcept {
    if (deadlines_.empty()) next_tick_ms_ = deadlines_.next_tick_ms(now_ms_);
    deadlines_.set(hook, due, now_ms_);
}

// No deadline, no tick: an idle sidecar does not wake up.
int Worker::wait_ms() noexcept {
    if (deadlines_.empty()) return -1;
    return static_cast<int>(std::clamp<TimeMs>(next_tick_ms_ - now_ms_, 0, Deadlines::tick_ms));
}

void Worker::on_turn() {
    read_clock();
    if (!deadlines_.empty() && now_ms_ >= next_tick_ms_) {
        next_tick_ms_ = deadlines_.next_tick_ms(now_ms_);
        deadlines_.advance(now_ms_, [this](DeadlineHook& hook) {
            static_cast<Timed&>(hook).on_deadline(now_ms_);
        });
    }
    ended_.clear();
}

// ---- snapshots

void Worker::snapshot(size_t connections_max, std::function<void(WorkerSnapshot)> then) {
    reactor_.post([this, connections_max, then = std::move(then)] {
        read_clock();
        then(take_snapshot(connections_max));
    });
}

WorkerSnapshot Worker::take_snapshot(size_t connections_max) const {
    WorkerSnapshot snapshot;
    snapshot.listeners = stats_;
    const TimeMs now = now_ms_;
    for (const Session& session : sessions_) {
        if (snapshot.connections.size() == connections_max) break;
        snapshot.connections.push_back(session.row(now));
    }
    return snapshot;
}

}  // namespace telltale::proxy
