// A port to probe: a name or an IP address, and a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::proxy::probe {

struct Target {
    std::string host;  // a name or an IP address, without brackets
    uint16_t port = 0;

    [[nodiscard]] std::string text() const;  // "10.0.0.1:80", "[::1]:80", "name:80"
    friend bool operator==(const Target&, const Target&) = default;
};

// HOST:PORT as people write it; `error` says what is wrong, for an empty answer.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text, std::string& error);

}  // namespace telltale::proxy::probe
