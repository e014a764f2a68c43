#include "proxy/worker.h"

#include <pthread.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

namespace telltale::proxy {

Worker::Worker(size_t number, size_t workers, const Shared& shared)
    : number_(number),
      shared_(shared),
      buffers_(shared.config.limits.buffered_bytes / workers),
      stats_(shared.config.listeners.size()),
      work_(context_.get_executor()),
      tick_(context_),
      chains_(shared.config.listeners.size()) {
    for (const config::Listener& listener : shared.config.listeners) {
        routes_.push_back(std::make_unique<Route>(context_, routes_.size(), listener.upstream,
                                                  shared.own, chains_));
    }
}

Worker::~Worker() {
    join();
}

void Worker::run() {
    thread_ = std::thread([this] {
        // Signals are the control thread's.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        pthread_setname_np(pthread_self(), ("worker-" + std::to_string(number_)).c_str());
        context_.run();
    });
}

void Worker::join() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
        work_.reset();
        context_.stop();
    });
    thread_.join();
}

void Worker::hand_over(size_t listener, UniqueFd fd, const PeerAddress& peer) {
    load_.fetch_add(1, std::memory_order_relaxed);
    asio::dispatch(context_, [this, listener, fd = std::move(fd), peer]() mutable {
        adopt(listener, std::move(fd), peer);
    });
}

void Worker::adopt(size_t listener, UniqueFd fd, const PeerAddress& peer) {
    ErrorCode error;
    Socket client(context_);
    client.assign(asio::generic::stream_protocol(peer.family(), 0), fd.get(), error);
    if (!error) {
        static_cast<void>(fd.release());
        client.non_blocking(true, error);
    }
    if (error) {
        load_.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    boost::intrusive_ptr<Session> session(
        new Session(*this, listener, next_id_++, std::move(client), peer));
    intrusive_ptr_add_ref(session.get());  // the list's
    sessions_.push_back(*session);
    ++stats_[listener].active;
    ++stats_[listener].accepted;
    session->start();
}

void Worker::remove(Session& session) noexcept {
    deadlines_.drop(session);
    --stats_[session.listener_index()].active;
    load_.fetch_sub(1, std::memory_order_relaxed);
    sessions_.erase(sessions_.iterator_to(session));
    intrusive_ptr_release(&session);
}

void Worker::abort_all() {
    asio::post(context_, [this] {
        while (!sessions_.empty()) {
            const boost::intrusive_ptr<Session> session(&sessions_.front());
            session->abort();
        }
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

void Worker::set_deadline(DeadlineHook& hook, TimeMs due) noexcept {
    deadlines_.set(hook, due, now_ms());
    if (!ticking_) arm_tick();
}

void Worker::arm_tick() {
    ticking_ = true;
    tick_.expires_after(std::chrono::milliseconds(Deadlines::tick_ms));
    tick_.async_wait([this](const ErrorCode& error) {
        if (!error) on_tick();
    });
}

void Worker::on_tick() {
    const TimeMs now = now_ms();
    deadlines_.advance(now, [now](DeadlineHook& hook) {
        const boost::intrusive_ptr<Session> session(&static_cast<Session&>(hook));
        session->on_deadline(now);
    });
    // No deadline, no tick: an idle sidecar does not wake up.
    ticking_ = false;
    if (!deadlines_.empty()) arm_tick();
}

// ---- snapshots

void Worker::snapshot(size_t connections_max, std::function<void(WorkerSnapshot)> then) {
    asio::post(context_, [this, connections_max, then = std::move(then)] {
        then(take_snapshot(connections_max));
    });
}

WorkerSnapshot Worker::take_snapshot(size_t connections_max) const {
    WorkerSnapshot snapshot;
    snapshot.listeners = stats_;
    const TimeMs now = now_ms();
    for (const Session& session : sessions_) {
        if (snapshot.connections.size() == connections_max) break;
        snapshot.connections.push_back(session.row(now));
    }
    return snapshot;
}

}  // namespace telltale::proxy
