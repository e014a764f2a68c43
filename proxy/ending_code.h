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

// The words that records and /connections have for an ending; "" for a value outside its list.
struct EndingWords {
    std::string code;
    std::string_view side;       // client, upstream, telltale
    std::string_view operation;  // read, write, connect, …
    std::string error;           // eof, reset, timeout, aborted, or what errno says
    std::string_view phase;      // connecting, before_verdict, relaying, closing
};
[[nodiscard]] EndingWords ending_words(const sniff::Ending& ending);
// "connection refused"
[[nodiscard]] std::string errno_text(int error);

}  // namespace telltale::proxy
