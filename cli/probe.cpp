// telltale probe: what can be spoken at these addresses?
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "proxy/probe/probe.h"
#include "proxy/probe/report_text.h"
#include "proxy/probe/siblings.h"
#include "sniff/escape.h"

namespace telltale::cli {

namespace {

namespace asio = boost::asio;
namespace probe = proxy::probe;
using std::chrono::milliseconds;

constexpr size_t probes_at_once = 16;
constexpr double timeout_default_s = 3;
constexpr std::chrono::seconds total_min{30};
constexpr int timeouts_in_total = 10;

struct ProbeFlags {
    std::vector<std::string> targets;
    std::string file;
    std::string output = "text";
    std::string ports;
    std::string server_name;
    std::string ca_file;
    double timeout_s = timeout_default_s;
    bool no_tls = false;
    bool tls_only = false;
    bool no_siblings = false;
};

// ---- what is asked

ExitCode wrong_usage(const std::string& sentence) {
    std::fprintf(stderr, "error: %s\n", sentence.c_str());
    return ExitCode::usage;
}

// The registry: of the file, or the built-in data set.
std::variant<std::vector<config::Service>, ExitCode> services_of(const std::string& file) {
    if (!file.empty()) {
        auto loaded = read_configuration(file, {});
        if (const auto* code = std::get_if<ExitCode>(&loaded)) return *code;
        return std::move(std::get<LoadedConfiguration>(loaded).config.services);
    }
    config::Overrides flags;
    flags.listen = "127.0.0.1:0";
    flags.upstream = "127.0.0.1:1";
    const auto unset = [](const std::string&) -> std::optional<std::string> { return {}; };
    auto loaded = config::load({}, flags, unset, config::built_in_data_set);
    if (auto* built_in = std::get_if<config::Config>(&loaded)) return std::move(built_in->services);
    return std::vector<config::Service>{};
}

probe::Options options_of(const ProbeFlags& flags) {
    probe::Options options;
    options.plaintext = !flags.tls_only;
    options.tls = !flags.no_tls;
    options.timeout = milliseconds(static_cast<int64_t>(flags.timeout_s * 1000));
    options.total = std::max<milliseconds>(total_min, timeouts_in_total * options.timeout);
    options.server_name = flags.server_name;
    options.ca_file = flags.ca_file;
    options.try_siblings = flags.no_siblings     ? probe::TrySiblings::never
                           : flags.ports.empty() ? probe::TrySiblings::without_grpc
                                                 : probe::TrySiblings::always;
    return options;
}

// One line about the variables that gRPC clients obey and a probe must not.
void note_proxy_variables() {
    std::string set;
    for (const char* name : {"grpc_proxy", "https_proxy", "HTTPS_PROXY", "http_proxy"}) {
        const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets any
        if (value != nullptr && *value != '\0')
            set += (set.empty() ? "" : ", ") + std::string(name);
    }
    if (set.empty()) return;
    std::fprintf(stderr,
                 "note: %s is set. This probe dials directly; C-core clients (grpc_proxy, "
                 "https_proxy, http_proxy) and grpc-go (HTTPS_PROXY) dial through the proxy unless "
                 "no_proxy names the host.\n",
                 set.c_str());
}

// ---- the run: several probes at once, printed in the order they were asked for

class Run final {
   public:
    Run(std::vector<probe::Target> targets, std::vector<probe::Options> options, bool json)
        : json_(json),
          colour_(json ? proxy::Colour::off : colour_of(Stream::out)),
          ticker_(context_) {
        for (size_t i = 0; i < targets.size(); ++i) {
            probes_.push_back(std::make_unique<probe::Probe>(context_, std::move(targets[i]),
                                                             std::move(options[i])));
        }
        printed_.resize(probes_.size());
    }

    ExitCode run() {
        const auto stop = [this] {
            asio::post(context_, [this] {
                interrupted_ = true;
                context_.stop();
            });
        };
        const Signals signals{{.first = stop, .again = stop, .reload = stop}};
        begin_more();
        if (is_terminal(Stream::error)) tick();
        context_.run();
        clear_progress();
        if (interrupted_) return ExitCode::interrupted;
        return failed_ ? ExitCode::failure : unreachable_ ? ExitCode::unreachable : ExitCode::ok;
    }

    // A resolver thread may still be waiting for an answer that nobody wants any more.
    [[nodiscard]] bool must_not_wait() const { return interrupted_ || still_resolving_; }

   private:
    void begin_more() {
        while (begun_ < probes_.size() && begun_ - ended_ < probes_at_once) {
            const size_t index = begun_++;
            probes_[index]->start(
                [this, index](const probe::Report& report) { on_done(index, report); });
        }
    }

