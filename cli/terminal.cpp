#include "cli/terminal.h"

#include <unistd.h>

#include <cstdlib>

namespace telltale::cli {

bool is_terminal(Stream stream) {
    return isatty(static_cast<int>(stream)) == 1;
}

proxy::Colour colour_of(Stream stream) {
    const char* no_color =
        std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): before any thread
    const bool refused = no_color != nullptr && *no_color != '\0';
    return is_terminal(stream) && !refused ? proxy::Colour::on : proxy::Colour::off;
}

}  // namespace telltale::cli
