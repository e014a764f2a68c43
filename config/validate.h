// What no single key can see: names that clash, addresses that overlap, listeners that feed
// themselves.
#pragma once

#include "config/config.h"
#include "config/report.h"
#include "config/yaml_reader.h"

namespace telltale::config {

// `root` is only asked for lines; values that were wrong are still at their defaults and pass.
void validate(const Config& config, const std::string& file, const YamlNode& root, Report& report);

}  // namespace telltale::config
