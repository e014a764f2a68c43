// A finding as an operator reads it: what was on the wire first, then who printed it, the likely
// causes with their runbook chapters, what it is not, and the next command.
#pragma once

#include <string>
#include <string_view>

#include "sniff/explain/finding.h"

namespace telltale::sniff::explain {

struct ReportStyle {
    std::string_view runbook_url = {};  // of docs/runbook.md; a cause's name is its anchor
    bool colour = false;
    bool counts = false;  // of a log: how many lines, which
};

[[nodiscard]] std::string to_text(const Finding& finding, const ReportStyle& style);
[[nodiscard]] std::string_view words(Reader reader) noexcept;
[[nodiscard]] std::string_view name(Reader reader) noexcept;  // "client", "proxy", "server"

}  // namespace telltale::sniff::explain
