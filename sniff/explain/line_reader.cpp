#include "sniff/explain/line_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "sniff/bytes.h"
#include "sniff/escape.h"
#include "sniff/explain/clean.h"
#include "sniff/explain/hex.h"
#include "sniff/explain/numbers.h"
#include "sniff/explain/pattern.h"
#include "sniff/explain/search.h"
#include "sniff/explain/wire_reading.h"

namespace telltale::sniff::explain {
namespace {

constexpr size_t excerpt_before = 80;
constexpr size_t excerpt_max = 400;
constexpr size_t hits_max = 128;  // of a line that repeats itself; the rest says nothing new
constexpr size_t groups_max = 16;
constexpr size_t other_readings_max = 6;
constexpr size_t wrapper_gap = 1024;  // a wrapper stands so near to what it wraps

struct Row {
    const ErrorText* text = nullptr;
    Pattern pattern;
};

struct Hit {
    const Row* row = nullptr;
    size_t begin = 0;
    Matched matched = {};
};

uint64_t number_of(std::string_view digits) {
    uint64_t value = 0;
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() ? value : UINT64_MAX;
}

// ---- which hit explains the line

bool says_more(const Hit& a, const Hit& b) {
    if (a.row->text->weight != b.row->text->weight)
        return a.row->text->weight > b.row->text->weight;
    if (a.row->pattern.fixed() != b.row->pattern.fixed()) {
        return a.row->pattern.fixed() > b.row->pattern.fixed();
    }
    return a.begin < b.begin;
}

// Also side by side in a few words: "error reading server preface" and the reason behind it.
bool belongs_to(const Hit& hit, const Hit& best) {
    constexpr size_t near_by = 100;
    const size_t gap = hit.begin < best.begin ? best.begin - std::min(best.begin, hit.matched.end)
                                              : hit.begin - std::min(hit.begin, best.matched.end);
    if (gap == 0) return true;
    if (hit.row->text->weight == Weight::wrapper) return gap <= wrapper_gap;
    return hit.row->text->weight < best.row->text->weight && gap <= near_by;
}

struct Group {
    Hit best = {};
    std::vector<const ErrorText*> others = {};
};

void add_other(Group& group, const ErrorText* text) {
    const bool known =
        text == group.best.row->text ||
        std::find(group.others.begin(), group.others.end(), text) != group.others.end();
    if (!known && group.others.size() < other_readings_max) group.others.push_back(text);
}

std::vector<Group> grouped(std::vector<Hit> hits) {
    std::stable_sort(hits.begin(), hits.end(), says_more);
    std::vector<Group> groups;
    for (Hit& hit : hits) {
        const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& known) {
            return belongs_to(hit, known.best);
        });
        if (group != groups.end()) {
            add_other(*group, hit.row->text);
        } else if (groups.size() < groups_max) {
            groups.push_back({.best = std::move(hit)});
        }
    }
    std::sort(groups.begin(), groups.end(),
              [](const Group& a, const Group& b) { return a.best.begin < b.best.begin; });
    return groups;
}

// ---- what the captures mean

void take(Finding& finding, const WireReading& reading, bool causes_too) {
    finding.notes.insert(finding.notes.end(), reading.notes.begin(), reading.notes.end());
    if (!causes_too) return;
    for (const Likely& likely : reading.causes) {
        finding.causes.push_back({.cause = likely.cause, .why = std::string(likely.why)});
    }
}

void read_bytes(Finding& finding, const std::string& bytes, bool causes_too) {
    if (const auto reading = read_wire(as_bytes(bytes))) {
        finding.notes.push_back("These bytes are " + reading->says + ".");
        take(finding, *reading, causes_too);
    } else if (!bytes.empty()) {
        finding.notes.push_back("The bytes " + quote_wire(bytes, 60) +
                                " are of no protocol that is known here.");
    }
}

