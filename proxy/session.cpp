#include "proxy/session.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <cmath>
#include <limits>
#include <utility>

#include "proxy/options.h"
#include "proxy/worker.h"

namespace telltale::proxy {

using sniff::Side;

namespace {

constexpr TimeMs never = std::numeric_limits<TimeMs>::max();
// How long a reset waits for the last bytes to reach a slow reader. A reset at once would destroy
// them in our send queue.
constexpr TimeMs reset_patience_ms = 5000;
// A connection that lives so long gets keepalive: five system calls that a short one is spared.
constexpr TimeMs keepalive_after_ms = 1000;

size_t index(Side side) {
    return static_cast<size_t>(side);
}
Side other(Side side) {
    return side == Side::client ? Side::upstream : Side::client;
}

double seconds(int64_t ns) {
    return static_cast<double>(ns) / 1e9;
}
// To the microsecond: what a reader can use.
double milliseconds(int64_t ns) {
    return std::round(static_cast<double>(ns) / 1e3) / 1e3;
}

sniff::Outcome outcome_of(int error) {
    switch (error) {
        case ECONNREFUSED:
        case ENOENT:  // no such Unix socket
            return sniff::Outcome::refused;
        case ETIMEDOUT:
            return sniff::Outcome::timed_out;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:
        case EAGAIN:  // a Unix listener whose backlog is full
            return sniff::Outcome::local_limit;
        default:  // EHOSTUNREACH, ENETUNREACH, EPERM and EACCES from a packet filter, …
            return sniff::Outcome::unreachable;
    }
}

sniff::EndKind kind_of(const ErrorCode& error) {
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe) {
        return sniff::EndKind::reset;
    }
    if (error == asio::error::timed_out) return sniff::EndKind::timeout;
    return sniff::EndKind::error;
}

sniff::ConversationLimits limits_of(const config::Sniff& sniff) {
    sniff::ConversationLimits limits;
    limits.window_max = sniff.window_bytes;
    limits.settle_ms = sniff.settle.count();
    limits.silent_after_ms = sniff.silent_after.count();
    return limits;
}

}  // namespace

Session::Session(Worker& worker, size_t listener, uint64_t id, UniqueFd client, PeerAddress peer)
    : worker_(worker),
      listener_(listener),
      id_(id),
      accepted_ms_(worker.now_ms()),
      accepted_ns_(worker.now_ns()),
      last_activity_ms_(accepted_ms_),
      client_address_(peer),
      client_(*this, Side::client, std::move(client)),
      upstream_(*this, Side::upstream),
      conversation_(worker.listener(listener).expect, limits_of(worker.config().sniff)),
      from_client_(*this, Side::client, client_, upstream_),
      from_upstream_(*this, Side::upstream, upstream_, client_) {}

Session::~Session() = default;

void Session::start() {
    if (worker_.watch(client_)) {
        give_up(sniff::Outcome::local_limit);
        pass_reset();
        return;
    }
    find_upstream();
}

void Leg::on_ready(uint32_t events) {
    session_.on_ready(side_, events);
}

void Session::on_ready(Side side, uint32_t events) {
    if (is_done()) return;
    worker_.read_clock();
    const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (side == Side::upstream && state_ == State::connecting) {
        on_connect(events);
        if (is_done() || state_ != State::relaying) return;
    }
    Pump& reads = side == Side::client ? from_client_ : from_upstream_;
    Pump& writes = side == Side::client ? from_upstream_ : from_client_;
    if ((events & EPOLLOUT) != 0 || broken) {
        writes.on_writable();
        writes.proceed();
    }
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 || broken) {
        reads.on_readable(broken || (events & EPOLLRDHUP) != 0);
        reads.proceed();
    }
}

// ---- the way to the upstream

void Session::find_upstream() {
    Route& route = worker_.route(listener_);
    if (const ResolvedUpstream* known = route.current()) {
        on_resolved(*known);
        return;
    }
    // The resolver has its own limit; ours lets the client go first when that one is longer.
    attempt_until_ms_ = worker_.now_ms() + worker_.config().timeouts.connect.count() * 2;
    schedule(worker_.now_ms());
    route.resolve([self = boost::intrusive_ptr<Session>(this)](const ResolvedUpstream& upstream) {
        self->worker_.read_clock();
        if (self->state_ == State::connecting) self->on_resolved(upstream);
    });
}

