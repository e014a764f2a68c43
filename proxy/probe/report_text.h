// A probe's report as people read it (verdict first, then facts in aligned lines, then what to do)
// and as one JSON object on one line. Everything from the wire is escaped and cut.
#pragma once

#include <string>

#include "proxy/incident.h"
#include "proxy/probe/probe.h"

namespace telltale::proxy::probe {

// The verdict of the target and what its siblings add: "… 10260 on the same address speaks gRPC."
[[nodiscard]] std::string headline(const Report& report);
// What to do next, most useful first.
[[nodiscard]] std::vector<std::string> next_steps(const Report& report);

// Several lines, each with its end.
[[nodiscard]] std::string to_text(const Report& report, Colour colour);
// One line without its end.
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace telltale::proxy::probe
