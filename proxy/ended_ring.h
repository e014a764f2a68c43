// The connections of one worker that ended last, for /connections: a fixed ring into which a
// session copies some plain values when it ends. Rows are made when somebody asks. On the worker's
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/deadlines.h"
#include "proxy/endpoint.h"
#include "proxy/stats.h"
#include "sniff/cause.h"
#include "sniff/evidence.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

struct EndedConnection {
    uint64_t id = 0;
    size_t listener = 0;
    TimeMs ended_at_ms = 0;           // on the worker's clock
    int64_t age_ms = 0;               // how long it lived
    std::array<uint64_t, 2> bytes{};  // by Side: read from that side
    PeerAddress client_address;
    PeerAddress upstream_address;
    sniff::Ending ended_by;
    sniff::Protocol client = sniff::Protocol::undecided, upstream = sniff::Protocol::undecided;
    sniff::Verdict verdict = sniff::Verdict::undecided;
    sniff::Cause cause = sniff::Cause::fine;
    bool reached = false;  // an address of the upstream was dialled: upstream_address says which
    // What was done about a mismatch, words of static storage; "": nothing.
    std::string_view policy, action;
};

class EndedRing final {
   public:
    static constexpr size_t capacity = 64;

    // The oldest makes room.
    void push(const EndedConnection& ended) noexcept;
    // Newest first, state "ended". upstream_address is empty where none was dialled, and "unix:"
    // for a Unix socket: who asks knows how the listener's upstream is configured.
    [[nodiscard]] std::vector<ConnectionRow> rows(TimeMs now) const;

   private:
    std::array<EndedConnection, capacity> ring_{};
    uint64_t pushed_ = 0;
};

}  // namespace telltale::proxy
