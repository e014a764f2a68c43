// Flags and TELLTALE_* variables over the file.
#pragma once

#include "config/config.h"
#include "config/load.h"
#include "config/report.h"

namespace telltale::config {

// Reports values that are wrong, and flags that cannot say which of several listeners they mean.
void apply_overrides(const Overrides& overrides, Config& config, Report& report);

}  // namespace telltale::config
