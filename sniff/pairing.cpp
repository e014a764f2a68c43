#include "sniff/pairing.h"

namespace telltale::sniff {

namespace {

Pairing pair_http1(Protocol upstream, Expect expect) noexcept {
    if (upstream == Protocol::http1) return Pairing::http1;
    // RTSP, SIP and old text protocols have request lines too: their answers are no HTTP, and no
    // fault.
    if (upstream == Protocol::other && expect == Expect::any) return Pairing::undecided;
    return Pairing::mismatch;
}

Pairing pair_other(Protocol upstream, Expect expect) noexcept {
    // Nothing but a client of HTTP/2 is right where SETTINGS come first.
    if (upstream == Protocol::http2) return Pairing::mismatch;
    const bool is_http = upstream == Protocol::http1 || upstream == Protocol::http2_goaway;
    return is_http && expect == Expect::grpc ? Pairing::mismatch : Pairing::undecided;
}

}  // namespace

Pairing pairing(Protocol client, Protocol upstream, Expect expect) noexcept {
    const bool upstream_http2 = upstream == Protocol::http2 || upstream == Protocol::http2_goaway;
    if (client == Protocol::http2) return upstream_http2 ? Pairing::http2 : Pairing::mismatch;
    if (client == Protocol::tls) {
        return upstream == Protocol::tls ? Pairing::tls : Pairing::mismatch;
    }
    if (client == Protocol::http1) return pair_http1(upstream, expect);
    if (client == Protocol::other) return pair_other(upstream, expect);
    return Pairing::undecided;
}

}  // namespace telltale::sniff
