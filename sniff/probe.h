// What a probe is: a pure function of the first bytes of one side. `more` is honest: only while
// some extension of these bytes can still be `yes`. `no` and `yes` are final.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sniff/bytes.h"
#include "sniff/protocol.h"

namespace telltale::sniff {

enum class Match : uint8_t { no, more, yes };
using MatchFn = Match (*)(Bytes prefix) noexcept;

struct Probe {
    std::string_view id;  // "http1_status_line": the reason of a verdict, in tests and evidence
    Protocol protocol;
    Side speaker;
    uint16_t window;  // at this many bytes the answer is not `more` any longer
    MatchFn match;
};

// THE TABLE (probes.cpp): one row per protocol and direction, most specific first.
[[nodiscard]] std::span<const Probe> probes(Side speaker) noexcept;

// Compares a literal against a prefix: yes when all of it is there, more while the bytes so far
// agree.
[[nodiscard]] Match match_literal(Bytes prefix, std::string_view literal) noexcept;

}  // namespace telltale::sniff
