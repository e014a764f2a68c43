// telltale explain, without input and output: an error text, bytes in any spelling or a number →
// what the reader saw, who printed it, likely causes, the next command. For a log see log_scan.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sniff/explain/finding.h"

namespace telltale::sniff::explain {

inline constexpr size_t text_max = 65536;  // of one pasted text

// Likeliest first; empty: nothing was recognised.
[[nodiscard]] std::vector<Finding> explain(std::string_view text);

}  // namespace telltale::sniff::explain
