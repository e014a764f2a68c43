// telltale explain: an error text, bytes, a number or a whole log → what was on the wire and what
// to do next. No network.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "sniff/explain/error_text.h"
#include "sniff/explain/explain.h"
#include "sniff/explain/log_scan.h"
#include "sniff/explain/report.h"

namespace telltale::cli {

namespace {

namespace explain = sniff::explain;
namespace json = boost::json;

constexpr size_t read_size = 65536;
constexpr const char* usage_text =
    "telltale explain: paste an error text, bytes in hex or a number, or pipe a log:\n"
    "  telltale explain 'error reading server preface: http2: frame too large'\n"
    "  telltale explain 485454502f\n"
    "  telltale explain 4740180\n"
    "  telltale explain < app.log\n"
    "telltale explain --list shows every text that it knows.\n";

struct ExplainFlags {
    std::vector<std::string> words;
    std::string file;
    std::string output = "text";
    std::string runbook_url = config::Config{}.runbook_url;
    bool list = false;
};

// ---- output

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

json::array array_of(const std::vector<std::string>& texts) {
    json::array out;
    for (const std::string& text : texts) out.emplace_back(text);
    return out;
}

json::array causes_of(const explain::Finding& finding, const std::string& runbook_url) {
    json::array out;
    for (const auto& likely : finding.causes) {
        const std::string cause(sniff::name(likely.cause));
        out.push_back(json::object{
            {"cause", cause}, {"why", likely.why}, {"runbook", runbook_url + "#" + cause}});
    }
    return out;
}

json::array addresses_of(const explain::Finding& finding) {
    json::array out;
    for (const auto& dialled : finding.addresses) {
        out.push_back(json::object{{"address", dialled.address}, {"count", dialled.count}});
    }
    return out;
}

json::object object_of(const explain::Finding& finding, const std::string& runbook_url) {
    json::object out{{"id", finding.id}, {"says", finding.says}, {"text", finding.excerpt}};
    if (!finding.printed_by.empty()) out["printed_by"] = finding.printed_by;
    if (finding.reader) out["side"] = explain::name(*finding.reader);
    out["fault"] = !finding.causes.empty();
    out["causes"] = causes_of(finding, runbook_url);
    out["notes"] = array_of(finding.notes);
    if (!finding.is_not.empty()) out["not"] = finding.is_not;
    out["next"] = array_of(finding.next);
    out["other_readings"] = array_of(finding.other_readings);
    out["addresses"] = addresses_of(finding);
    if (!finding.source.empty()) out["source"] = finding.source;
    return out;
}

void add_counts(json::object& out, const explain::Finding& finding) {
    out["count"] = finding.count;
    out["first_line"] = finding.first_line;
    out["last_line"] = finding.last_line;
    if (finding.first_time.empty()) return;
    out["first_time"] = finding.first_time;
    out["last_time"] = finding.last_time;
}

enum class Counts : uint8_t { no, yes };

void print_findings(const std::vector<explain::Finding>& findings, const ExplainFlags& flags,
                    Counts counts) {
    const explain::ReportStyle style{.runbook_url = flags.runbook_url,
                                     .colour = colour_of(Stream::out) == proxy::Colour::on,
                                     .counts = counts == Counts::yes};
    bool first = true;
    for (const explain::Finding& finding : findings) {
        if (flags.output == "json") {
            json::object object = object_of(finding, flags.runbook_url);
            if (counts == Counts::yes) add_counts(object, finding);
            print(json::serialize(object) + "\n");
        } else {
            print((first ? "" : "\n") + explain::to_text(finding, style));
        }
        first = false;
    }
}

ExitCode not_recognised() {
    std::fputs(
        "nothing recognised: telltale explain knows error texts of gRPC libraries, proxies and "
        "HTTP clients\n(telltale explain --list), bytes in hex or quoted, dumps of xxd and "
        "tcpdump -X, HTTP/2 lengths,\nand codes such as UNAVAILABLE, 464, ECONNRESET, UPE or "
        "PH--. What a port speaks: telltale probe HOST:PORT\n",
        stderr);
    return ExitCode::failure;
}

ExitCode print_list() {
    for (const auto table : explain::error_texts()) {
        for (const auto& text : table) {
            print(std::string(text.id) + "\t" + std::string(text.printed_by) + "\t" +
                  std::string(text.example) + "\n");
        }
    }
    return ExitCode::ok;
}

// ---- a log

// Ctrl-C ends the reading, not the program: what was found until then is told. A second one ends
// the program.
void stop_reading(int /*signal*/) {}

void end_reading_on_interrupt() {
    struct sigaction action = {};
    action.sa_handler = stop_reading;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
}

struct Descriptor {
    explicit Descriptor(int number) : fd(number) {}
    ~Descriptor() {
        if (fd > STDERR_FILENO) ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd;
};

ExitCode cannot_read(const std::string& file) {
    std::fprintf(stderr, "error: can't read %s: %s\n", file.c_str(), std::strerror(errno));
    return ExitCode::no_input;
}

// A short input may be a pasted text of several lines, or a dump: as a whole it says more.
struct ShortInput {
    std::string text;
    bool whole = true;