void read_length(Finding& finding, uint64_t length, bool causes_too) {
    const std::string number = std::to_string(length);
    if (const auto reading = read_frame_length(length)) {
        finding.notes.push_back(number + " is " + length_bytes_words(length) +
                                " read as a length: " + reading->says + ".");
        take(finding, *reading, causes_too);
    } else {
        finding.notes.push_back(number +
                                " is no text and no TLS: it is a length indeed, a fault in HTTP/2 "
                                "framing or a limit, not another protocol.");
        finding.is_not.clear();
    }
}

void read_type(Finding& finding, uint64_t type, bool causes_too) {
    const auto reading = read_frame_type(type);
    if (!reading) return;
    finding.notes.push_back("Frame type " + std::to_string(type) + " is " + reading->says + ".");
    take(finding, *reading, causes_too);
}

void read_code(Finding& finding, CodeKind kind, uint64_t number) {
    const Code* code = number <= 1000 ? find_code(kind, static_cast<int>(number)) : nullptr;
    if (code == nullptr) return;
    finding.notes.push_back(std::string(words(kind)) + " " + code_words(*code) + ": " +
                            std::string(code->means) + ".");
}

void read_cause(Finding& finding, std::string_view code) {
    const auto known = std::find(cause_names.begin(), cause_names.end(), code);
    if (known == cause_names.end()) return;
    finding.causes.push_back({.cause = static_cast<Cause>(known - cause_names.begin()),
                              .why = "Telltale saw the connection and says so"});
}

// Captures that tell two findings of one row apart.
bool tells_apart(Place place) {
    return place == Place::frame || place == Place::hex || place == Place::status ||
           place == Place::alert || place == Place::cause || place == Place::type;
}

void read_capture(Finding& finding, const Capture& capture, bool causes_too) {
    switch (capture.place) {
        case Place::hex:
            if (const auto bytes = parse_hex(capture.text)) read_bytes(finding, *bytes, causes_too);
            return;
        case Place::quoted:
            return read_bytes(finding, unescape(capture.text), causes_too);
        case Place::frame:
            return read_length(finding, number_of(capture.text), causes_too);
        case Place::type:
            return read_type(finding, number_of(capture.text), causes_too);
        case Place::status:
            return read_code(finding, CodeKind::http_status, number_of(capture.text));
        case Place::alert:
            return read_code(finding, CodeKind::tls_alert, number_of(capture.text));
        case Place::cause:
            return read_cause(finding, capture.text);
        case Place::sentence:
            finding.notes.push_back("Telltale said: " + shown_line(capture.text, excerpt_max));
            return;
        default:
            return;
    }
}

// ---- addresses

bool is_host(char c) {
    const char lower = to_lower(c);
    return is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '.' || c == '-' || c == '_';
}

// "host:port" or "[v6]:port" at the front; empty: there is none. What comes out goes into a
// command that somebody runs: only letters, digits and ".-_:[]".
std::string_view address_at(std::string_view text) {
    size_t host = 0;
    if (text.starts_with('[')) {
        const size_t end = text.substr(0, 48).find(']');
        const auto v6 = text.substr(1, end == std::string_view::npos ? 0 : end - 1);
        const bool fine =
            v6.find(':') != std::string_view::npos && std::all_of(v6.begin(), v6.end(), [](char c) {
                return hex_value(c) >= 0 || c == ':' || c == '.';
            });
        if (!fine) return {};
        host = end + 1;
    } else {
        while (host < text.size() && host < 254 && is_host(text[host])) ++host;
    }
    if (host == 0 || host >= text.size() || text[host] != ':' || text[0] == '-') return {};
    size_t digits = 0;
    while (host + 1 + digits < text.size() && is_digit(text[host + 1 + digits])) ++digits;
    const uint64_t port = digits == 0 || digits > 5 ? 0 : number_of(text.substr(host + 1, digits));
    return port == 0 || port > 65535 ? std::string_view() : text.substr(0, host + 1 + digits);
}

