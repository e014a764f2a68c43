// THE TABLE of diagnosis: facts that must and must not be there → cause, confidence, hop position.
// First match wins; the last row needs nothing and is `unexplained`. A new cause is one row here,
// one writer of its sentences, one test, one paragraph in docs/runbook.md.
#pragma once

#include <span>
#include <string_view>

#include "sniff/cause.h"
#include "sniff/facts.h"

namespace telltale::sniff {

// Rows that need Fact::attributed hand on the cause that another Telltale named; theirs stands for
// any.
struct Rule {
    std::string_view id;
    FactSet need;
    FactSet forbid;
    Cause cause;
    Confidence confidence;
    HopPosition position;
};

[[nodiscard]] std::span<const Rule> rules() noexcept;
[[nodiscard]] const Rule& first_match(const FactSet& facts) noexcept;

}  // namespace telltale::sniff
