#include "proxy/worker.h"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace telltale::proxy {

Worker::Worker(size_t number, const Shared& shared, const GenerationPtr& generation)
    : number_(number),
      shared_(shared),
      buffers_(generation->config.limits.buffered_bytes / shared.workers),
      outbox_(shared.sink, ticker_) {
    read_clock();
    setup_ = make_setup(generation);
}

Worker::~Worker() {
    join();
    while (!sessions_.empty()) sessions_.front().abort();
    ended_.clear();
    older_.clear();
    setup_.reset();
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

void Worker::hand_over(const Destination& to, UniqueFd fd, const PeerAddress& peer) {
    load_.fetch_add(1, std::memory_order_relaxed);
    if (reactor_.is_own_thread()) {
        adopt(to, std::move(fd), peer);
        return;
    }
    auto held = std::make_shared<UniqueFd>(std::move(fd));
    reactor_.post([this, to, held, peer] {
        read_clock();
        adopt(to, std::move(*held), peer);
    });
}

void Worker::adopt(const Destination& to, UniqueFd fd, const PeerAddress& peer) {
    const SetupPtr setup = setup_of(to.generation);
    ListenerStats& counts = stats_[setup->slot(to.listener)];
    ++counts.active;
    ++counts.accepted;
    boost::intrusive_ptr<Session> session(
        new Session(*this, setup, to.listener, next_id_++, std::move(fd), peer));
    sessions_.push_back(*session);
    Session& started = *session.detach();  // the list's
    started.start();
}

// ---- generations

void Worker::use(const GenerationPtr& generation) {
    reactor_.post([this, generation] {
        read_clock();
        static_cast<void>(setup_of(generation));
    });
}

SetupPtr Worker::make_setup(const GenerationPtr& generation) {
    for (const size_t slot : generation->slots) {
        if (stats_.size() <= slot) stats_.resize(slot + 1);
    }
    buffers_.set_limit(generation->config.limits.buffered_bytes / shared_.workers);
    return {new Setup(
        generation, shared_.names, shared_.memory,
        [this](Reactor::Task task) { reactor_.post(std::move(task)); }, setup_.get())};
}

// A connection may still come in for a generation that is no longer the newest: its listener was
// emptied while the next one was on its way.
SetupPtr Worker::setup_of(const GenerationPtr& generation) {
    if (setup_->generation() == generation) return setup_;
    for (const SetupPtr& older : older_) {
        if (older->generation() == generation) return older;
    }
    if (generation->number < setup_->generation()->number) {
        older_.push_back(make_setup(generation));
        return older_.back();
    }
    SetupPtr next = make_setup(generation);
    older_.push_back(std::exchange(setup_, next));
    std::erase_if(older_, [](const SetupPtr& older) { return older->use_count() == 1; });
    return next;
}

void Worker::remove(Session& session) noexcept {
    ticker_.drop(session);
    ended_ring_.push(session.ended());
    --stats_[session.slot()].active;
    load_.fetch_sub(1, std::memory_order_relaxed);
    if (shared_.client_left) shared_.client_left(session.client_address());
    sessions_.erase(sessions_.iterator_to(session));
    ended_.emplace_back(&session, false);
}

void Worker::abort_all() {
    reactor_.post([this] {
        read_clock();
        while (!sessions_.empty()) sessions_.front().abort();
    });
}

uint64_t Worker::report(Incident&& incident, const config::Config& config) {
    const config::Node& node = config.node;
    incident.id = incident_id(++incidents_);
    incident.at = std::chrono::system_clock::now();
    incident.node = node.namespace_.empty() ? node.name : node.namespace_ + "/" + node.name;
    incident.runbook =
        config.runbook_url + "#" + std::string(sniff::name(incident.diagnosis.cause));
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
    snapshot.listeners.assign(stats_.begin(), stats_.end());
    const config::Config& config = setup_->config();
    for (size_t index = 0; index < config.listeners.size(); ++index) {
        snapshot.listeners[setup_->slot(index)].endpoints_ejected =
            static_cast<int64_t>(setup_->route(index).ejected(now_ms_));
    }
    if (!snapshot.listeners.empty()) {
        snapshot.listeners[0].limits_reached[static_cast<size_t>(Limit::buffered_bytes)] +=
            buffers_.small_lent();
    }
    if (connections_max != 0) snapshot.ended = ended_ring_.rows(now_ms_);
    const TimeMs now = now_ms_;
    for (const Session& session : sessions_) {
        if (snapshot.connections.size() == connections_max) break;
        snapshot.connections.push_back(session.row(now));
    }
    return snapshot;
}

}  // namespace telltale::proxy
