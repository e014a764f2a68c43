// telltale check: is this file a configuration? Prints every error at once.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/configuration.h"

namespace telltale::cli {

namespace {

struct CheckFlags {
    std::string file;
    bool print = false;
};

ExitCode check(const CheckFlags& flags) {
    const auto loaded = read_configuration(flags.file, {});
    if (const auto* code = std::get_if<ExitCode>(&loaded)) return *code;
    const config::Config& config = std::get<LoadedConfiguration>(loaded).config;
    if (flags.print) {
        std::fputs(config::to_yaml(config).c_str(), stdout);
        return ExitCode::ok;
    }
    const size_t count = config.listeners.size();
    std::printf("%s: ok, %zu listener%s\n", flags.file.c_str(), count, count == 1 ? "" : "s");
    return ExitCode::ok;
}

}  // namespace

void add_check(CLI::App& program, Action& chosen) {
    CLI::App* command =
        program.add_subcommand("check", "Validate a configuration and print every error");
    auto flags = std::make_shared<CheckFlags>();
    command->add_option("-c,--config", flags->file, "The file; - is standard input")
        ->required()
        ->type_name("FILE")
        ->envname("TELLTALE_CONFIG");
    command->add_flag("--print", flags->print,
                      "Print the configuration that results, with every default");
    command->footer(
        "Example:\n  telltale check -c telltale.yaml\n\nExit codes: 0 ok, 65 errors, 66 no such "
        "file.");
    command->callback([flags, &chosen] { chosen = [flags] { return check(*flags); }; });
}

}  // namespace telltale::cli
