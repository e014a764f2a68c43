#include "proxy/dialler.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <cerrno>
#include <utility>

#include "proxy/options.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace telltale::proxy {

namespace {

// An endpoint that could not be reached comes after the others for so long.
constexpr TimeMs avoided_ms = 5000;

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

// epoll may still tell of a descriptor of the same number that was closed in this turn.
bool is_writable(int fd) noexcept {
    pollfd asked{.fd = fd, .events = POLLOUT, .revents = 0};
    return ::poll(&asked, 1, 0) == 1;
}

}  // namespace

void Dialler::start() {
    const TimeMs now = session_.worker().now_ms();
    Route& route = session_.route();
    if (const ResolvedUpstream* known = route.current(now)) {
        take(*known);
        return;
    }
    // The resolver has its own limit; ours lets the client go first when that one is longer.
    until_ms_ = now + session_.setup().config().timeouts.connect.count() * 2;
    route.resolve([session = boost::intrusive_ptr<Session>(&session_),
                   this](const ResolvedUpstream& upstream) {
        session->worker().read_clock();
        if (session->is_dialling() && !candidates_) take(upstream);
    });
}

void Dialler::take(const ResolvedUpstream& upstream) {
    if (upstream.error) {
        resolve_error_ = std::make_unique<std::string>(upstream.error.message());
        // No errno: the resolver's errors have numbers of their own.
        session_.note_ending(std::nullopt, sniff::Operation::resolve, sniff::EndKind::error, 0);
        // The name is there, but has no address: a Service without ready pods (headless).
        session_.on_unreachable(upstream.error == asio::error::no_data
                                    ? sniff::Outcome::no_endpoints
                                    : sniff::Outcome::dns_failure);
        return;
    }
    candidates_ = upstream.candidates;
    dial_next();
}

void Dialler::dial_next() {
    CandidatePtr chosen = candidates_->choose(session_.listener().upstream.balance, tried_,
                                              candidate_.get(), session_.worker().now_ms());
    if (!chosen) {
        session_.on_unreachable(failed_ ? outcome_of(failed_->back().error)
                                        : sniff::Outcome::no_endpoints);
        return;
    }
    dial(std::move(chosen));
}

void Dialler::dial(CandidatePtr candidate) {
    leave();
    candidate_ = std::move(candidate);
    ++candidate_->active;
    ++dialled_;
    const Endpoint& endpoint = candidate_->endpoint;
    peer_ = PeerAddress(static_cast<const sockaddr*>(endpoint.data()),
                        static_cast<socklen_t>(endpoint.size()));
    if (candidate_->loops) {
        session_.on_unreachable(sniff::Outcome::loop);
        return;
    }
    if (const int error = start_connect(endpoint)) {
        attempt_failed(error);
        return;
    }
    until_ms_ = session_.worker().now_ms() + session_.setup().config().timeouts.connect.count();
    session_.reschedule();
}

void Dialler::leave() noexcept {
    if (candidate_) --candidate_->active;
    candidate_.reset();
}

// 0, or the errno that ended the attempt before it began.
int Dialler::start_connect(const Endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    leg_.open(UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    if (!leg_.is_open()) return errno;
    if (family != AF_UNIX) {
        // Its failure costs latency, not the connection.
        static_cast<void>(set_no_delay(leg_.fd()));
    }
    const auto size = static_cast<socklen_t>(endpoint.size());
    if (::connect(leg_.fd(), endpoint.data(), size) != 0 && errno != EINPROGRESS) return errno;
    return session_.worker().watch(leg_).value();
}

// EPOLLOUT without an error: the handshake is complete (connect(2), EINPROGRESS).
void Dialler::on_ready(uint32_t events) {
    if (!leg_.is_open() || (dialled_ > 1 && !is_writable(leg_.fd()))) return;
    int error = 0;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        error = pending_error(leg_.fd());
    } else if ((events & EPOLLOUT) == 0) {
        return;
    }
    if (error == ECONNRESET) {
        // The handshake was complete: a RST that answers a SYN reads ECONNREFUSED.
        count(0);
        session_.on_reset_at_once({error, boost::system::system_category()});
    } else if (error != 0) {
        attempt_failed(error);
    } else {
        count(0);
        session_.on_dialled();
    }
}

void Dialler::on_deadline(TimeMs now) {
    if (now < until_ms_) return;
    if (leg_.is_open()) {
        attempt_failed(ETIMEDOUT);
        return;
    }
    resolve_error_ = std::make_unique<std::string>("no answer in time");
    session_.on_unreachable(sniff::Outcome::dns_failure);
}

void Dialler::attempt_failed(int error) {
    leg_.close();
    if (!failed_) failed_ = std::make_unique<std::vector<sniff::ConnectAttempt>>();
    failed_->push_back({address(), error});
    count(error);
    if (outcome_of(error) != sniff::Outcome::local_limit) {
        candidate_->avoided_until = session_.worker().now_ms() + avoided_ms;
    }
    dial_next();
}

void Dialler::count(int error) {
    session_.count_attempt(error == 0 ? sniff::Outcome::connected : outcome_of(error));
    if (error == 0) candidate_->avoided_until = 0;
}

// ---- another endpoint

bool Dialler::has_other(TimeMs now) const noexcept {
    return candidates_ != nullptr && candidates_->has_other(tried_, now);
}

CandidatePtr Dialler::choose_other(TimeMs now) {
    if (!candidates_) return nullptr;
    return candidates_->choose_other(session_.listener().upstream.balance, tried_, now);
}

CandidatePtr Dialler::beside(const Endpoint& endpoint) const {
    CandidatePtr candidate(new Candidate);
    candidate->endpoint = endpoint;
    candidate->requested = candidate_->requested;
    return candidate;
}

void Dialler::eject(uint32_t seconds) noexcept {
    if (candidate_) candidates_->eject(*candidate_, seconds, session_.worker().now_ms());
}

void Dialler::trust() noexcept {
    if (candidate_) candidate_->ejections = 0;
}

// ---- evidence

std::string Dialler::address() const {
    if (!candidate_) return is_unix() ? requested() : "";
    return is_unix() ? candidate_->requested.text() : peer_.text();
}

std::string Dialler::requested() const {
    return candidate_ ? candidate_->requested.text() : session_.listener().upstream.text();
}

uint16_t Dialler::requested_port() const noexcept {
    return candidate_ ? candidate_->requested.port
                      : session_.listener().upstream.addresses.front().port;
}

bool Dialler::is_unix() const noexcept {
    return (candidate_ ? candidate_->requested : session_.listener().upstream.addresses.front())
        .is_unix();
}

int Dialler::last_error() const noexcept {
    return failed_ ? failed_->back().error : 0;
}

}  // namespace telltale::proxy
