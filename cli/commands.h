// The subcommands. Each adds itself to the program's command line and, when it was asked for,
// leaves what to do in `chosen`; main() does it.
#pragma once

#include <functional>

#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace telltale::cli {

using Action = std::function<ExitCode()>;

void add_proxy(CLI::App& program, Action& chosen);
void add_check(CLI::App& program, Action& chosen);
void add_demo(CLI::App& program, Action& chosen);
void add_explain(CLI::App& program, Action& chosen);
void add_probe(CLI::App& program, Action& chosen);
void add_hops(CLI::App& program, Action& chosen);
void add_health(CLI::App& program, Action& chosen);

}  // namespace telltale::cli
