// What ended a connection as two letters, like HAProxy's termination states: who or what, and when.
// docs/endings.md says of each pair what it means and what to do. Pure.
//
//   C c  the client closed (FIN); reset, or its leg failed
//   U u  the upstream closed; refused, reset, was out of reach, or its leg failed
//   T    a timeout of Telltale (timeouts.*)
//   P    a policy (on_mismatch: answer, reset)
//   L    a limit: of the configuration, or of this host (descriptors, ports, memory)
//   D    the drain deadline at the end of the process
//   -    nothing yet
//
//   C    connecting      V    before the verdict
//   R    relaying        L    closing: one direction had ended
#pragma once

#include <string>
#include <string_view>

#include "sniff/evidence.h"

namespace telltale::proxy {

inline constexpr std::string_view ending_causes = "CcUuTPLD";
inline constexpr std::string_view ending_phases = "CVRL";

// "uV"; "--" while nothing has ended the connection.
[[nodiscard]] std::string ending_code(const sniff::Ending& ending);

}  // namespace telltale::proxy
