// YAML text, environment and flags → Config, or every error at once. Pure: the caller reads the
// file and the environment. An error prints as `file:line: path: got …, expected …`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace telltale::config {

struct Error {
    std::string file;
    int line = 0;      // 0: no line (a flag, the environment); a missing key has its mapping's line
    std::string path;  // "listeners[0].upstream.address"
    std::string text;  // "got \"10260x\", expected host:port"

    [[nodiscard]] std::string message() const;
};
using Errors = std::vector<Error>;

// Looks up an environment variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
// The text of a built-in data set ("openim"), nullopt when there is none of that name.
using DataSets = std::function<std::optional<std::string>(const std::string& name)>;

// What flags (and TELLTALE_* variables) say; empty optionals were not given. They win over the
// file.
struct Overrides {
    std::optional<std::string> listen, upstream, admin, log_format, log_level, expect, direction,
        workers, node_name, on_mismatch, handover;
};
// TELLTALE_LISTEN, TELLTALE_UPSTREAM, TELLTALE_ADMIN, TELLTALE_LOG_FORMAT, TELLTALE_LOG_LEVEL,
// TELLTALE_EXPECT, TELLTALE_DIRECTION, TELLTALE_WORKERS, TELLTALE_NODE_NAME, TELLTALE_ON_MISMATCH,
// TELLTALE_HANDOVER: used where the flag is absent and the variable not empty.
[[nodiscard]] Overrides with_environment(Overrides flags, const Environment& environment);

struct Source {
    std::string file;  // how to name it in errors; empty text with empty file: flags only
    std::string text;
};

[[nodiscard]] std::variant<Config, Errors> load(const Source& source, const Overrides& overrides,
                                                const Environment& environment,
                                                const DataSets& data_sets);

[[nodiscard]] std::variant<Address, std::string> parse_listen_address(std::string_view text);
[[nodiscard]] std::variant<Address, std::string> parse_upstream_address(std::string_view text);

// The data sets compiled in from config/data/*.yaml.
[[nodiscard]] std::optional<std::string> built_in_data_set(const std::string& name);

// The effective configuration as YAML, for /config and `telltale check --print`. load() of it gives
// the same Config.
[[nodiscard]] std::string to_yaml(const Config& config);

}  // namespace telltale::config
