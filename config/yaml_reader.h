// YAML text → a small tree of our own with lines; the only file that sees yaml-cpp.
// Every scalar is text: the key it belongs to decides what the text must be. Anchors and aliases
// are not read, so a small file cannot unfold into a large one.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "config/load.h"

namespace telltale::config {

inline constexpr size_t yaml_bytes_max = 1U << 20U;
inline constexpr size_t yaml_depth_max = 16;  // the deepest key of ours is at 5

struct YamlNode {
    enum class Kind : uint8_t { null, scalar, list, mapping };

    Kind kind = Kind::null;
    int line = 0;          // from 1; of a null value: the line of its key
    std::string key = {};  // when the parent is a mapping
    int key_line = 0;
    std::string text = {};                // scalar
    std::vector<YamlNode> children = {};  // list, mapping: in file order, duplicate keys kept
};

// A null node for an empty text; an Error (file left empty) for text that is not one YAML document.
[[nodiscard]] std::variant<YamlNode, Error> read_yaml(const std::string& text);

}  // namespace telltale::config
