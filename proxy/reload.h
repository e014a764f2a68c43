// What a reload can't change while the process runs, and what it did change. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace telltale::proxy {

// Keys that differ and stay as they were until a restart: "workers", "admin.listen", ….
[[nodiscard]] std::vector<std::string> needs_restart(const config::Config& present,
                                                     const config::Config& next);
// "listeners a, b added; c removed; d changed", or "nothing changed".
[[nodiscard]] std::string describe_changes(const config::Config& present,
                                           const config::Config& next);

}  // namespace telltale::proxy
