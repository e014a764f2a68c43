// What this program is: release and commit. The commit comes from git when the program is built, or
// from -DTELLTALE_COMMIT=…; without either it is "unknown".
#pragma once

#include <string>

namespace telltale::cli {

[[nodiscard]] std::string version();       // "0.1.0"
[[nodiscard]] std::string commit();        // "3f2c91d04b7e"
[[nodiscard]] std::string version_text();  // "telltale 0.1.0 (commit 3f2c91d04b7e)"

}  // namespace telltale::cli
