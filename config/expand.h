// ${NAME} and ${NAME:-default} in scalar values; $${ stands for a plain ${.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "config/load.h"

namespace telltale::config {

struct ExpandError {
    std::string text;  // "got …, expected …"
};

[[nodiscard]] std::variant<std::string, ExpandError> expand(std::string_view text,
                                                            const Environment& environment);
// The reverse for text that must come back as it is.
[[nodiscard]] std::string protect_references(std::string_view text);

// The length of the reference that `text` begins with ("${NAME}"); 0: it does not begin with one.
[[nodiscard]] size_t reference_length(std::string_view text);

}  // namespace telltale::config
