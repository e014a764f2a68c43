// bench_load: the command line of the load generators.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/load/commands.h"

namespace {

using telltale::bench::load::Address;
using telltale::bench::load::Close;
using telltale::bench::load::Speaks;

constexpr int exit_failure = 1;
constexpr int exit_usage = 64;
constexpr size_t count_max = 1'000'000'000;

const std::map<std::string, Speaks> speaks_names{{"h2", Speaks::h2}, {"http1", Speaks::http1}};
const std::map<std::string, Close> close_names{{"fin", Close::fin}, {"reset", Close::reset}};

// CLI11's own transformer tells the numbers behind the names.
template <class Value>
CLI::Option* add_choice(CLI::App& command, const std::string& flag, Value& value,
                        const std::map<std::string, Value>& names) {
    std::string all;
    for (const auto& [name, unused] : names) all += (all.empty() ? "" : "|") + name;
    const auto choose = [&value, &names, flag, all](const std::string& text) {
        const auto found = names.find(text);
        if (found == names.end()) throw CLI::ValidationError(flag, text + " is none of " + all);
        value = found->second;
    };
    return command.add_option_function<std::string>(flag, choose)->type_name(all);
}

void add_address(CLI::App& command, const std::string& flag, Address& address) {
    command
        .add_option_function<std::string>(flag,
                                          [&address](const std::string& text) {
                                              try {
                                                  address = telltale::bench::load::address_of(text);
                                              } catch (const std::invalid_argument& error) {
                                                  throw CLI::ValidationError(error.what());
                                              }
                                          })
        ->type_name("HOST:PORT")
        ->required();
}

void add_count(CLI::App& command, const std::string& flag, size_t& count) {
    command.add_option(flag, count)->check(CLI::Range(size_t{1}, count_max))->type_name("N");
}

// A subcommand with its options, which live as long as what is to be called.
template <class Options>
CLI::App& add(CLI::App& program, const char* name, const char* help,
              const std::shared_ptr<Options>& options, void (*run)(const Options&),
              std::function<void()>& chosen) {
    CLI::App* command = program.add_subcommand(name, help);
    command->callback([options, run, &chosen] { chosen = [options, run] { run(*options); }; });
    return *command;
}

void add_serve(CLI::App& program, std::function<void()>& chosen) {
    auto options = std::make_shared<telltale::bench::load::ServeOptions>();
    CLI::App& command = add(program, "serve", "Answer every connection, until SIGTERM", options,
                            telltale::bench::load::serve, chosen);
    add_address(command, "--listen", options->listen);
    add_choice(command, "--answer", options->answer, speaks_names)
        ->required()
        ->description("What to speak");
    add_count(command, "--threads", options->threads);
}

void add_setup(CLI::App& program, std::function<void()>& chosen) {
    auto options = std::make_shared<telltale::bench::load::SetupOptions>();
    CLI::App& command = add(program, "setup", "Connect, get the first answer, close; N times",
                            options, telltale::bench::load::setup, chosen);
    add_address(command, "--to", options->to);
    add_count(command, "--connections", options->connections);
    add_count(command, "--concurrency", options->concurrency);
    add_choice(command, "--expect", options->expect, speaks_names)
        ->description("The answer to wait for");
    add_choice(command, "--close", options->close, close_names)
        ->description("reset leaves no port in TIME_WAIT");
}

void add_idle(CLI::App& program, std::function<void()>& chosen) {
    auto options = std::make_shared<telltale::bench::load::IdleOptions>();
    CLI::App& command =
        add(program, "idle", "Hold connections until stdin is closed or SIGTERM comes", options,
            telltale::bench::load::idle, chosen);
    add_address(command, "--to", options->to);
    add_count(command, "--connections", options->connections);
    command.add_flag("--request", options->request, "GET / once on each before");
}

void add_slow(CLI::App& program, std::function<void()>& chosen) {
    auto options = std::make_shared<telltale::bench::load::SlowOptions>();
    CLI::App& command =
        add(program, "slow", "Read answers slowly until stdin is closed or SIGTERM comes", options,
            telltale::bench::load::slow, chosen);
    add_address(command, "--to", options->to);
    command.add_option("--path", options->path)->required();
    command.add_option("--bytes-per-second", options->bytes_per_second)
        ->required()
        ->check(CLI::Range(uint64_t{1}, uint64_t{count_max}));
    command.add_option("--window", options->window, "Flow control window in bytes")
        ->check(CLI::Range(1U, telltale::bench::load::window_max));
}

void add_paced(CLI::App& program, std::function<void()>& chosen) {
    auto options = std::make_shared<telltale::bench::load::PacedOptions>();
    CLI::App& command = add(program, "paced", "PING on each connection in turn, R times", options,
                            telltale::bench::load::paced, chosen);
    add_address(command, "--to", options->to);
    add_count(command, "--connections", options->connections);
    add_count(command, "--rounds", options->rounds);
    command.add_flag("--hold", options->hold,
                     "Wait for a line on stdin before, and for its end after the rounds");
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App program{"Load generators and a responder for the benchmarks.", "bench_load"};
    program.footer(
        "Each command prints one JSON object as its last line.\n"
        "Exit codes: 0 done; 1 failed, with a sentence on stderr; 64 wrong usage.");
    program.require_subcommand(1);
    std::function<void()> chosen;
    add_serve(program, chosen);
    add_setup(program, chosen);
    add_idle(program, chosen);
    add_slow(program, chosen);
    add_paced(program, chosen);
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {  // --help comes this way too, with 0
        return program.exit(error) == 0 ? 0 : exit_usage;
    }
    try {
        chosen();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return exit_failure;
    }
}
