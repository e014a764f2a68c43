#include "sniff/explain/report.h"

#include "sniff/paint.h"

#include <array>

namespace telltale::sniff::explain {
namespace {

constexpr std::array<std::string_view, 3> reader_names = {"client", "proxy", "server"};
constexpr std::array<std::string_view, 3> reader_words = {
    "the program that dialled, about what it dialled", "a proxy, about its upstream",
    "a server, about its client"};
constexpr size_t addresses_shown = 4;

std::string capitalised(std::string text) {
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
        text[0] = static_cast<char>(text[0] - 'a' + 'A');
    }
    return text;
}

std::string count_words(const Finding& finding) {
    if (finding.count == 1) return "line " + std::to_string(finding.first_line);
    return std::to_string(finding.count) + " lines, " + std::to_string(finding.first_line) +
           " to " + std::to_string(finding.last_line);
}

std::string time_words(const Finding& finding) {
    if (finding.first_time.empty()) return {};
    if (finding.first_time == finding.last_time) return ", at " + finding.first_time;
    return ", from " + finding.first_time + " to " + finding.last_time;
}

std::string printed_by(const Finding& finding) {
    std::string out = finding.printed_by;
    if (finding.reader) {
        out += (out.empty() ? "" : ": ") + std::string(words(*finding.reader));
    }
    return out;
}

std::string addresses(const Finding& finding, bool counts) {
    std::string out;
    for (size_t i = 0; i < finding.addresses.size() && i < addresses_shown; ++i) {
        const Dialled& dialled = finding.addresses[i];
        out += (i == 0 ? "" : ", ") + dialled.address;
        if (counts && finding.addresses.size() > 1) {
            out += " (" + std::to_string(dialled.count) + ")";
        }
    }
    if (finding.addresses.size() > addresses_shown) {
        out += ", and " + std::to_string(finding.addresses.size() - addresses_shown) + " more";
    }
    return out;
}

}  // namespace

std::string_view words(Reader reader) noexcept {
    return reader_words[static_cast<size_t>(reader)];
}

std::string_view name(Reader reader) noexcept {
    return reader_names[static_cast<size_t>(reader)];
}

std::string to_text(const Finding& finding, const ReportStyle& style) {
    const Paint paint(style.colour);
    std::string out = paint.bold("Seen: " + finding.says + ".") + "\n";
    const auto add = [&](const std::string& label, const std::string& value) {
        if (!value.empty()) out += "  " + paint.dim(label) + value + "\n";
    };
    if (style.counts) add("where:       ", count_words(finding) + time_words(finding));
    add("text:        ", finding.excerpt);
    add("printed by:  ", printed_by(finding));
    add("address:     ", addresses(finding, style.counts));
    for (const std::string& note : finding.notes) add("note:        ", capitalised(note));
    for (const LikelyCause& likely : finding.causes) {
        const std::string cause(sniff::name(likely.cause));
        out += "  " + paint.dim("cause:       ") + paint.bold_red(cause) + ": " + likely.why + "\n";
    }
    if (finding.causes.empty()) {
        add("cause:       ", "no fault between protocols");
    } else {
        const std::string first(sniff::name(finding.causes.front().cause));
        add("runbook:     ", std::string(style.runbook_url) + "#" + first);
    }
    add("not:         ", finding.is_not);
    for (const std::string& next : finding.next) {
        out += "  " + paint.dim("next:        ") + paint.green(next) + "\n";
    }
    for (const std::string& other : finding.other_readings)
        add("or:          ", capitalised(other));
    add("source:      ", finding.source);
    return out;
}

}  // namespace telltale::sniff::explain