void Session::on_resolved(const ResolvedUpstream& upstream) {
    if (upstream.error) {
        resolve_error_ = std::make_unique<std::string>(upstream.error.message());
        note_ending(std::nullopt, sniff::Operation::resolve, sniff::EndKind::error,
                    upstream.error.value());
        // The name is there, but has no address: a Service without ready pods (headless).
        give_up(upstream.error == asio::error::no_data ? sniff::Outcome::no_endpoints
                                                       : sniff::Outcome::dns_failure);
        return;
    }
    if (upstream.endpoints.empty()) {
        give_up(sniff::Outcome::no_endpoints);
        return;
    }
    connect_next();
}

void Session::connect_next() {
    const ResolvedUpstream* known = worker_.route(listener_).current();
    if (known == nullptr) {  // went stale between two attempts
        find_upstream();
        return;
    }
    if (next_endpoint_ >= known->endpoints.size()) {
        give_up(failed_attempts_ ? outcome_of(failed_attempts_->back().error)
                                 : sniff::Outcome::no_endpoints);
        return;
    }
    const size_t chosen = next_endpoint_++;
    const Endpoint& endpoint = known->endpoints[chosen];
    upstream_address_ = PeerAddress(static_cast<const sockaddr*>(endpoint.data()),
                                    static_cast<socklen_t>(endpoint.size()));
    if (known->loops[chosen]) {
        give_up(sniff::Outcome::loop);
        return;
    }
    if (const int error = start_connect(endpoint)) {
        attempt_failed(error);
        return;
    }
    attempt_until_ms_ = worker_.now_ms() + worker_.config().timeouts.connect.count();
    schedule(worker_.now_ms());
}

// 0, or the errno that ended the attempt before it began.
int Session::start_connect(const Endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    upstream_.open(UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    if (!upstream_.is_open()) return errno;
    if (family != AF_UNIX) {
        // Its failure costs latency, not the connection.
        static_cast<void>(set_no_delay(upstream_.fd()));
    }
    const auto size = static_cast<socklen_t>(endpoint.size());
    if (::connect(upstream_.fd(), endpoint.data(), size) != 0 && errno != EINPROGRESS) return errno;
    return worker_.watch(upstream_).value();
}

// EPOLLOUT without an error: the handshake is complete (connect(2), EINPROGRESS).
void Session::on_connect(uint32_t events) {
    int error = 0;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        error = pending_error(upstream_.fd());
    } else if ((events & EPOLLOUT) == 0) {
        return;
    }
    if (error == ECONNRESET) {
        // The handshake was complete: a RST that answers a SYN reads ECONNREFUSED.
        reset_at_once({error, boost::system::system_category()});
    } else if (error != 0) {
        attempt_failed(error);
    } else {
        relay();
    }
}

void Session::reset_at_once(const ErrorCode& error) {
    state_ = State::relaying;
    outcome_ = sniff::Outcome::connected;
    connected_ns_ = worker_.now_ns();
    conversation_.on_connected(age(worker_.now_ms()));
    on_read_error(Side::upstream, error);
    on_read_failed(Side::upstream, error);
}

void Session::attempt_failed(int error) {
    upstream_.close();
    if (!failed_attempts_) {
        failed_attempts_ = std::make_unique<std::vector<sniff::ConnectAttempt>>();
    }
    const config::Address& configured = worker_.listener(listener_).upstream.addresses.front();
    failed_attempts_->push_back(
        {configured.is_unix() ? configured.text() : upstream_address_.text(), error});
    connect_next();
}

void Session::give_up(sniff::Outcome outcome) {
    state_ = State::giving_up;
    outcome_ = outcome;
    const int error = failed_attempts_ ? failed_attempts_->back().error : 0;
    note_ending(
        Side::upstream, sniff::Operation::connect,
        outcome == sniff::Outcome::timed_out ? sniff::EndKind::timeout : sniff::EndKind::error,
        error);
    reset_client_once_it_spoke();
}

