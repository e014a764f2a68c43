// The tables of keys: one row per key of the configuration file. A new key is a row here, a field
// in config.h, a test and a line in docs/configuration.md.
#pragma once

#include <string>
#include <vector>

#include "config/fields.h"

namespace telltale::config {

[[nodiscard]] const Keys<Config>& config_keys();
// "listeners[].upstream.address" and so on, for all keys; docs/configuration.md must name each.
[[nodiscard]] std::vector<std::string> all_key_paths();

// The services of a data set; what is wrong in it is reported under its name.
[[nodiscard]] std::vector<Service> read_data_set(const Context& context, const std::string& name,
                                                 const std::string& text);

}  // namespace telltale::config
