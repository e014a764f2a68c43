// telltale proxy: the sidecar.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/logging.h"
#include "cli/signals.h"
#include "cli/version.h"
#include "proxy/options.h"
#include "proxy/runtime.h"

namespace telltale::cli {

namespace {

struct ProxyFlags {
    std::string file;
    config::Overrides overrides;
};

// How incidents name this sidecar when the configuration does not.
std::string host_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// The one line that says what runs: with the ports as bound, not as asked for.
std::string describe(const config::Config& config, const proxy::Runtime& runtime) {
    std::ostringstream text;
    text << version_text() << " ready:";
    for (size_t i = 0; i < config.listeners.size(); ++i) {
        const config::Listener& listener = config.listeners[i];
        text << (i == 0 ? " " : ", ") << listener.name << " (" << sniff::name(listener.direction)
             << ", expect " << sniff::name(listener.expect) << ") " << runtime.listener_address(i)
             << " -> " << listener.upstream.text();
    }
    const std::string admin = runtime.admin_address();
    text << "; admin " << (admin.empty() ? "off" : "http://" + admin);
    text << "; at most ";
    if (config.limits.connections != 0) text << config.limits.connections << " connections, ";
    text << proxy::raise_file_limit() << " file descriptors";
    return text.str();
}

bool is_file(const std::string& path) {
    return !path.empty() && path != "-";
}

// How the runtime reads the configuration anew; nothing where there is no file to change.
std::function<std::variant<config::Config, std::vector<std::string>>()> reload_of(
    const ProxyFlags& flags) {
    if (!is_file(flags.file)) return {};
    return [flags]() -> std::variant<config::Config, std::vector<std::string>> {
        auto loaded = load_configuration(flags.file, flags.overrides);
        if (auto* errors = std::get_if<std::vector<std::string>>(&loaded)) {
            return std::move(*errors);
        }
        return std::move(std::get<LoadedConfiguration>(loaded).config);
    };
}

ExitCode run_proxy(const ProxyFlags& flags) {
    auto loaded = read_configuration(flags.file, flags.overrides);
    if (const auto* code = std::get_if<ExitCode>(&loaded)) return *code;
    auto& [config, text] = std::get<LoadedConfiguration>(loaded);
    if (config.node.name.empty()) config.node.name = host_name();
    block_signals();
    const Logging logging{config.log};
    try {
        proxy::Runtime runtime{{.config = config,
                                .version = version(),
                                .commit = commit(),
                                .write_incident = {},
                                .load = reload_of(flags),
                                .watched_file = is_file(flags.file) ? flags.file : "",
                                .watched_text = text}};
        runtime.start();
        spdlog::info(describe(config, runtime));
        const Signals signals{
            {.first =
                 [&runtime] {
                     spdlog::info(
                         "stopping: open connections may finish; a second signal cuts them");
                     runtime.drain();
                 },
             .again = [&runtime] { runtime.abort(); },
             .reload =
                 [&runtime, file = is_file(flags.file)] {
                     if (file) return runtime.reload();
                     spdlog::warn("SIGHUP: nothing to reload, this process has no file");
                 }}};
        const bool clean = runtime.wait() == proxy::Runtime::Exit::clean;
        if (clean)
            spdlog::info("stopped: every connection had ended");
        else
            spdlog::warn("stopped: open connections were cut");
        return clean ? ExitCode::ok : ExitCode::failure;
    } catch (const proxy::StartError& error) {
        spdlog::error("can't start: {}", error.what());
        return ExitCode::failure;
    }
}

}  // namespace

void add_proxy(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand("proxy", "Run the sidecar until SIGTERM");
    auto flags = std::make_shared<ProxyFlags>();
    command->add_option("-c,--config", flags->file, "The configuration file; - is standard input")
        ->type_name("FILE")
        ->envname("TELLTALE_CONFIG");

    struct Row {
        const char* flag;
        std::optional<std::string> config::Overrides::*value;
        const char* type;
        const char* help;
    };
    constexpr std::array rows = {
        Row{"--listen", &config::Overrides::listen, "ADDRESS",
            "Accept here: HOST:PORT, :PORT or unix:PATH"},
        Row{"--upstream", &config::Overrides::upstream, "ADDRESS",
            "Forward there: HOST:PORT or unix:PATH"},
        Row{"--admin", &config::Overrides::admin, "ADDRESS",
            "Metrics, health and incidents (or none)"},
        Row{"--expect", &config::Overrides::expect, "WHAT",
            "What the clients should speak: grpc, http or any"},
        Row{"--direction", &config::Overrides::direction, "WHERE",
            "inbound: before the local application; outbound: it dials through"},
        Row{"--on-mismatch", &config::Overrides::on_mismatch, "POLICY",
            "When the two sides do not speak the same: observe, answer, reroute or reset"},
        Row{"--handover", &config::Overrides::handover, "ADDRESS",
            "Hand the sockets to a successor there: unix:PATH (or none)"},
        Row{"--workers", &config::Overrides::workers, "N", "Threads that move bytes"},
        Row{"--log-format", &config::Overrides::log_format, "FORMAT", "plain or json"},
        Row{"--log-level", &config::Overrides::log_level, "LEVEL", "debug, info, warning or error"},
        Row{"--node-name", &config::Overrides::node_name, "NAME",
            "This sidecar's name in its records"},
    };
    for (const Row& row : rows)
        command->add_option(row.flag, flags->overrides.*row.value, row.help)->type_name(row.type);
    command->footer(
        "Each flag but -c is also a variable: --log-format is TELLTALE_LOG_FORMAT, -c is "
        "TELLTALE_CONFIG.\n\n"
        "Example:\n  telltale proxy --listen :15260 --upstream 127.0.0.1:10260 --expect grpc\n\n"
        "Exit codes: 0 stopped and every connection had ended; 1 can't start (port in use), or "
        "connections were cut;\n"
        "64 wrong usage; 65 the configuration has errors; 66 the file can't be read.");
    command->callback([flags, &chosen] { chosen = [flags] { return run_proxy(*flags); }; });
}

}  // namespace telltale::cli
