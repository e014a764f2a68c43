// The configuration as the commands get it: a file, the environment and flags, read here and judged
// by config::load.
#pragma once

#include <string>
#include <variant>

#include "cli/exit_code.h"
#include "config/load.h"

namespace telltale::cli {

// The value of an environment variable, as config::load wants to ask for it.
[[nodiscard]] config::Environment process_environment();

// The Config, or how the program has to end: every error was printed to stderr. file: "" means
// none, "-" is stdin.
[[nodiscard]] std::variant<config::Config, ExitCode> read_configuration(
    const std::string& file, const config::Overrides& flags);

}  // namespace telltale::cli
