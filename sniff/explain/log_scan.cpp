#include "sniff/explain/log_scan.h"

#include <algorithm>
#include <utility>

#include "sniff/explain/pattern.h"

namespace telltale::sniff::explain {
namespace {

constexpr size_t time_within = 100;  // of a line's begin
constexpr size_t time_max = 40;

// "d": a digit; "-": '-' or '/'; "T": 'T' or a space; other characters themselves.
bool fits(std::string_view text, std::string_view shape) {
    if (text.size() < shape.size()) return false;
    for (size_t i = 0; i < shape.size(); ++i) {
        const char c = text[i];
        const bool fine = shape[i] == 'd'   ? is_digit(c)
                          : shape[i] == '-' ? c == '-' || c == '/'
                          : shape[i] == 'T' ? c == 'T' || c == ' '
                                            : c == shape[i];
        if (!fine) return false;
    }
    return true;
}

bool is_time_tail(char c) {
    return is_digit(c) || c == '.' || c == ',' || c == 'Z' || c == '+' || c == ':';
}

void count_address(Finding& finding, const std::string& address) {
    if (address.empty()) return;
    auto& known = finding.addresses;
    const auto same = std::find_if(known.begin(), known.end(),
                                   [&](const Dialled& row) { return row.address == address; });
    if (same != known.end()) {
        ++same->count;
    } else if (known.size() < addresses_max) {
        known.push_back({.address = address, .count = 1});
    }
}

}  // namespace

std::string line_time(std::string_view line) {
    constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
    for (size_t at = 0; at < std::min(line.size(), time_within); ++at) {
        if (!is_digit(line[at]) || !fits(line.substr(at), shape)) continue;
        size_t end = at + shape.size();
        while (end < line.size() && end - at < time_max && is_time_tail(line[end])) ++end;
        while (line[end - 1] == ',' || line[end - 1] == ':' || line[end - 1] == '.') --end;
        return std::string(line.substr(at, end - at));
    }
    return {};
}

void LogScan::feed(std::string_view chunk) {
    for (const char c : chunk) put(c);
}

void LogScan::put(char c) {
    if (c == '\n') return end_line();
    begun_ = true;
    cleaner_.put(c, line_);
    if (line_.size() < line_window) return;
    read_line(line_.size() - line_overlap);
    line_.erase(0, line_.size() - 2 * line_overlap);
    from_ = line_overlap;
}

void LogScan::read_line(size_t to) {
    if (time_.empty()) time_ = line_time(line_);
    for (LineFinding& found : reader_.read(line_, from_, to)) add(std::move(found), time_);
}

void LogScan::end_line() {
    cleaner_.end(line_);
    read_line(line_.size() + 1);
    line_.clear();
    from_ = 0;
    time_.clear();
    begun_ = false;
    lines_ = number_++;
}

void LogScan::finish() {
    if (begun_) end_line();
}

void LogScan::add(LineFinding&& found, std::string_view time) {
    const auto key = std::find(keys_.begin(), keys_.end(), found.key);
    if (key == keys_.end()) {
        if (findings_.size() >= findings_max) {
            ++not_kept_;
            return;
        }
        keys_.push_back(std::move(found.key));
        Finding& added = findings_.emplace_back(std::move(found.finding));
        added.first_line = added.last_line = number_;
        added.first_time = added.last_time = time;
        count_address(added, found.address);
        return;
    }
    Finding& known = findings_[static_cast<size_t>(key - keys_.begin())];
    if (known.last_line == number_) return;  // twice on one line is one line
    ++known.count;
    known.last_line = number_;
    if (!time.empty()) known.last_time = time;
    count_address(known, found.address);
}

}  // namespace telltale::sniff::explain
