// telltale health: asks the sidecar beside it whether it is well. For HEALTHCHECK of an image and
// for exec probes, where there is no curl.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "config/expand.h"
#include "config/yaml_reader.h"
#include "proxy/admin_client.h"
#include "proxy/incident.h"

namespace telltale::cli {

namespace {

struct HealthFlags {
    std::string address;  // as an argument
    std::string admin;    // as a flag
    std::string file;
    bool live = false;
    double timeout_s = 2;
};

constexpr uint64_t body_bytes_max = 4096;
constexpr size_t told_bytes_max = 300;

// Which address to ask, as it was written.
struct Written {
    std::string text;    // "" with no problem: nowhere
    std::string source;  // who says so; "" for the user
    std::string problem = {};
    ExitCode code = ExitCode::ok;  // of the problem
};

Written no_address(ExitCode code, std::string problem) {
    return {.text = {}, .source = {}, .problem = std::move(problem), .code = code};
}

const config::YamlNode* child(const config::YamlNode* node, std::string_view key) {
    if (node == nullptr) return nullptr;
    const auto found =
        std::find_if(node->children.begin(), node->children.end(),
                     [key](const config::YamlNode& each) { return each.key == key; });
    return found == node->children.end() ? nullptr : &*found;
}

Written by_default(const std::string& why) {
    return {.text = "127.0.0.1:" + std::to_string(proxy::admin_port),
            .source = why.empty() ? "the default" : "the default, because " + why};
}

// admin.listen alone, and the default where the file does not tell it: a sidecar whose file gets an
// error goes on with what it has, and is as healthy as before.
Written of_file(const std::string& file) {
    if (file == "-") {
        return no_address(ExitCode::usage,
                          "the configuration of standard input can't be read a second time; give "
                          "the address with --admin or TELLTALE_ADMIN");
    }
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    // Whoever opens a pipe may wait for ever.
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        return no_address(ExitCode::no_input, file + " can't be read: it is no file");
    }
    const FileText content = read_configuration_text(file);
    if (!content.text) return no_address(ExitCode::no_input, content.problem);
    auto read = config::read_yaml(*content.text);
    if (auto* wrong = std::get_if<config::Error>(&read)) {
        wrong->file = file;
        return by_default(wrong->message());
    }
    const config::YamlNode* const node =
        child(child(&std::get<config::YamlNode>(read), "admin"), "listen");
    if (node == nullptr) return by_default("");
    const auto wrong = [&](const std::string& text) {
        return by_default(
            config::Error{.file = file, .line = node->line, .path = "admin.listen", .text = text}
                .message());
    };
    auto expanded = config::expand(node->text, process_environment());
    if (const auto* why = std::get_if<config::ExpandError>(&expanded)) return wrong(why->text);
    const std::string& text = std::get<std::string>(expanded);
    const auto parsed = config::parse_listen_address(text);
    const auto* const why = std::get_if<std::string>(&parsed);
    if (why != nullptr && text != "none") return wrong(*why);
    return {.text = text, .source = "admin.listen of " + file};
}

Written written_address(const HealthFlags& flags) {
    if (!flags.address.empty()) return {.text = flags.address, .source = {}};
    if (!flags.admin.empty()) return {.text = flags.admin, .source = {}};
    const auto variable = process_environment()("TELLTALE_ADMIN");
    if (variable && !variable->empty()) return {.text = *variable, .source = "TELLTALE_ADMIN"};
    return flags.file.empty() ? by_default("") : of_file(flags.file);
}

// An address to listen on, or one to dial. Who listens on all addresses is asked on loopback.
std::optional<config::Address> address_of(const std::string& text) {
    auto listen = config::parse_listen_address(text);
    auto* const address = std::get_if<config::Address>(&listen);
    if (address == nullptr) return proxy::admin_address(text);
    if (address->is_unix()) return std::move(*address);
    if (address->port == 0) return std::nullopt;
    if (address->host.empty() || address->host == "0.0.0.0") address->host = "127.0.0.1";
    if (address->host == "::") address->host = "::1";
    return std::move(*address);
}

std::string first_line(const std::string& text) {
    return proxy::clean_text(text.substr(0, text.find('\n')), told_bytes_max);
}

void tell(const std::string& sentence) {
    std::fprintf(stderr, "%s\n", sentence.c_str());
}

struct Page {
    std::string_view path;
    std::string_view says;  // when all is well
    std::string_view told;  // by this command then
};

ExitCode judge(const Page& page, const proxy::AdminAnswer& answer, const std::string& place) {
    if (answer.status == 0) {
        tell("not reached: " + place + ": " + answer.problem);
        return ExitCode::failure;
    }
    const std::string line = first_line(answer.body);
    if (answer.status == 200 && line == page.says) {
        std::printf("%.*s\n", static_cast<int>(page.told.size()), page.told.data());
        return ExitCode::ok;
    }
    if (answer.status == 503 && line.starts_with("not ready")) {
        tell(line);
        return ExitCode::failure;
    }
    std::string what = "not Telltale: " + place + " answered " + std::to_string(answer.status) +
                       " to GET " + std::string(page.path);
    if (answer.status == 200) what += ", but not with \"" + std::string(page.says) + "\"";
    tell(what + "; something else listens there");
    return ExitCode::failure;
}

ExitCode ask_health(const HealthFlags& flags) {
    const Written written = written_address(flags);
    if (!written.problem.empty()) {
        tell("error: " + proxy::clean_text(written.problem, told_bytes_max));
        return written.code;
    }
    const std::string source = written.source.empty() ? "" : " (" + written.source + ")";
    const std::string place = proxy::clean_text(written.text + source, told_bytes_max);
    if (written.text == "none") {
        tell("error: " + place +
             " means that this sidecar has no admin server, so its health can't be asked for");
        return ExitCode::usage;
    }
    const auto address = address_of(written.text);
    if (!address) {
        tell("error: " + place + " is no admin address to ask; expected one such as " +
             "127.0.0.1:15970, unix:/run/telltale/admin.sock or http://10.244.1.5:15970");
        return ExitCode::usage;
    }
    const Page page = flags.live ? Page{.path = "/live", .says = "ok", .told = "live"}
                                 : Page{.path = "/ready", .says = "ready", .told = "ready"};
    const auto patience = std::chrono::milliseconds(static_cast<int64_t>(flags.timeout_s * 1000));
    const auto answers = proxy::ask_admin({*address},
                                          {.target = std::string(page.path),
                                           .accept = "text/plain",
                                           .body_bytes_max = body_bytes_max},
                                          patience);
    return judge(page, answers.front(), place);
}

}  // namespace

