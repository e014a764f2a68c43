// telltale demo: the guide's incident in one process, and what Telltale says of it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <mutex>

#include "cli/commands.h"
#include "cli/demo/stage.h"
#include "cli/demo/story.h"
#include "cli/logging.h"
#include "cli/signals.h"
#include "cli/terminal.h"

namespace telltale::cli {

namespace {

enum class Afterwards : uint8_t { wait_for_a_signal, end };

void print_line(const std::string& text) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
}

ExitCode run_demo(Afterwards afterwards) {
    block_signals();
    // The sidecar's own lifecycle is not part of the story.
    const Logging logging{{.format = config::LogFormat::plain, .level = config::LogLevel::error}};
    demo::IncidentInbox inbox;
    std::atomic<bool> told =
        false;  // from then on incidents are the visitor's own: print them at once
    demo::Stage stage{[&](const std::string& text) { told ? print_line(text) : inbox.put(text); }};
    const auto failed = demo::Story(stage, inbox, colour_of(Stream::out)).tell();
    told = true;
    for (const std::string& claim : failed)
        std::fprintf(stderr, "error: not observed: %s\n", claim.c_str());
    if (afterwards == Afterwards::wait_for_a_signal) {
        print_line(
            "\nAll of it stays up until Ctrl-C; incidents that you cause are printed here. Try:\n  "
            " curl -s http://" +
            stage.wrong_address() + "/metrics\n   curl -s \"http://" + stage.admin_address() +
            "/incidents?format=text\"");
        std::promise<void> asked;
        std::once_flag once;
        const auto end = [&] { std::call_once(once, [&asked] { asked.set_value(); }); };
        // SIGHUP: the visitor's terminal was closed.
        const Signals signals{{.first = end, .again = [] {}, .reload = end}};
        asked.get_future().wait();
    }
    return failed.empty() ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_demo(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand(
        "demo", "Show a healthy call, the fault, and what Telltale says: no root, no network");
    auto once = std::make_shared<bool>(false);
    command->add_flag("--once", *once, "End after the story instead of waiting for Ctrl-C");
    command->footer(
        "Example:\n  telltale demo --once\n\n"
        "Exit codes: 0 everything it claims was observed, 1 something was not (it says what).");
    command->callback([once, &chosen] {
        chosen = [once] {
            return run_demo(*once ? Afterwards::end : Afterwards::wait_for_a_signal);
        };
    });
}

}  // namespace telltale::cli
