// Paths as text for people and as JSON for programs; docs/commands.md has the fields. Pure.
// Whatever the sightings held comes out clean: no control characters, one line each, cut.
#pragma once

#include <string>
#include <vector>

#include "proxy/hops/paths.h"
#include "proxy/incident.h"

namespace telltale::proxy::hops {

// What became of one source of incidents.
struct SourceReport {
    std::string name;       // as it was asked for
    bool was_read = false;  // also when nothing was in it
    size_t incidents = 0;   // groups
    std::string problem;    // one sentence; "" when all of it was read
};

// What could be read, one line a source that has something to tell; "" when all is well.
[[nodiscard]] std::string problems_text(const std::vector<SourceReport>& sources);
[[nodiscard]] std::string paths_text(const Joined& joined, const std::vector<SourceReport>& sources,
                                     Colour colour);
[[nodiscard]] std::string paths_json(const Joined& joined,
                                     const std::vector<SourceReport>& sources);

}  // namespace telltale::proxy::hops
