#include "cli/version.h"

#include "telltale_commit.h"

namespace telltale::cli {

std::string version() {
    return TELLTALE_VERSION;
}
std::string commit() {
    return generated::commit;
}
std::string version_text() {
    return "telltale " + version() + " (commit " + commit() + ")";
}

}  // namespace telltale::cli