// On loopback a refusal is faster than the client's first bytes; the record should still say what
// the client speaks.
void Session::reset_client_once_it_spoke() {
    state_ = State::giving_up;
    // What it has said already; reading anything ends the session.
    if (bytes_[index(Side::client)] == 0) from_client_.proceed();
    if (state_ != State::giving_up) return;
    if (bytes_[index(Side::client)] != 0 || from_client_.finished()) {
        pass_reset();
        return;
    }
    const TimeMs now = worker_.now_ms();
    give_up_at_ms_ = now + worker_.config().sniff.settle.count();
    schedule(now);
}

void Session::relay() {
    state_ = State::relaying;
    outcome_ = sniff::Outcome::connected;
    connected_ns_ = worker_.now_ns();
    worker_.stats(listener_).upstream_connect.observe(seconds(connected_ns_ - accepted_ns_));
    const TimeMs now = worker_.now_ms();
    conversation_.on_connected(age(now));
    schedule(now);
    from_client_.proceed();
}

// ---- what the pumps ask and tell

LentBuffer Session::borrow_buffer() noexcept {
    return worker_.buffers().borrow();
}

bool Session::holds_preface() const noexcept {
    return !hold_over_ && conversation_.client_in_preface();
}

bool Session::may_write(Side side) const noexcept {
    if (state_ != State::relaying) return false;
    return side == Side::upstream || !holds_preface();
}

bool Session::may_read(Side side) const noexcept {
    return side == Side::upstream || state_ != State::connecting;
}

bool Session::wants_more(Side side) const noexcept {
    return side == Side::client && holds_preface();
}

void Session::on_bytes(Side side, sniff::Bytes bytes) noexcept {
    bytes_[index(side)] += bytes.size();
    ListenerStats& stats = worker_.stats(listener_);
    stats.bytes[index(side)] += bytes.size();
    const TimeMs now = worker_.now_ms();
    last_activity_ms_ = now;
    if (side == Side::upstream && first_byte_ns_ == 0) {
        first_byte_ns_ = worker_.now_ns();
        stats.upstream_first_byte.observe(seconds(first_byte_ns_ - connected_ns_));
    }
    conversation_.on_bytes(side, bytes, age(now));
}

void Session::on_eof(Side side) {
    const TimeMs now = worker_.now_ms();
    // After a failed write Linux reports the reset as a clean EOF: the write consumed the socket's
    // error.
    const bool reset = broken_[index(side)];
    note_ending(side, sniff::Operation::read, reset ? sniff::EndKind::reset : sniff::EndKind::eof,
                0);
    if (side == Side::client) hold_over_ = true;
    last_activity_ms_ = now;
    conversation_.on_end(side, reset ? sniff::StreamEnd::reset : sniff::StreamEnd::fin, age(now));
}

void Session::on_read_error(Side side, const ErrorCode& error) {
    note_ending(side, sniff::Operation::read, kind_of(error), error.value());
    broken_[index(side)] = true;
    if (side == Side::client) hold_over_ = true;
    conversation_.on_end(side, sniff::StreamEnd::reset, age(worker_.now_ms()));
}

void Session::after_read() {
    const TimeMs now = worker_.now_ms();
    observe(now);
    if (state_ == State::giving_up) {
        pass_reset();
        return;
    }
    schedule(now);
}

void Session::on_progress() noexcept {
    last_activity_ms_ = worker_.now_ms();
}

void Session::tell_again(Side side) noexcept {
    worker_.tell_again(side == Side::client ? client_ : upstream_);
}

void Session::on_direction_finished(Side side) {
    if (broken_[index(side)]) {
        pass_reset();
        return;
    }
    finished_[index(side)] = true;
    if (finished_[0] && finished_[1]) {
        end();  // closing sends the second FIN
        return;
    }
    // Fails when the leg is gone already; its own read will tell.
    ::shutdown((side == Side::client ? upstream_ : client_).fd(), SHUT_WR);
    schedule(worker_.now_ms());
}

void Session::on_read_failed(Side side, const ErrorCode&) {
    // The direction towards the broken side is over too; what is still under way to the other one
    // is not.
    if (side == Side::client) {
        from_upstream_.stop();
        pass_reset();
        return;
    }
    if (bytes_[index(Side::client)] != 0) from_client_.stop();
    reset_client_once_it_spoke();
}

