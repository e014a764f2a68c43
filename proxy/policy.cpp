#include "proxy/policy.h"

namespace telltale::proxy {

namespace {

using sniff::Cause;
using sniff::Protocol;

bool speaks_http2(Protocol upstream) noexcept {
    return upstream == Protocol::http2 || upstream == Protocol::http2_goaway;
}

bool hung_up(Cause cause) noexcept {
    return cause == Cause::closed_before_preface || cause == Cause::reset_before_preface;
}

// The two sides do not understand each other, and Telltale knows it before the client has heard a
// byte. A silent upstream may still speak. Two sides of HTTP/1 understand each other, whatever the
// listener declares, and two of HTTP/2, whether the answer is gRPC or that of another Telltale.
bool is_actionable(const PolicyCase& seen) noexcept {
    if (seen.outcome != sniff::Outcome::connected) {
        return seen.cause != Cause::fine && seen.cause != Cause::proxy_shutdown;
    }
    if (seen.client == Protocol::http1 && seen.upstream == Protocol::http1) return false;
    if (seen.client == Protocol::http2 && speaks_http2(seen.upstream)) return false;
    return sniff::is_mismatch(seen.cause) || hung_up(seen.cause);
}

bool can_answer(const PolicyCase& seen) noexcept {
    if (seen.client == Protocol::http1) return true;
    return seen.client == Protocol::http2 && seen.flight_whole;
}

// A request is sent twice only where the first server can't have acted on it. A server of HTTP/2
// sends SETTINGS first (RFC 9113 §3.4): who hung up without them has read nothing as HTTP/2. A
// server of HTTP/1 may have acted and then failed, so its silence proves nothing.
bool can_reroute(const PolicyCase& seen) noexcept {
    if (seen.outcome != sniff::Outcome::connected) return false;  // all endpoints were tried
    if (!seen.flight_whole || !seen.other_endpoint) return false;
    return !hung_up(seen.cause) || seen.client == Protocol::http2;
}

}  // namespace

Action decide(const PolicyCase& seen) noexcept {
    const Action none =
        seen.outcome == sniff::Outcome::connected ? Action::forwarded : Action::closed;
    if (!is_actionable(seen)) return none;
    switch (seen.policy) {
        case config::Policy::observe:
            return none;
        case config::Policy::answer:
            return can_answer(seen) ? Action::answered : none;
        case config::Policy::reroute:
            return can_reroute(seen) ? Action::rerouted : none;
        case config::Policy::reset:
            return Action::reset;
    }
    return none;
}

}  // namespace telltale::proxy
