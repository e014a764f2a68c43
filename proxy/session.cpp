#include "proxy/session.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cmath>
#include <limits>
#include <new>
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

AttemptResult attempt_result(sniff::Outcome outcome) {
    switch (outcome) {
        case sniff::Outcome::connected:
            return AttemptResult::connected;
        case sniff::Outcome::refused:
            return AttemptResult::refused;
        case sniff::Outcome::timed_out:
            return AttemptResult::timeout;
        case sniff::Outcome::local_limit:
            return AttemptResult::local_limit;
        default:
            return AttemptResult::unreachable;
    }
}

sniff::EndKind kind_of(const ErrorCode& error) {
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe) {
        return sniff::EndKind::reset;
    }
    if (error == asio::error::timed_out) return sniff::EndKind::timeout;
    return sniff::EndKind::error;
}

// "" when the kernel does not tell, and for a Unix socket without a name.
std::string local_address(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
    std::string text = to_text(Endpoint(&address, size));
    return text == "unix:" ? std::string() : text;
}

sniff::ConversationLimits limits_of(const config::Sniff& sniff) {
    sniff::ConversationLimits limits;
    limits.window_max = sniff.window_bytes;
    limits.settle_ms = sniff.settle.count();
    limits.silent_after_ms = sniff.silent_after.count();
    return limits;
}

}  // namespace

Session::Session(Worker& worker, SetupPtr setup, size_t listener, uint64_t id, UniqueFd client,
                 PeerAddress peer)
    : worker_(worker),
      setup_(std::move(setup)),
      listener_(listener),
      id_(id),
      accepted_ms_(worker.now_ms()),
      accepted_ns_(worker.now_ns()),
      last_activity_ms_(accepted_ms_),
      client_address_(peer),
      client_(*this, Side::client, std::move(client)),
      upstream_(*this, Side::upstream),
      dialler_(*this, upstream_),
      conversation_(setup_->listener(listener).expect, limits_of(setup_->config().sniff)),
      from_client_(*this, Side::client, client_, upstream_),
      from_upstream_(*this, Side::upstream, upstream_, client_) {
    if (policy() == config::Policy::observe) return;
    holding_ = true;
    if (policy() != config::Policy::reset) flight_.begin();
}

Session::~Session() = default;

ListenerStats& Session::stats() noexcept {
    return worker_.stats(slot());
}

void Session::start() {
    if (worker_.watch(client_)) {
        outcome_ = sniff::Outcome::local_limit;
        pass_reset();
        return;
    }
    dialler_.start();
}

void Leg::on_ready(uint32_t events) {
    session_.on_ready(side_, events);
}

void Session::on_ready(Side side, uint32_t events) {
    if (is_done()) return;
    worker_.read_clock();
    const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (state_ == State::answering) {
        if (side == Side::client) go_on_answering(answering_->proceed(worker_.now_ms()));
        return;
    }
    if (side == Side::upstream && state_ == State::connecting) {
        dialler_.on_ready(events);
        if (state_ != State::relaying) return;
    }
    Pump& reads = side == Side::client ? from_client_ : from_upstream_;
    Pump& writes = side == Side::client ? from_upstream_ : from_client_;
    const uint32_t reroutes = reroutes_;
    if ((events & EPOLLOUT) != 0 || broken) {
        writes.on_writable();
        writes.proceed();
    }
    // What was told of the upstream is not true of the next one.
    if (side == Side::upstream && reroutes_ != reroutes) return;
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 || broken) {
        reads.on_readable(broken || (events & EPOLLRDHUP) != 0);
        reads.proceed();
    }
}

// ---- the way to the upstream

void Session::on_dialled() {
    state_ = State::relaying;
    outcome_ = sniff::Outcome::connected;
    connected_ns_ = worker_.now_ns();
    stats().upstream_connect.observe(seconds(connected_ns_ - accepted_ns_));
    const TimeMs now = worker_.now_ms();
    conversation_.on_connected(age(now));
    schedule(now);
    from_client_.proceed();
}