void Session::on_write_failed(Side side, const ErrorCode& error) {
    const Side broken = other(side);
    note_ending(broken, sniff::Operation::write, kind_of(error), error.value());
    broken_[index(broken)] = true;
    (side == Side::client ? from_client_ : from_upstream_).stop();
    Pump& answer = broken == Side::upstream ? from_upstream_ : from_client_;
    // Its last bytes, often the reason for the reset, are still readable; the read that follows
    // them ends the session.
    if (answer.finished()) {
        pass_reset();
    } else {
        answer.on_readable(true);
        answer.proceed();
    }
}

// ---- ending

void Session::pass_reset() {
    if (is_done()) return;
    const TimeMs now = worker_.now_ms();
    if (state_ != State::resetting) {
        state_ = State::resetting;
        reset_until_ms_ = now + reset_patience_ms;
        from_client_.stop();
        from_upstream_.stop();
    }
    const bool awaited =
        awaits_acknowledgement(Side::client) || awaits_acknowledgement(Side::upstream);
    if (awaited && now < reset_until_ms_) {
        observe(now);
        schedule(now);
        return;
    }
    for (const Leg* leg : {&client_, &upstream_}) {
        const bool is_broken = broken_[index(leg == &client_ ? Side::client : Side::upstream)];
        // Where it fails the leg closes with FIN: worse for the peer's diagnosis, no harm to bytes.
        if (leg->is_open() && !is_broken) static_cast<void>(set_reset_on_close(leg->fd()));
    }
    end();
}

// Its peer may still take what was written.
bool Session::awaits_acknowledgement(Side side) const noexcept {
    const Leg& leg = side == Side::client ? client_ : upstream_;
    return leg.is_open() && !broken_[index(side)] && unsent_bytes(leg.fd()) != 0;
}

void Session::abort() {
    if (is_done()) return;
    note_ending(std::nullopt, sniff::Operation::drain, sniff::EndKind::aborted, 0);
    if (outcome_ == sniff::Outcome::connecting) outcome_ = sniff::Outcome::local_limit;
    reset_until_ms_ = 0;
    from_client_.stop();
    from_upstream_.stop();
    state_ = State::resetting;
    pass_reset();
}

void Session::end() {
    if (is_done()) return;
    const TimeMs now = worker_.now_ms();
    conversation_.on_close(age(now));
    count_verdict();
    if (!diagnosed_ && deserves_diagnosis_at_end()) diagnose(age(now));
    if (open_incident_ != 0) {
        worker_.amend(
            open_incident_,
            {.id = {}, .ended_by = ending_, .bytes = bytes_, .total_ms = timing().total_ms});
    }
    state_ = State::done;
    from_client_.stop();
    from_upstream_.stop();
    client_.close();
    upstream_.close();
    worker_.remove(*this);
}

void Session::note_ending(std::optional<Side> side, sniff::Operation operation, sniff::EndKind kind,
                          int error) noexcept {
    if (ending_.kind != sniff::EndKind::none) return;
    ending_ = {side, operation, kind, error, phase()};
}

sniff::Phase Session::phase() const noexcept {
    if (state_ == State::connecting || state_ == State::giving_up) return sniff::Phase::connecting;
    if (!conversation_.decided()) return sniff::Phase::before_verdict;
    if (finished_[0] || finished_[1]) return sniff::Phase::closing;
    return sniff::Phase::relaying;
}

// ---- what was seen

sniff::Protocol Session::upstream_protocol() const noexcept {
    if (outcome_ != sniff::Outcome::connected && outcome_ != sniff::Outcome::connecting) {
        return sniff::Protocol::none;
    }
    return conversation_.protocol(Side::upstream);
}

void Session::observe(TimeMs now) {
    if (!counted_ && conversation_.decided()) count_verdict();
    if (diagnosed_ || !conversation_.ready_for_diagnosis() || awaits_ending(now)) return;
    diagnose(age(now));
}

// Whoever answers the wrong protocol mostly hangs up at once, and who hung up belongs in the
// record. An upstream that said nothing, or keeps the connection, is not waited for longer than an
// answer may take to settle.
bool Session::awaits_ending(TimeMs now) noexcept {
    if (ending_.kind != sniff::EndKind::none || bytes_[index(Side::upstream)] == 0) return false;
    if (diagnose_at_ms_ == 0) diagnose_at_ms_ = now + worker_.config().sniff.settle.count();
    return now < diagnose_at_ms_;
}

