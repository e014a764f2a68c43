// Short ways to load a configuration in tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/load.h"

namespace telltale::config {

using Variables = std::map<std::string, std::string>;

inline Environment environment_of(Variables variables) {
    return [variables = std::move(variables)](const std::string& name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
}

inline std::variant<Config, Errors> load_text(const std::string& text, Variables variables = {}) {
    return load({.file = "t.yaml", .text = text}, {}, environment_of(std::move(variables)),
                built_in_data_set);
}

inline std::vector<std::string> messages(const std::variant<Config, Errors>& loaded) {
    std::vector<std::string> out;
    if (const auto* errors = std::get_if<Errors>(&loaded)) {
        for (const Error& error : *errors) out.push_back(error.message());
    }
    return out;
}

// Fails the test when the text does not load.
inline Config loaded(const std::variant<Config, Errors>& result) {
    for (const std::string& message : messages(result)) ADD_FAILURE() << message;
    const auto* config = std::get_if<Config>(&result);
    return config == nullptr ? Config{} : *config;
}

// Five correct lines to which a test adds its own.
inline const std::string minimal =
    "listeners:\n"
    "  - name: group-rpc\n"
    "    listen: 0.0.0.0:15260\n"
    "    expect: grpc\n"
    "    upstream: 127.0.0.1:10260\n";

}  // namespace telltale::config