    void add(std::string_view chunk) {
        whole = whole && text.size() + chunk.size() <= explain::text_max;
        if (whole) text += chunk;
    }
};

ExitCode explain_log(const ExplainFlags& flags) {
    const bool standard_input = flags.file.empty() || flags.file == "-";
    const Descriptor input(standard_input ? STDIN_FILENO
                                          : ::open(flags.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (input.fd < 0) return cannot_read(flags.file);
    end_reading_on_interrupt();
    explain::LogScan scan;
    ShortInput short_input;
    std::vector<char> buffer(read_size);
    for (;;) {
        const ssize_t size = ::read(input.fd, buffer.data(), buffer.size());
        if (size < 0 && errno != EINTR) return cannot_read(standard_input ? "stdin" : flags.file);
        if (size <= 0) break;
        const std::string_view chunk(buffer.data(), static_cast<size_t>(size));
        short_input.add(chunk);
        scan.feed(chunk);
    }
    scan.finish();
    if (scan.findings().empty() && short_input.whole) {
        const auto findings = explain::explain(short_input.text);
        print_findings(findings, flags, Counts::no);
        return findings.empty() ? not_recognised() : ExitCode::ok;
    }
    print_findings(scan.findings(), flags, Counts::yes);
    if (scan.not_kept() > 0) {
        std::fprintf(stderr, "%zu different findings are shown; %llu further lines had others\n",
                     scan.findings().size(), static_cast<unsigned long long>(scan.not_kept()));
    }
    return scan.findings().empty() ? not_recognised() : ExitCode::ok;
}

// ---- the command

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

ExitCode explain_text(const ExplainFlags& flags) {
    const auto findings = explain::explain(joined(flags.words));
    print_findings(findings, flags, Counts::no);
    return findings.empty() ? not_recognised() : ExitCode::ok;
}

ExitCode run_explain(const ExplainFlags& flags) {
    if (flags.list) return print_list();
    if (!flags.words.empty() && !flags.file.empty()) {
        std::fputs("error: give a text or --file, not both\n", stderr);
        return ExitCode::usage;
    }
    if (!flags.words.empty()) return explain_text(flags);
    if (flags.file.empty() && ::isatty(STDIN_FILENO) == 1) {
        std::fputs(usage_text, stderr);
        return ExitCode::usage;
    }
    return explain_log(flags);
}

}  // namespace

void add_explain(CLI::App& program, Action& chosen) {
    CLI::App* command = program.add_subcommand(
        "explain", "Say what an error text, bytes in hex or a number mean, or what a log tells");
    auto flags = std::make_shared<ExplainFlags>();
    command
        ->add_option("text", flags->words, "The text; without one standard input is read as a log")
        ->type_name("TEXT");
    command->add_option("-f,--file", flags->file, "Read this log; - is standard input")
        ->type_name("FILE");
    command->add_option("-o,--output", flags->output, "text, or json: one object a line")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("FORMAT");
    command->add_option("--runbook-url", flags->runbook_url, "Where the runbook is")
        ->type_name("URL");
    command->add_flag("--list", flags->list, "Print every text that is known, with an example");
    command->footer(
        "Examples:\n  telltale explain 'error reading server preface: http2: frame too large'\n"
        "  telltale explain 4740180\n  telltale explain < app.log\n\n"
        "Exit codes: 0 recognised, 1 not recognised, 64 usage, 66 no such file.");
    command->callback([flags, &chosen] { chosen = [flags] { return run_explain(*flags); }; });
}

}  // namespace telltale::cli
