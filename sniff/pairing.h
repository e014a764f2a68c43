// What two protocols mean for each other before anybody reads heads, hellos or frames. The pair
// decides, never the upstream alone: many HTTP/2 servers send SETTINGS whatever the client said.
#pragma once

#include <cstdint>

#include "sniff/protocol.h"

namespace telltale::sniff {

enum class Pairing : uint8_t {
    mismatch,
    undecided,  // neither side is known well enough to blame anybody
    http1,      // both HTTP/1: CONNECT, Upgrade and gRPC inside HTTP/1 are told by the heads
    http2,      // both HTTP/2: the first answer tells whether it is gRPC
    tls,        // both TLS: the hellos tell whether they agree on a protocol
};

// Both sides have spoken.
[[nodiscard]] Pairing pairing(Protocol client, Protocol upstream, Expect expect) noexcept;

}  // namespace telltale::sniff
