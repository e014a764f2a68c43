// What each capture of an upstream under tests/corpus is to be recognised as.
#pragma once

#include <span>
#include <string_view>

namespace telltale::sniff::test {

struct NamedCapture {
    std::string_view name;
    std::string_view software;
};

[[nodiscard]] std::span<const NamedCapture> known_captures();
[[nodiscard]] std::span<const NamedCapture> held_out_captures();
[[nodiscard]] std::span<const std::string_view> unknown_captures();

}  // namespace telltale::sniff::test