void Session::on_reset_at_once(const ErrorCode& error) {
    state_ = State::relaying;
    outcome_ = sniff::Outcome::connected;
    connected_ns_ = worker_.now_ns();
    conversation_.on_connected(age(worker_.now_ms()));
    on_read_error(Side::upstream, error);
    on_read_failed(Side::upstream, error);
}

void Session::on_unreachable(sniff::Outcome outcome) {
    outcome_ = outcome;
    note_ending(
        Side::upstream, sniff::Operation::connect,
        outcome == sniff::Outcome::timed_out ? sniff::EndKind::timeout : sniff::EndKind::error,
        dialler_.last_error());
    give_up_once_client_spoke();
}

void Session::count_attempt(sniff::Outcome result) noexcept {
    stats().count_attempt(attempt_result(result));
}

// On loopback a refusal is faster than the client's first bytes; the record should still say what
// the client speaks, and an answer has to be in its language.
void Session::give_up_once_client_spoke() {
    state_ = State::giving_up;
    // What it has said already; reading anything may end the session.
    if (bytes_[index(Side::client)] == 0) from_client_.proceed();
    if (state_ != State::giving_up) return;
    if (has_heard_client()) {
        give_up();
        return;
    }
    const TimeMs now = worker_.now_ms();
    give_up_at_ms_ = now + config().sniff.settle.count();
    schedule(now);
}

bool Session::has_heard_client() const noexcept {
    if (policy() == config::Policy::reset) return true;
    if (from_client_.finished() || from_client_.ended() || broken_[index(Side::client)])
        return true;
    if (bytes_[index(Side::client)] == 0) return false;
    return policy() != config::Policy::answer ||
           conversation_.protocol(Side::client) != sniff::Protocol::undecided;
}

void Session::give_up() {
    if (!holding_ || !act(worker_.now_ms())) pass_reset();
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
    return side == Side::upstream ? !holding_ : !holds_preface();
}

bool Session::may_read(Side side) const noexcept {
    return side == Side::upstream || state_ != State::connecting;
}

bool Session::wants_more(Side side) const noexcept {
    if (side == Side::upstream) return holding_;
    return holds_preface() || (holding_ && state_ == State::giving_up);
}

void Session::on_bytes(Side side, sniff::Bytes bytes) noexcept {
    bytes_[index(side)] += bytes.size();
    ListenerStats& counts = stats();
    counts.bytes[index(side)] += bytes.size();
    const TimeMs now = worker_.now_ms();
    last_activity_ms_ = now;
    if (side == Side::upstream && first_byte_ns_ == 0) {
        first_byte_ns_ = worker_.now_ns();
        counts.upstream_first_byte.observe(seconds(first_byte_ns_ - connected_ns_));
    }
    if (holding_) keep(side, bytes);
    conversation_.on_bytes(side, bytes, age(now));
}

void Session::keep(Side side, sniff::Bytes bytes) noexcept {
    if (side == Side::upstream) {
        hold_begins();
        return;
    }
    try {
        if (!flight_.add(bytes, config().limits.first_flight_bytes)) {
            stats().count_limit(Limit::first_flight_bytes);
        }
    } catch (const std::bad_alloc&) {
        flight_.drop();
    }
}

// Bounds the wait for the rest of what tells a protocol, and for the rest of the answer's head.
void Session::hold_begins() noexcept {
    const config::Sniff& sniff = config().sniff;
    if (hold_until_ms_ != 0) return;
    hold_until_ms_ = worker_.now_ms() + sniff.preface_hold.count() + sniff.settle.count();
}

