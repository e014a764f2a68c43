#include "sniff/explain/explain.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "sniff/bytes.h"
#include "sniff/explain/clean.h"
#include "sniff/explain/hex.h"
#include "sniff/explain/line_reader.h"
#include "sniff/explain/numbers.h"
#include "sniff/explain/pattern.h"
#include "sniff/explain/wire_reading.h"

namespace telltale::sniff::explain {
namespace {

constexpr size_t excerpt_max = 400;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view around = " \t\r\n";
    const size_t begin = text.find_first_not_of(around);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(around) - begin + 1);
}

void add_causes(Finding& finding, std::span<const Likely> causes) {
    for (const Likely& likely : causes) {
        finding.causes.push_back({.cause = likely.cause, .why = std::string(likely.why)});
    }
}

Finding of_reading(std::string id, const WireReading& reading, std::string_view text) {
    Finding finding;
    finding.id = std::move(id);
    finding.says = reading.says;
    finding.notes = reading.notes;
    add_causes(finding, reading.causes);
    finding.excerpt = shown_line(text, excerpt_max);
    finding.next = {"telltale probe HOST:PORT"};
    return finding;
}

std::optional<uint64_t> parse_number(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    uint64_t value = 0;
    const auto [rest, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
    return value;
}

std::vector<Finding> read_number(std::string_view text) {
    const auto number = parse_number(text);
    const auto reading = number ? read_frame_length(*number) : std::nullopt;
    if (!reading) return {};
    Finding finding = of_reading("frame_length", *reading, text);
    finding.says = "the bytes " + length_bytes_words(*number) +
                   " read as the length of an HTTP/2 frame: " + reading->says;
    finding.is_not = "Not a size problem: do not raise message sizes, frame sizes or buffers.";
    return {std::move(finding)};
}

Finding of_code(const Code& code, std::string_view text) {
    Finding finding;
    finding.id = "code";
    finding.says =
        std::string(words(code.kind)) + " " + code_words(code) + ": " + std::string(code.means);
    add_causes(finding, code.causes);
    finding.excerpt = shown_line(text, excerpt_max);
    if (!code.causes.empty()) finding.next = {"telltale probe HOST:PORT"};
    return finding;
}

// One finding for the likeliest code, the others as other readings, unless they are as good.
std::vector<Finding> read_codes(std::string_view text) {
    std::vector<Finding> findings;
    for (const Code* code : find_codes(text)) findings.push_back(of_code(*code, text));
    return findings;
}

std::vector<Finding> read_bytes(std::string_view text) {
    std::vector<std::string> written = parse_dumps(text);
    if (written.empty()) {
        if (auto bytes = parse_hex(text)) written.push_back(std::move(*bytes));
    }
    const std::string_view quoted = trimmed(text);
    const bool escapes = quoted.find("\\x") != std::string_view::npos ||
                         quoted.find("\\u00") != std::string_view::npos ||
                         quoted.find("\\r\\n") != std::string_view::npos;
    const bool quotes = quoted.size() > 2 && quoted.front() == quoted.back() &&
                        (quoted.front() == '"' || quoted.front() == '\'');
    if (written.empty() && (quotes || (escapes && quoted.find(' ') == std::string_view::npos))) {
        written.push_back(unescape(quotes ? quoted.substr(1, quoted.size() - 2) : quoted));
    }
    // "393509" is a number, and by chance also three letters in hex.
    const PlainText plain =
        std::all_of(quoted.begin(), quoted.end(), is_digit) ? PlainText::refused : PlainText::read;
    std::vector<Finding> findings;
    for (const std::string& bytes : written) {
        if (const auto reading = read_wire(as_bytes(bytes), plain)) {
            findings.push_back(of_reading("bytes", *reading, bytes));
        }
    }
    return findings;
}

std::vector<Finding> read_text(std::string_view text) {
    const std::string line = clean(text);
    std::vector<Finding> findings;
    std::vector<std::string> keys;
    for (LineFinding& found : LineReader().read(line)) {
        if (std::find(keys.begin(), keys.end(), found.key) != keys.end()) continue;
        keys.push_back(found.key);
        if (!found.address.empty()) found.finding.addresses = {{found.address, 1}};
        findings.push_back(std::move(found.finding));
    }
    return findings;
}

// What a server said, as it stands in a terminal: nobody begins a sentence so.
std::vector<Finding> read_greeting(std::string_view text) {
    const bool greeting =
        text.starts_with("HTTP/") || text.starts_with("SSH-") || text.starts_with("-ERR ");
    const std::string line = std::string(text) + "\r\n";
    const auto reading = greeting ? read_wire(as_bytes(line), PlainText::refused) : std::nullopt;
    if (!reading) return {};
    return {of_reading("bytes", *reading, text)};
}

}  // namespace

std::vector<Finding> explain(std::string_view text) {
    const std::string_view words = trimmed(text.substr(0, text_max));
    for (const auto read : {read_codes, read_number, read_text, read_bytes, read_greeting}) {
        auto findings = read(words);
        if (!findings.empty()) return findings;
    }
    return {};
}

}  // namespace telltale::sniff::explain