    void on_done(size_t index, const probe::Report& report) {
        ++ended_;
        failed_ = failed_ || report.verdict.outlook == probe::Outlook::does_not;
        unreachable_ = unreachable_ || report.verdict.outlook == probe::Outlook::unreachable;
        still_resolving_ = still_resolving_ || report.seen.still_resolving;
        printed_[index] = json_ ? to_json(report) + "\n" : to_text(report, colour_);
        print_ready();
        if (ended_ == probes_.size()) ticker_.cancel();
        begin_more();
    }

    void print_ready() {
        clear_progress();
        for (; next_ < printed_.size() && !printed_[next_].empty(); ++next_) {
            if (next_ > 0 && !json_) std::fputc('\n', stdout);
            std::fputs(printed_[next_].c_str(), stdout);
            printed_[next_].clear();
        }
        std::fflush(stdout);
    }

    void tick() {
        ticker_.expires_after(std::chrono::seconds(1));
        ticker_.async_wait([this](const boost::system::error_code& error) {
            if (error || ended_ == probes_.size()) return;
            std::fprintf(stderr, "\rprobing: %zu of %zu done", ended_, probes_.size());
            shows_progress_ = true;
            tick();
        });
    }

    void clear_progress() {
        if (std::exchange(shows_progress_, false)) std::fputs("\r\x1b[K", stderr);
    }

    asio::io_context context_{1};
    bool json_;
    proxy::Colour colour_;
    asio::steady_timer ticker_;
    std::vector<std::unique_ptr<probe::Probe>> probes_;
    std::vector<std::string> printed_;  // waiting for those before them; empty: not there yet
    size_t begun_ = 0;
    size_t ended_ = 0;
    size_t next_ = 0;
    bool failed_ = false;
    bool unreachable_ = false;
    bool still_resolving_ = false;
    bool interrupted_ = false;
    bool shows_progress_ = false;
};

ExitCode run_probe(const ProbeFlags& flags) {
    if (flags.no_tls && flags.tls_only)
        return wrong_usage("--no-tls and --tls-only exclude each other");
    std::string error;
    std::vector<probe::Target> targets;
    for (const std::string& text : flags.targets) {
        const auto target = probe::parse_target(text, error);
        if (!target) return wrong_usage(error);
        targets.push_back(*target);
    }
    std::vector<uint16_t> asked;
    if (!flags.ports.empty()) {
        asked = probe::parse_ports(flags.ports, error);
        if (asked.empty()) return wrong_usage("--ports: " + error);
    }
    const auto services = services_of(flags.file);
    if (const auto* code = std::get_if<ExitCode>(&services)) return *code;
    std::vector<probe::Options> options;
    for (const probe::Target& target : targets) {
        options.push_back(options_of(flags));
        if (flags.no_siblings) continue;
        options.back().siblings = probe::siblings_of(
            target.host, target.port, std::get<std::vector<config::Service>>(services), asked);
    }
    note_proxy_variables();
    block_signals();
    Run run(std::move(targets), std::move(options), flags.output == "json");
    const ExitCode code = run.run();
    if (!run.must_not_wait()) return code;
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(code));
}

}  // namespace

void add_probe(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand(
        "probe", "Say what can be spoken at an address: gRPC, TLS, HTTP/1.1, and who answers");
    auto flags = std::make_shared<ProbeFlags>();
    command->add_option("targets", flags->targets, "Addresses: HOST:PORT, [IPV6]:PORT")
        ->required()
        ->type_name("HOST:PORT");
    command->add_option("-o,--output", flags->output, "text, or json: one object a line")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("FORMAT");
    command->add_option("--timeout", flags->timeout_s, "For a name, a connect, a conversation each")
        ->check(CLI::Range(0.05, 60.0))
        ->type_name("SECONDS");
    command->add_option("--ports", flags->ports, "Try these too: 10260,10200-10210")
        ->type_name("PORTS");
    command->add_flag("--no-siblings", flags->no_siblings, "Try no other port");
    command->add_flag("--no-tls", flags->no_tls, "Plaintext only");
    command->add_flag("--tls-only", flags->tls_only, "TLS only");
    command
        ->add_option("--server-name", flags->server_name,
                     "Ask for this name (SNI) and want it in the certificate")
        ->type_name("NAME");
    command->add_option("--ca", flags->ca_file, "PEM roots to trust in place of the system's")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");
    command
        ->add_option("-c,--config", flags->file,
                     "A configuration whose registry knows the ports; - is standard input")
        ->type_name("FILE")
        ->envname("TELLTALE_CONFIG");
    command->footer(
        "Example:\n  telltale probe group-rpc-service:12260\n\n"
        "Exit codes: 0 gRPC can work at every address; 1 it cannot at one of them; 2 one of them "
        "was not reached\n(and none said no); 64 wrong usage; 65 the configuration has errors; 66 "
        "it can't be read; 130 interrupted.");
    command->callback([flags, &chosen] { chosen = [flags] { return run_probe(*flags); }; });
}

}  // namespace telltale::cli