void add_health(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand(
        "health", "Ask the sidecar here whether it is ready; for health checks without curl");
    auto flags = std::make_shared<HealthFlags>();
    auto* const address =
        command
            ->add_option("ADDRESS", flags->address,
                         "The admin address, as it is configured: HOST:PORT, :PORT, unix:PATH")
            ->type_name("");
    command->add_option("--admin", flags->admin, "The same, as a flag")
        ->type_name("ADDRESS")
        ->excludes(address);
    command
        ->add_option("-c,--config", flags->file,
                     "Without an address: the configuration whose admin.listen is asked")
        ->type_name("FILE")
        ->envname("TELLTALE_CONFIG");
    command->add_flag("--live", flags->live,
                      "Ask only whether the process runs: a sidecar that drains is live");
    command->add_option("--timeout", flags->timeout_s, "How long all of it may take")
        ->check(CLI::Range(0.05, 60.0))
        ->type_name("SECONDS")
        ->capture_default_str();
    command->footer(
        "The address is the argument, else TELLTALE_ADMIN, else admin.listen of the file, else "
        "127.0.0.1:15970.\n\n"
        "Example:\n  telltale health --admin 127.0.0.1:15970\n\n"
        "Exit codes: 0 ready; 1 not ready, with the reason, or not reached; 64 wrong usage, or no "
        "admin server;\n66 the configuration can't be read.");
    command->callback([flags, &chosen] { chosen = [flags] { return ask_health(*flags); }; });
}

}  // namespace telltale::cli