void Session::on_eof(Side side) {
    const TimeMs now = worker_.now_ms();
    if (holding_ && side == Side::upstream) hold_begins();
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
    if (is_done()) return;
    if (state_ == State::giving_up && has_heard_client()) {
        give_up();
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
    give_up_once_client_spoke();
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

// ---- policies

void Session::weigh(TimeMs now) {
    if (state_ != State::relaying) return;
    if (conversation_.ready_for_diagnosis()) {
        if (!act(now)) release();
    } else if (is_agreed() || (hold_until_ms_ != 0 && now >= hold_until_ms_)) {
        release();
    }
}

// What the upstream said so far is fit for the client, as far as a policy is concerned.
bool Session::is_agreed() const noexcept {
    const sniff::Protocol asked = conversation_.protocol(Side::client);
    const sniff::Protocol answered = conversation_.protocol(Side::upstream);
    const bool http2 =
        answered == sniff::Protocol::http2 || answered == sniff::Protocol::http2_goaway;
    if (answered == sniff::Protocol::undecided) return false;
    if (conversation_.decided()) return conversation_.verdict() != sniff::Verdict::mismatch;
    // Who hung up without a word has not spoken first: that depends on what the client says.
    if (answered == sniff::Protocol::closed || answered == sniff::Protocol::reset) return false;
    if (asked == sniff::Protocol::http2) return http2;
    // A protocol in which the server speaks first; SETTINGS may still be wrong for the client.
    return asked == sniff::Protocol::undecided && !http2 &&
           listener().expect != sniff::Expect::grpc;
}

void Session::release() {
    holding_ = false;
    flight_.drop();
    if (conversation_.protocol(Side::upstream) == sniff::Protocol::http2) dialler_.trust();
    from_upstream_.proceed();
}

// False: the policy does not apply to what was seen.
bool Session::act(TimeMs now) {
    Incident incident = examine(age(now));
    const bool attempt_left = reroutes_ < config().reroute.attempts;
    const Action action =
        decide({.policy = policy(),
                .cause = incident.diagnosis.cause,
                .outcome = outcome_,
                .client = incident.evidence.client.protocol,
                .upstream = incident.evidence.upstream.protocol,
                .flight_whole = flight_.whole(),
                .other_endpoint =
                    attempt_left && (dialler_.has_other(now) || corrected_endpoint(incident))});
    switch (action) {
        case Action::answered:
            answer(std::move(incident));
            return true;
        case Action::rerouted:
            return reroute(std::move(incident));
        case Action::reset:
            reset_by_policy(std::move(incident));
            return true;
        case Action::forwarded:
        case Action::closed:
            break;
    }
    return false;
}

void Session::answer(Incident&& incident) {
    const sniff::SideEvidence& asked = incident.evidence.client;
    const Answering::Client client{
        .http2 = asked.protocol == sniff::Protocol::http2,
        .head_only = asked.http1_request && asked.http1_request->method == "HEAD",
        .ended = from_client_.ended(),
        .first_flight = flight_.bytes()};
    AnswerText text =
        answer_text(incident.evidence, incident.diagnosis, config().answer.show_addresses);
    end_by_policy(incident);
    report(std::move(incident), Action::answered);
    if (conversation_.decided()) count_verdict();
    from_upstream_.stop();
    upstream_.close();
    const TimeMs now = worker_.now_ms();
    answering_ = std::make_unique<Answering>(client_, std::move(text), client, now,
                                             config().answer.linger.count());
    from_client_.stop();
    flight_.drop();
    holding_ = false;
    state_ = State::answering;
    go_on_answering(answering_->proceed(now));
}

void Session::go_on_answering(Answering::Step step) {
    switch (step) {
        case Answering::Step::over:
            end();
            return;
        case Answering::Step::again:
            worker_.tell_again(client_);
            break;
        case Answering::Step::wait:
            break;
    }
    schedule(worker_.now_ms());
}

void Session::end_by_policy(Incident& incident) noexcept {
    note_ending(std::nullopt, sniff::Operation::policy, sniff::EndKind::aborted, 0);
    incident.evidence.ended_by = ending_;
    incident.evidence.ended = true;
}

void Session::reset_by_policy(Incident&& incident) {
    end_by_policy(incident);
    report(std::move(incident), Action::reset);
    holding_ = false;
    pass_reset();
}

// The gRPC port beside the metrics port that was dialled, when the registry knows both.
std::optional<Endpoint> Session::corrected_endpoint(const Incident& incident) const {
    const sniff::RegistryFacts& known = incident.evidence.registry;
    const bool wrong_port =
        known.port_role == sniff::PortRole::metrics && known.grpc_port != 0 && !dialler_.is_unix();
    if (!config().reroute.correct_port || corrected_ || !wrong_port || !dialler_.has_address()) {
        return std::nullopt;
    }
    return with_port(dialler_.endpoint(), known.grpc_port);
}

// False: nothing was done, for want of memory.
bool Session::reroute(Incident&& incident) {
    const auto corrected = corrected_endpoint(incident);
    const CandidatePtr target =
        corrected ? dialler_.beside(*corrected) : dialler_.choose_other(worker_.now_ms());
    if (!target || !from_client_.replay(flight_.bytes())) return false;
    dialler_.eject(config().reroute.eject_s);
    corrected_ = corrected_ || corrected;
    ++reroutes_;
    incident.rerouted_to = to_text(target->endpoint);
    report(std::move(incident), Action::rerouted);
    begin_again();
    dialler_.dial(target);
    return true;
}

// As after the accept, with the client's bytes in hand.
void Session::begin_again() {
    upstream_.close();
    from_upstream_.restart();
    broken_[index(Side::upstream)] = false;
    finished_ = {};
    diagnosed_ = false;
    cause_ = sniff::Cause::fine;
    ending_ = {};
    outcome_ = sniff::Outcome::connecting;
    state_ = State::connecting;
    hold_until_ms_ = diagnose_at_ms_ = 0;
    connected_ns_ = first_byte_ns_ = 0;
    const sniff::Millis now = age(worker_.now_ms());
    conversation_.restart();
    conversation_.on_bytes(Side::client, flight_.bytes(), now);
    if (from_client_.ended()) conversation_.on_end(Side::client, sniff::StreamEnd::fin, now);
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
    // A FIN ends one direction only: what ends the connection while the other is open is Telltale.
    const bool by_telltale =
        operation == sniff::Operation::deadline || operation == sniff::Operation::drain;
    const bool half_closed = ending_.kind == sniff::EndKind::eof && by_telltale;
    if (ending_.kind != sniff::EndKind::none && !half_closed) return;
    ending_ = {side, operation, kind, error, phase()};
}

sniff::Phase Session::phase() const noexcept {
    if (state_ == State::connecting || state_ == State::giving_up) return sniff::Phase::connecting;
    if (holding_ || !conversation_.decided()) return sniff::Phase::before_verdict;
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
    if (holding_) weigh(now);
    if (is_done() || holding_ || state_ == State::answering) return;
    if (!counted_ && conversation_.decided()) count_verdict();
    if (diagnosed_ || !conversation_.ready_for_diagnosis() || awaits_ending(now)) return;
    diagnose(age(now));
}

// Whoever answers the wrong protocol mostly hangs up at once, and who hung up belongs in the
// record. An upstream that said nothing, or keeps the connection, is not waited for longer than an
// answer may take to settle.
bool Session::awaits_ending(TimeMs now) noexcept {
    if (ending_.kind != sniff::EndKind::none || bytes_[index(Side::upstream)] == 0) return false;
    if (diagnose_at_ms_ == 0) diagnose_at_ms_ = now + config().sniff.settle.count();
    return now < diagnose_at_ms_;
}

void Session::count_verdict() {
    if (counted_) return;
    counted_ = true;
    ListenerStats& counts = stats();
    const sniff::Verdict verdict = conversation_.verdict();
    counts.count_connection(conversation_.protocol(Side::client), upstream_protocol(), verdict);
    if (verdict != sniff::Verdict::undecided) {
        counts.verdict.observe(seconds(worker_.now_ns() - accepted_ns_));
    }
}

bool Session::deserves_diagnosis_at_end() const noexcept {
    if (ending_.operation == sniff::Operation::drain) return true;
    if (outcome_ != sniff::Outcome::connected) return true;
    return conversation_.ready_for_diagnosis() ||
           (conversation_.verdict() != sniff::Verdict::match && bytes_[index(Side::client)] != 0 &&
            ending_.side != Side::client);
}

Incident Session::examine(sniff::Millis now) const {
    Incident incident;
    incident.evidence = evidence(now);
    incident.diagnosis = sniff::diagnose(incident.evidence);
    incident.timing = timing();
    return incident;
}

void Session::diagnose(sniff::Millis now) {
    diagnosed_ = true;
    Incident incident = examine(now);
    if (incident.diagnosis.cause == sniff::Cause::fine) return;
    const bool forwarded = incident.evidence.outcome == sniff::Outcome::connected;
    incident.open = state_ == State::relaying && !incident.evidence.ended;
    report(std::move(incident), forwarded ? Action::forwarded : Action::closed);
}

void Session::report(Incident&& incident, Action action) {
    sniff::Evidence& seen = incident.evidence;
    // Here, where both legs are still open, and not for every connection: two system calls.
    seen.listener_address = local_address(client_.fd());
    if (outcome_ == sniff::Outcome::connected) {
        seen.upstream_local = local_address(upstream_.fd());
    }
    const sniff::Diagnosis& diagnosis = incident.diagnosis;
    diagnosed_ = true;
    cause_ = diagnosis.cause;
    action_ = action;
    ListenerStats& counts = stats();
    counts.count_incident({diagnosis.cause, diagnosis.hop.position});
    // What another Telltale has found it has counted as well.
    if (sniff::is_mismatch(diagnosis.cause) && diagnosis.attributed_by.empty()) {
        counts.count_mismatch(
            {seen.client.protocol, seen.upstream.protocol, diagnosis.cause, diagnosis.hop.role});
    }
    counts.count_policy_action(std::string(name(policy())) + "/" + std::string(name(action)));
    incident.policy = name(policy());
    incident.action = name(action);
    const bool open = incident.open;
    const uint64_t number = worker_.report(std::move(incident), config());
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
    sniff::Evidence seen;
    seen.listener = listener().name;
    seen.direction = listener().direction;
    seen.expect = listener().expect;
    seen.client_address = client_address_.text();
    seen.requested = dialler_.requested();
    seen.upstream_address = dialler_.address();
    seen.upstream_port = dialler_.requested_port();
    conversation_.describe(seen);
    seen.upstream.protocol = upstream_protocol();
    seen.client.bytes = bytes_[index(Side::client)];
    seen.upstream.bytes = bytes_[index(Side::upstream)];
    seen.outcome = outcome_;
    if (dialler_.failed_attempts() != nullptr) seen.attempts = *dialler_.failed_attempts();
    if (dialler_.resolve_error() != nullptr) seen.resolve_error = *dialler_.resolve_error();
    seen.ended_by = ending_;
    seen.ended = ending_.kind != sniff::EndKind::none;
    if (connected_ns_ != 0) seen.connected_at = (connected_ns_ - accepted_ns_) / 1'000'000;
    seen.now = now;
    seen.registry = setup_->registry_facts(listener_, seen.upstream_address, seen.requested);
    return seen;
}

ConnectionRow Session::row(TimeMs now) const {
    static constexpr std::array<const char*, 6> state_names = {
        "connecting", "giving_up", "relaying", "answering", "resetting", "done"};
    ConnectionRow row;
    row.id = id_;
    row.listener = slot();
    row.client_address = client_address_.text();
    row.upstream_address = dialler_.has_address() ? dialler_.address() : dialler_.requested();
    row.client = conversation_.protocol(Side::client);
    row.upstream = upstream_protocol();
    row.verdict = conversation_.verdict();
    row.cause = cause_;
    row.state =
        finished_[0] || finished_[1] ? "half_closed" : state_names[static_cast<size_t>(state_)];
    row.bytes = bytes_;
    row.age_ms = age(now);
    row.ended_by = ending_;
    if (cause_ != sniff::Cause::fine) {
        row.policy = name(policy());
        row.action = name(action_);
    }
    return row;
}

EndedConnection Session::ended() const noexcept {
    EndedConnection ended{.id = id_,
                          .listener = slot(),
                          .ended_at_ms = worker_.now_ms(),
                          .age_ms = age(worker_.now_ms()),
                          .bytes = bytes_,
                          .client_address = client_address_,
                          .upstream_address = dialler_.peer(),
                          .ended_by = ending_,
                          .client = conversation_.protocol(Side::client),
                          .upstream = upstream_protocol(),
                          .verdict = conversation_.verdict(),
                          .cause = cause_,
                          .reached = dialler_.has_address(),
                          .policy = {},
                          .action = {}};
    if (cause_ == sniff::Cause::fine) return ended;
    ended.policy = name(policy());
    ended.action = name(action_);
    return ended;
}

// ---- deadlines

void Session::keep_alive() noexcept {
    if (state_ != State::relaying) return;
    kept_alive_ = true;
    if (dialler_.is_unix()) return;
    // Without it a peer that vanished is noticed later, nothing else.
    static_cast<void>(set_keepalive(upstream_.fd()));
}

TimeMs Session::next_due(TimeMs now) const noexcept {
    const config::Timeouts& timeouts = config().timeouts;
    TimeMs due = never;
    if (const auto wanted = conversation_.deadline()) due = accepted_ms_ + *wanted;
    if (!diagnosed_ && diagnose_at_ms_ != 0) due = std::min(due, diagnose_at_ms_);
    switch (state_) {
        case State::connecting:
            due = std::min(due, dialler_.due());
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
        case State::answering:
            return answering_->due();
        case State::resetting:
            due = std::min(due, now + Deadlines::tick_ms);
            break;
        case State::done:
            return never;
    }
    if (holding_ && hold_until_ms_ != 0) due = std::min(due, hold_until_ms_);
    if (holds_preface()) {
        due = std::min(due, last_activity_ms_ + config().sniff.preface_hold.count());
    }
    return due;
}

void Session::schedule(TimeMs now) noexcept {
    const TimeMs due = next_due(now);
    if (due != never) worker_.set_deadline(*this, due);
}

void Session::reschedule() noexcept {
    schedule(worker_.now_ms());
}

void Session::on_deadline(TimeMs now) {
    if (is_done()) return;
    worker_.read_clock();
    if (state_ == State::answering) {
        go_on_answering(answering_->on_deadline(now));
        return;
    }
    const config::Timeouts& timeouts = config().timeouts;
    if (const auto wanted = conversation_.deadline(); wanted && age(now) >= *wanted) {
        conversation_.on_time(age(now));
    }
    observe(now);
    if (is_done()) return;
    if (holds_preface() && now >= last_activity_ms_ + config().sniff.preface_hold.count()) {
        hold_over_ = true;
        from_client_.proceed();
    }
    const TimeMs idle_ms = now - last_activity_ms_;
    const bool half_closed = finished_[0] || finished_[1];
    if (!kept_alive_ && now >= accepted_ms_ + keepalive_after_ms) keep_alive();
    if (state_ == State::connecting) {
        dialler_.on_deadline(now);
    } else if (state_ == State::giving_up && now >= give_up_at_ms_) {
        give_up();
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
