// Evidence → diagnosis: one constexpr table of rules over fact bits, first match wins, the last row
// is `unexplained`. Each rule names a cause, a hop position, a confidence; the sentences are made
// from the evidence. Pure and total: any evidence gives exactly one diagnosis; Cause::fine means
// that this is no incident.
#pragma once

#include <string>
#include <vector>

#include "sniff/cause.h"
#include "sniff/evidence.h"

namespace telltale::sniff {

struct Hop {
    HopPosition position = HopPosition::upstream;
    std::string address;
    std::string name;  // by the registry, else by DNS, else the address
    Role role = Role::unknown;
    std::string software;  // "" when unknown
    std::string version;
    std::vector<std::string> evidence;  // one short sentence each
};

struct Diagnosis {
    Cause cause = Cause::fine;
    Confidence confidence = Confidence::possible;
    Hop hop;
    std::string explanation;  // one sentence: who answered what, and which hop that is; wire text
                              // escaped and cut
    std::string fix;          // what to change, naming the concrete thing
    std::string_view
        envoy_flag;  // the Envoy response flag people grep for: UPE, DPE, UF, UC, UT, DF, UH or ""
    // Where another Telltale stands that named this cause, which is then none of this one's
    // findings and no mismatch of its own; "" otherwise.
    std::string attributed_by;
};

[[nodiscard]] Diagnosis diagnose(const Evidence& evidence);

}  // namespace telltale::sniff