// C-core writes "ipv6:%5B::1%5D:50051".
std::string without_percent(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const std::string_view rest = text.substr(i, 3);
        const bool open = rest == "%5B" || rest == "%5b";
        if (open || rest == "%5D" || rest == "%5d") {
            out += open ? '[' : ']';
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// What stands in front of the address that was dialled, surest first.
constexpr auto cues =
    std::to_array<std::string_view>({"upstream: \"grpcs://",
                                     "upstream: \"grpc://",
                                     "upstream: \"https://",
                                     "upstream: \"http://",
                                     "->",
                                     "dial tcp ",
                                     "ipv4:",
                                     "ipv6:",
                                     "addr: \"",
                                     "econnrefused ",
                                     "etimedout ",
                                     "connection refused: localhost/",
                                     "connection refused: /",
                                     "connection timed out: /",
                                     "connect to ",
                                     "connection to ",
                                     "get \"http://",
                                     "get \"https://",
                                     "post \"http://",
                                     "post \"https://",
                                     "(http://",
                                     "(https://",
                                     "error trying to connect: tcp connect error: ",
                                     "remote_address:"});

bool looks_like_host(std::string_view address) {
    const std::string_view host = address.substr(0, address.rfind(':'));
    if (host.starts_with('[')) return true;
    const bool letter = std::any_of(
        host.begin(), host.end(), [](char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; });
    const auto dots = std::count(host.begin(), host.end(), '.');
    if (host.front() == '.' || host.back() == '.') return false;
    return letter ? dots > 0 || host.find('-') != std::string_view::npos || host == "localhost"
                  : dots == 3;
}

// curl: "connect to HOST port N", "connection to HOST:N".
std::string curl_address(std::string_view rest) {
    const size_t host = std::min(rest.find(' '), rest.size());
    constexpr std::string_view port = " port ";
    if (host == 0 || !rest.substr(host).starts_with(port)) return {};
    const std::string joined =
        std::string(rest.substr(0, host)) + ":" + std::string(rest.substr(host + port.size(), 5));
    return std::string(address_at(joined));
}

// "codec_impl.cc:1428" is where a program printed the line.
bool is_source_file(std::string_view address) {
    constexpr auto kinds =
        std::to_array<std::string_view>({".c", ".cc", ".cpp", ".cs", ".go", ".h", ".java", ".js",
                                         ".kt", ".php", ".py", ".rb", ".rs", ".ts"});
    const std::string_view host = address.substr(0, address.rfind(':'));
    return std::any_of(kinds.begin(), kinds.end(),
                       [host](std::string_view kind) { return host.ends_with(kind); });
}

// The last token of the line that is an address: proxies log their upstream behind the client.
std::string last_address(std::string_view line) {
    std::string_view found;
    for (size_t at = 0; at < line.size(); ++at) {
        const bool begins = at == 0 || (!is_host(line[at - 1]) && line[at - 1] != ':');
        if (!begins || (!is_host(line[at]) && line[at] != '[')) continue;
        const std::string_view address = address_at(line.substr(at));
        if (address.empty() || !looks_like_host(address) || is_source_file(address)) continue;
        found = address;
        at += address.size() - 1;
    }
    return std::string(found);
}

// An address with brackets is a pattern to a shell.
std::string for_a_shell(const std::string& address) {
    return address.starts_with('[') ? "'" + address + "'" : address;
}

std::vector<std::string> commands(std::string_view next, const std::string& address) {
    constexpr std::string_view mark = "{address}";
    const std::string put = address.empty() ? "HOST:PORT" : for_a_shell(address);
    std::string text(next);
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
        text.replace(at, mark.size(), put);
        at += put.size();
    }
    std::vector<std::string> out;
    std::string_view rest = text;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        out.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
}

// ---- one finding

std::string excerpt(std::string_view line, size_t begin) {
    const size_t from =
        line.size() <= excerpt_max || begin <= excerpt_before ? 0 : begin - excerpt_before;
    return (from == 0 ? "" : "…") + shown_line(line.substr(from), excerpt_max);
}

std::string other_reading(const ErrorText& text) {
    return std::string(text.saw) + " (" + std::string(text.printed_by) + ")";
}

// What only passes the failure on is said in a note: it may tell a version.
void add_other_reading(Finding& finding, const ErrorText& other) {
    if (other.weight != Weight::wrapper) {
        const bool says_less = other.printed_by == finding.printed_by;
        if (!says_less) finding.other_readings.push_back(other_reading(other));
        return;
    }
    finding.wrapped_in.emplace_back(other.id);
    std::string note = "Passed on by " + std::string(other.printed_by) + ".";
    if (!other.versions.empty()) note += " " + std::string(other.versions);
    finding.notes.push_back(std::move(note));
}

// A line may be endless: what belongs to a text stands near it.
std::string_view around(std::string_view line, const Hit& hit) {
    constexpr size_t before = 512;
    constexpr size_t behind = 1024;
    const size_t begin = hit.begin - std::min(hit.begin, before);
    return line.substr(begin, hit.matched.end + behind - begin);
}

LineFinding found_in(std::string_view line, const Group& group) {
    const ErrorText& text = *group.best.row->text;
    LineFinding found;
    found.key = text.id;
    found.begin = group.best.begin;
    Finding& finding = found.finding;
    finding.id = text.id;
    finding.says = text.saw;
    finding.printed_by = text.printed_by;
    finding.reader = text.reader;
    finding.is_not = text.is_not;
    finding.source = text.source;
    for (const Likely& likely : text.causes) {
        finding.causes.push_back({.cause = likely.cause, .why = std::string(likely.why)});
    }
    for (const Capture& capture : group.best.matched.captures) {
        read_capture(finding, capture, text.causes.empty());
        if (tells_apart(capture.place)) found.key += " " + std::string(capture.text.substr(0, 64));
    }
    // A proxy's upstream is dialled directly.
    if (text.reader == Reader::proxy && text.causes.empty()) {
        std::erase_if(finding.causes,
                      [](const LikelyCause& row) { return row.cause == Cause::forward_proxy; });
    }
    if (!text.versions.empty()) finding.notes.emplace_back(text.versions);
    for (const ErrorText* other : group.others) add_other_reading(finding, *other);
    // What a server prints names its client, which is not to be probed.
    if (text.reader != Reader::server) found.address = dialled_address(around(line, group.best));
    finding.next = commands(text.next, found.address);
    finding.excerpt = excerpt(line, group.best.begin);
    return found;
}

}  // namespace

