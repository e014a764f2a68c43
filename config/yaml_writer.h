// A tree → YAML text that read_yaml() and expand() give back as the same tree.
#pragma once

#include <string>

#include "config/yaml_reader.h"

namespace telltale::config {

[[nodiscard]] std::string write_yaml(const YamlNode& root);

// For building trees.
[[nodiscard]] YamlNode yaml_scalar(std::string text);
[[nodiscard]] YamlNode yaml_with_key(std::string key, YamlNode node);

}  // namespace telltale::config
