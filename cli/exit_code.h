// How the program ends; the numbers of BSD's sysexits where one fits. docs/commands.md tells them
// to users.
#pragma once

namespace telltale::cli {

enum class ExitCode : int {
    ok = 0,
    failure =
        1,  // at run time: a port in use, connections cut, a claim of the demo that did not hold
    unreachable = 2,    // probe: nothing was reached there
    usage = 64,         // a flag or command that there is not
    config = 65,        // the configuration has errors; all of them were printed
    no_input = 66,      // the configuration file can't be read
    interrupted = 130,  // by Ctrl-C, as shells count
};

}  // namespace telltale::cli
