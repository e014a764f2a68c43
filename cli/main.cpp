// telltale: the command line. A table of contents: the commands are in one file each.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "cli/version.h"

namespace {

constexpr const char* footer =
    "Examples:\n"
    "  telltale proxy --listen :15260 --upstream 127.0.0.1:10260 --expect grpc\n"
    "  telltale check -c telltale.yaml\n"
    "  telltale demo --once\n"
    "  telltale probe group-rpc-service:12260\n"
    "  telltale explain -f app.log\n"
    "  telltale hops http://10.244.1.5:15970 http://10.244.2.9:15970\n"
    "  telltale health\n"
    "\n"
    "Exit codes: 0 done; 1 failed at run time (a port in use); 64 wrong usage; 65 the "
    "configuration has errors;\n"
    "66 the configuration file can't be read.";

int run(int argc, char** argv) {
    using telltale::cli::ExitCode;
    CLI::App program{
        "A sidecar that moves the bytes of gRPC and tells which hop does not speak it.",
        "telltale"};
    program.footer(footer);
    program.set_version_flag("--version", telltale::cli::version_text());
    program.require_subcommand(1);

    telltale::cli::Action chosen;
    telltale::cli::add_proxy(program, chosen);
    telltale::cli::add_check(program, chosen);
    telltale::cli::add_demo(program, chosen);
    telltale::cli::add_explain(program, chosen);
    telltale::cli::add_probe(program, chosen);
    telltale::cli::add_hops(program, chosen);
    telltale::cli::add_health(program, chosen);

    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // --help and --version come this way too, with 0
        return program.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    return static_cast<int>(chosen());
}

// The next descriptor that is opened gets the lowest free number: one of the event loop's would
// take the place of a closed stdout, and records would be written into it.
void keep_standard_descriptors() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) continue;
        // Fails where there is no /dev/null: nothing better can be done.
        static_cast<void>(::open("/dev/null", O_RDWR));
    }
}

}  // namespace

int main(int argc, char** argv) {
    keep_standard_descriptors();
    // A peer that went away is an error code of write(), not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return static_cast<int>(telltale::cli::ExitCode::failure);
    }
}
