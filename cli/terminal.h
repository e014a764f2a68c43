// What the standard streams are, and whether they may be coloured.
#pragma once

#include "proxy/incident.h"

namespace telltale::cli {

enum class Stream : int { out = 1, error = 2 };

[[nodiscard]] bool is_terminal(Stream stream);
// Colours only on a terminal, and never when NO_COLOR is set to anything (no-color.org).
[[nodiscard]] proxy::Colour colour_of(Stream stream);

}  // namespace telltale::cli