struct LineReader::State {
    std::vector<Row> rows;
    std::optional<Search> search;
};

LineReader::LineReader() : state_(std::make_unique<State>()) {
    for (const auto table : error_texts()) {
        for (const ErrorText& text : table) {
            state_->rows.push_back({.text = &text, .pattern = Pattern(text.pattern)});
        }
    }
    std::vector<std::string> anchors;
    for (const Row& row : state_->rows) anchors.push_back(row.pattern.anchor());
    state_->search.emplace(anchors);
}

LineReader::~LineReader() = default;

std::vector<LineFinding> LineReader::read(std::string_view line, size_t from, size_t to) const {
    std::vector<Hit> hits;
    const std::string folded = to_lower(line);
    state_->search->in(folded, [&](uint32_t index, size_t begin) {
        if (hits.size() >= hits_max) return;
        const Row& row = state_->rows[index];
        if (auto matched = row.pattern.match(line, folded, begin)) {
            hits.push_back({.row = &row, .begin = begin, .matched = std::move(*matched)});
        }
    });
    std::vector<LineFinding> found;
    for (const Group& group : grouped(std::move(hits))) {
        const size_t begin = group.best.begin;
        if (begin >= from && begin < to) found.push_back(found_in(line, group));
    }
    return found;
}

std::string dialled_address(std::string_view line) {
    const std::string plain = without_percent(line);
    const std::string folded = to_lower(plain);
    for (const std::string_view cue : cues) {
        for (size_t at = folded.find(cue); at != std::string::npos; at = folded.find(cue, at + 1)) {
            const std::string_view rest = std::string_view(plain).substr(at + cue.size());
            const std::string_view address = address_at(rest);
            if (!address.empty()) return std::string(address);
            if (std::string joined = curl_address(rest); !joined.empty()) return joined;
        }
    }
    return last_address(plain);
}

}  // namespace telltale::sniff::explain
