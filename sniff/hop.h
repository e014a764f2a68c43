// Names the hop at fault: address, name, role, software, and the reasons for each, strongest first.
// Called once per diagnosis.
#pragma once

#include "sniff/diagnosis.h"
#include "sniff/rules.h"
#include "sniff/sentences.h"

namespace telltale::sniff {

inline constexpr size_t hop_evidence_max = 8;

[[nodiscard]] Hop name_hop(const Rule& rule, const Findings& findings);

}  // namespace telltale::sniff
