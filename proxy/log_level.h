// The level of the lifecycle log while the process runs: spdlog's levels in the configuration's
// words.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"

namespace telltale::proxy {

void set_log_level(config::LogLevel level);
// False: no such word.
bool set_log_level(std::string_view word);
[[nodiscard]] std::string log_level();

}  // namespace telltale::proxy
