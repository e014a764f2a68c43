// One side's protocol from its first bytes: runs the probe table over a growing prefix and latches
// the first answer. Keeps nothing but which rows are still candidates; the caller owns the prefix
// (the conversation keeps it while undecided).
#pragma once

#include <cstdint>

#include "sniff/bytes.h"
#include "sniff/probe.h"
#include "sniff/protocol.h"

namespace telltale::sniff {

class Sniffer final {
   public:
    explicit Sniffer(Side speaker, uint32_t window_max) noexcept;
    // prefix: all bytes of that side so far (a growing view of the same stream). Answers the
    // latched protocol, Protocol::undecided while rows say `more`; `other` when all say no or the
    // window is full.
    Protocol look(Bytes prefix) noexcept;
    // No more bytes will come: what is there decides (`other` unless a row said yes); no bytes:
    // `undecided`, the caller knows whether that is silent, closed or reset.
    Protocol finish(Bytes prefix) noexcept;
    [[nodiscard]] Protocol protocol() const noexcept { return protocol_; }

   private:
    Side speaker_;
    Protocol protocol_ = Protocol::undecided;
    uint32_t window_max_;
    uint32_t candidates_;  // bit per row of probes(speaker_)
};

}  // namespace telltale::sniff
