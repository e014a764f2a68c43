// The configuration as the commands get it: a file, the environment and flags, read here and judged
// by config::load.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/exit_code.h"
#include "config/load.h"

namespace telltale::cli {

// The value of an environment variable, as config::load wants to ask for it.
[[nodiscard]] config::Environment process_environment();

// The text of a file, or why there is none: "FILE can't be read: …". "-" is stdin.
struct FileText {
    std::optional<std::string> text;
    std::string problem;
};
[[nodiscard]] FileText read_configuration_text(const std::string& file);

struct LoadedConfiguration {
    config::Config config;
    std::string text;  // of the file
};
// The configuration, or one message per error. file: "" means none, "-" is stdin.
[[nodiscard]] std::variant<LoadedConfiguration, std::vector<std::string>> load_configuration(
    const std::string& file, const config::Overrides& flags);

// As above; or how the program has to end: every error was printed to stderr.
[[nodiscard]] std::variant<LoadedConfiguration, ExitCode> read_configuration(
    const std::string& file, const config::Overrides& flags);

}  // namespace telltale::cli