void Session::count_verdict() {
    if (counted_) return;
    counted_ = true;
    ListenerStats& stats = worker_.stats(listener_);
    const sniff::Verdict verdict = conversation_.verdict();
    stats.count_connection(conversation_.protocol(Side::client), upstream_protocol(), verdict);
    if (verdict != sniff::Verdict::undecided) {
        stats.verdict.observe(seconds(worker_.now_ns() - accepted_ns_));
    }
}

bool Session::deserves_diagnosis_at_end() const noexcept {
    if (ending_.operation == sniff::Operation::drain) return true;
    if (outcome_ != sniff::Outcome::connected) return true;
    return conversation_.ready_for_diagnosis() ||
           (conversation_.verdict() != sniff::Verdict::match && bytes_[index(Side::client)] != 0 &&
            ending_.side != Side::client);
}

void Session::diagnose(sniff::Millis now) {
    diagnosed_ = true;
    Incident incident;
    incident.evidence = evidence(now);
    incident.diagnosis = sniff::diagnose(incident.evidence);
    const sniff::Evidence& seen = incident.evidence;
    const sniff::Diagnosis& diagnosis = incident.diagnosis;
    if (diagnosis.cause == sniff::Cause::fine) return;
    cause_ = diagnosis.cause;
    ListenerStats& stats = worker_.stats(listener_);
    stats.count_incident({diagnosis.cause, diagnosis.hop.position});
    if (sniff::is_mismatch(diagnosis.cause)) {
        stats.count_mismatch(
            {seen.client.protocol, seen.upstream.protocol, diagnosis.cause, diagnosis.hop.role});
    }
    const bool forwarded = seen.outcome == sniff::Outcome::connected;
    stats.count_policy_action(forwarded ? "observe/forwarded" : "observe/closed");
    const bool open = state_ == State::relaying && !seen.ended;
    incident.open = open;
    incident.action = forwarded ? "forwarded" : "closed";
    incident.timing = timing();
    const uint64_t number = worker_.report(std::move(incident));
    if (open) open_incident_ = number;
}

Timing Session::timing() const {
    Timing timing;
    timing.total_ms = milliseconds(worker_.now_ns() - accepted_ns_);
    if (connected_ns_ != 0) timing.connect_ms = milliseconds(connected_ns_ - accepted_ns_);
    if (first_byte_ns_ != 0) timing.first_byte_ms = milliseconds(first_byte_ns_ - accepted_ns_);
    return timing;
}

sniff::Evidence Session::evidence(sniff::Millis now) const {
    const config::Listener& listener = worker_.listener(listener_);
    sniff::Evidence seen;
    seen.listener = listener.name;
    seen.direction = listener.direction;
    seen.expect = listener.expect;
    seen.client_address = client_address_.text();
    seen.requested = listener.upstream.text();
    if (listener.upstream.addresses.front().is_unix()) {
        seen.upstream_address = listener.upstream.text();
    } else if (next_endpoint_ != 0) {
        seen.upstream_address = upstream_address_.text();
    }
    seen.upstream_port = listener.upstream.addresses.front().port;
    conversation_.describe(seen);
    seen.upstream.protocol = upstream_protocol();
    seen.client.bytes = bytes_[index(Side::client)];
    seen.upstream.bytes = bytes_[index(Side::upstream)];
    seen.outcome = outcome_;
    if (failed_attempts_) seen.attempts = *failed_attempts_;
    if (resolve_error_) seen.resolve_error = *resolve_error_;
    seen.ended_by = ending_;
    seen.ended = ending_.kind != sniff::EndKind::none;
    if (connected_ns_ != 0) seen.connected_at = (connected_ns_ - accepted_ns_) / 1'000'000;
    seen.now = now;
    seen.registry = worker_.registry_facts(listener_, seen.upstream_address);
    return seen;
}

