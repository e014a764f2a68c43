#include "proxy/worker.h"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace telltale::proxy {

Worker::Worker(size_t number, size_t workers, const Shared& shared)
    : number_(number),
      shared_(shared),
      buffers_(shared.config.limits.buffered_bytes / workers),
      known_upstreams_(shared.config.listeners.size()),
      stats_(shared.config.listeners.size()),
      outbox_(shared.sink, ticker_),
      chains_(shared.config.listeners.size()) {
    read_clock();
    for (const config::Listener& listener : shared.config.listeners) {
        routes_.push_back(std::make_unique<Route>(
            shared.names, [this](Reactor::Task task) { reactor_.post(std::move(task)); },
            routes_.size(), listener.upstream.addresses.front(), shared.own, chains_));
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
        reactor_.run([this] { ended_.clear(); });
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

const sniff::RegistryFacts& Worker::registry_facts(size_t listener, const std::string& address) {
    KnownUpstream& known = known_upstreams_[listener];
    if (!known.facts || known.address != address) {
        known.address = address;
        known.facts = shared_.registry.look_up(address, this->listener(listener).upstream.text());
    }
    return *known.facts;
}

void Worker::remove(Session& session) noexcept {
    ticker_.drop(session);
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

uint64_t Worker::report(Incident&& incident) {
    const config::Node& node = shared_.config.node;
    incident.id = incident_id(++incidents_);
    incident.at = std::chrono::system_clock::now();
    incident.node = node.namespace_.empty() ? node.name : node.namespace_ + "/" + node.name;
    incident.runbook =
        shared_.config.runbook_url + "#" + std::string(sniff::name(incident.diagnosis.cause));
    outbox_.push(std::move(incident), now_ms_);
    return incidents_;
}

void Worker::amend(uint64_t number, IncidentEnd end) {
    end.id = incident_id(number);
    outbox_.flush();  // the record first
    shared_.sink.amend(std::move(end));
}

std::string Worker::incident_id(uint64_t number) const {
    return shared_.process_id + "-" + std::to_string(number_) + "-" + std::to_string(number);
}

// ---- snapshots

void Worker::snapshot(size_t connections_max, std::function<void(WorkerSnapshot)> then) {
    reactor_.post([this, connections_max, then = std::move(then)] {
        read_clock();
        outbox_.flush();  // who looks sees all that has happened
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
