// telltale hops: the incidents of several sidecars as paths, with the hop at fault.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "proxy/admin_client.h"
#include "proxy/hops/paths.h"
#include "proxy/hops/render.h"
#include "proxy/hops/source.h"

namespace telltale::cli {

namespace hops = proxy::hops;

namespace {

struct HopsFlags {
    std::vector<std::string> sources;
    std::string output = "text";
    double window_s = 2;
    double skew_s = 1;
    double timeout_s = 5;
    std::vector<std::string> aliases;
};

struct Text {
    bool ok = false;
    std::string text;
    std::string problem;
};

// "10.96.0.7=10.244.3.7": by the second, the first. "" in both when it is not so.
std::pair<std::string, std::string> alias_of(const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) return {};
    return {text.substr(equals + 1), text.substr(0, equals)};
}

std::string why_no_alias(const std::string& text) {
    return alias_of(text).first.empty() ? "expected ADDRESS=ADDRESS, such as 10.96.0.7=10.244.3.7"
                                        : "";
}

hops::JoinOptions join_options(const HopsFlags& flags) {
    hops::JoinOptions options;
    options.window_ms = static_cast<int64_t>(flags.window_s * 1000);
    options.skew_ms = static_cast<int64_t>(flags.skew_s * 1000);
    for (const std::string& alias : flags.aliases) options.aliases.insert(alias_of(alias));
    return options;
}

// The end of it, where it is long: a log has the newest there.
Text read_stream(std::istream& stream) {
    Text out;
    std::array<char, 65536> part{};
    while (stream.read(part.data(), part.size()) || stream.gcount() != 0) {
        out.text.append(part.data(), static_cast<size_t>(stream.gcount()));
        if (out.text.size() < 2 * hops::source_bytes_max) continue;
        out.text.erase(0, out.text.size() - hops::source_bytes_max);
        out.problem = "only its last 64 MiB were read";
    }
    if (stream.bad()) {
        out.problem = "can't be read";
        return out;
    }
    if (out.text.size() > hops::source_bytes_max) {
        out.text.erase(0, out.text.size() - hops::source_bytes_max);
        out.problem = "only its last 64 MiB were read";
    }
    out.ok = true;
    return out;
}

Text read_file(const std::string& path) {
    if (path == "-") return read_stream(std::cin);
    std::error_code ignored;  // then opening it fails as well
    if (std::filesystem::is_directory(path, ignored)) return {false, {}, "is a folder"};
    std::ifstream file(path, std::ios::binary);
    if (!file) return {false, {}, std::string("can't be opened: ") + std::strerror(errno)};
    return read_stream(file);
}

bool is_file(const std::string& source) {
    std::error_code ignored;  // an address is no path
    return source == "-" || std::filesystem::exists(source, ignored);
}

// In the order of the sources; the admin addresses are asked at the same time.
std::vector<Text> read_all(const std::vector<std::string>& sources, double timeout_s) {
    std::vector<Text> out(sources.size());
    std::vector<config::Address> addresses;
    std::vector<size_t> asked;
    for (size_t i = 0; i < sources.size(); ++i) {
        const auto address = is_file(sources[i]) ? std::nullopt : proxy::admin_address(sources[i]);
        if (address) {
            addresses.push_back(*address);
            asked.push_back(i);
        } else {
            out[i] = read_file(sources[i]);
        }
    }
    auto fetched =
        hops::fetch(addresses, std::chrono::milliseconds(static_cast<int64_t>(timeout_s * 1000)));
    for (size_t i = 0; i < asked.size(); ++i) {
        out[asked[i]] = {fetched[i].ok, std::move(fetched[i].body), std::move(fetched[i].problem)};
        if (!fetched[i].ok && !sources[asked[i]].starts_with("http://")) {
            out[asked[i]].problem.insert(0, "is no file, and as an admin address: ");
        }
    }
    return out;
}

ExitCode join_hops(const HopsFlags& flags) {
    std::vector<Text> texts = read_all(flags.sources, flags.timeout_s);
    std::vector<hops::Sighting> sightings;
    std::vector<hops::SourceReport> reports;
    bool any = false;
    bool bad = false;
    for (size_t i = 0; i < texts.size(); ++i) {
        if (!texts[i].ok) {
            reports.push_back({.name = flags.sources[i],
                               .was_read = false,
                               .incidents = 0,
                               .problem = texts[i].problem});
            continue;
        }
        hops::Reading reading = hops::read_sightings(texts[i].text, i);
        texts[i].text = {};
        reports.push_back(hops::report_on(flags.sources[i], reading));
        if (!texts[i].problem.empty() && reports.back().problem.empty()) {
            reports.back().problem = texts[i].problem;
        }
        bad = bad || hops::is_bad_input(reading);
        any = any || reports.back().was_read;
        std::move(reading.sightings.begin(), reading.sightings.end(),
                  std::back_inserter(sightings));
    }
    std::fputs(hops::problems_text(reports).c_str(), stderr);
    const hops::Joined joined = hops::join(std::move(sightings), join_options(flags));
    if (flags.output == "json") {
        std::fputs(hops::paths_json(joined, reports).c_str(), stdout);
    } else if (any) {
        std::fputs(hops::paths_text(joined, reports, colour_of(Stream::out)).c_str(), stdout);
    }
    if (bad) return ExitCode::config;
    return any ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_hops(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand(
        "hops", "Join what several sidecars saw into paths, and name the hop at fault");
    auto flags = std::make_shared<HopsFlags>();
    command
        ->add_option(
            "SOURCE", flags->sources,
            "Admin addresses (http://HOST:PORT, HOST:PORT, HOST, unix:PATH) and files (logs "
            "in JSON, or what /incidents answered); - is standard input")
        ->required()
        ->type_name("");
    command->add_option("-o,--output", flags->output, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("FORMAT")
        ->capture_default_str();
    command
        ->add_option("--window", flags->window_s,
                     "How far apart two sidecars may tell of one fault, in seconds")
        ->check(CLI::Range(0.0, 3600.0))
        ->type_name("SECONDS")
        ->capture_default_str();
    command
        ->add_option("--skew", flags->skew_s,
                     "How much their clocks may differ beside that, in seconds")
        ->check(CLI::Range(0.0, 3600.0))
        ->type_name("SECONDS")
        ->capture_default_str();
    command->add_option("--timeout", flags->timeout_s, "How long to wait for an admin address")
        ->check(CLI::Range(0.1, 300.0))
        ->type_name("SECONDS")
        ->capture_default_str();
    command
        ->add_option("--alias", flags->aliases,
                     "The second is where the first leads: a Service's address and a pod's. May be "
                     "given again")
        ->check(why_no_alias)
        ->type_name("ADDRESS=ADDRESS")
        ->allow_extra_args(false);
    command->footer(
        "Examples:\n"
        "  telltale hops http://10.244.1.5:15970 http://10.244.2.9:15970\n"
        "  kubectl logs deploy/openim-api -c telltale | telltale hops - 10.244.2.9\n\n"
        "Exit codes: 0 joined, also when there were no incidents; 1 nothing could be read; 64 "
        "wrong "
        "usage;\n65 a file without JSON (the rest is joined).");
    command->callback([flags, &chosen] { chosen = [flags] { return join_hops(*flags); }; });
}

}  // namespace telltale::cli