ConnectionRow Session::row(TimeMs now) const {
    static constexpr std::array<const char*, 5> state_names = {"connecting", "giving_up",
                                                               "relaying", "resetting", "done"};
    const config::Listener& listener = worker_.listener(listener_);
    ConnectionRow row;
    row.id = id_;
    row.listener = listener_;
    row.client_address = client_address_.text();
    row.upstream_address = listener.upstream.addresses.front().is_unix() || next_endpoint_ == 0
                               ? listener.upstream.text()
                               : upstream_address_.text();
    row.client = conversation_.protocol(Side::client);
    row.upstream = upstream_protocol();
    row.verdict = conversation_.verdict();
    row.cause = cause_;
    row.state =
        finished_[0] || finished_[1] ? "half_closed" : state_names[static_cast<size_t>(state_)];
    row.bytes = bytes_;
    row.age_ms = age(now);
    return row;
}

// ---- deadlines

void Session::keep_alive() noexcept {
    if (state_ != State::relaying) return;
    kept_alive_ = true;
    if (worker_.listener(listener_).upstream.addresses.front().is_unix()) return;
    // Without it a peer that vanished is noticed later, nothing else.
    static_cast<void>(set_keepalive(upstream_.fd()));
}

TimeMs Session::next_due(TimeMs now) const noexcept {
    const config::Timeouts& timeouts = worker_.config().timeouts;
    TimeMs due = never;
    if (const auto wanted = conversation_.deadline()) due = accepted_ms_ + *wanted;
    if (!diagnosed_ && diagnose_at_ms_ != 0) due = std::min(due, diagnose_at_ms_);
    switch (state_) {
        case State::connecting:
            due = std::min(due, attempt_until_ms_);
            break;
        case State::giving_up:
            due = std::min(due, give_up_at_ms_);
            break;
        case State::relaying:
            if (!kept_alive_) due = std::min(due, accepted_ms_ + keepalive_after_ms);
            if (timeouts.idle.count() != 0) {
                due = std::min(due, last_activity_ms_ + timeouts.idle.count());
            }
            if ((finished_[0] || finished_[1]) && timeouts.half_closed.count() != 0) {
                due = std::min(due, last_activity_ms_ + timeouts.half_closed.count());
            }
            break;
        case State::resetting:
            due = std::min(due, now + Deadlines::tick_ms);
            break;
        case State::done:
            return never;
    }
    if (holds_preface()) {
        due = std::min(due, last_activity_ms_ + worker_.config().sniff.preface_hold.count());
    }
    return due;
}

void Session::schedule(TimeMs now) noexcept {
    const TimeMs due = next_due(now);
    if (due != never) worker_.set_deadline(*this, due);
}

void Session::on_deadline(TimeMs now) {
    if (is_done()) return;
    worker_.read_clock();
    const config::Timeouts& timeouts = worker_.config().timeouts;
    if (const auto wanted = conversation_.deadline(); wanted && age(now) >= *wanted) {
        conversation_.on_time(age(now));
    }
    observe(now);
    if (holds_preface() && now >= last_activity_ms_ + worker_.config().sniff.preface_hold.count()) {
        hold_over_ = true;
        from_client_.proceed();
    }
    const TimeMs idle_ms = now - last_activity_ms_;
    const bool half_closed = finished_[0] || finished_[1];
    if (!kept_alive_ && now >= accepted_ms_ + keepalive_after_ms) keep_alive();
    if (state_ == State::connecting && now >= attempt_until_ms_) {
        if (upstream_.is_open()) {
            attempt_failed(ETIMEDOUT);
        } else {
            resolve_error_ = std::make_unique<std::string>("no answer in time");
            give_up(sniff::Outcome::dns_failure);
        }
    } else if (state_ == State::giving_up && now >= give_up_at_ms_) {
        pass_reset();
    } else if (state_ == State::resetting) {
        pass_reset();
    } else if (state_ == State::relaying &&
               ((timeouts.idle.count() != 0 && idle_ms >= timeouts.idle.count()) ||
                (half_closed && timeouts.half_closed.count() != 0 &&
                 idle_ms >= timeouts.half_closed.count()))) {
        note_ending(std::nullopt, sniff::Operation::deadline, sniff::EndKind::timeout, 0);
        end();
    }
    if (!is_done()) schedule(now);
}

}  // namespace telltale::proxy
