#include "sniff/explain/clean.h"

#include "sniff/escape.h"
#include "sniff/explain/pattern.h"

namespace telltale::sniff::explain {
namespace {

constexpr char escape = '\x1b';
constexpr uint16_t sequence_max = 256;  // of a terminal's escape sequence; longer ones are text

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace

void Cleaner::plain(char c, std::string& line) {
    if (c == escape) {
        state_ = State::escape;
        skipped_ = 0;
    } else if (c == '\\') {
        state_ = State::backslash;
    } else if (is_space(c)) {
        if (line.empty() || line.back() != ' ') line += ' ';
    } else {
        line += c;
    }
}

// A text that was put into JSON twice has runs of backslashes: a run counts as one.
void Cleaner::after_backslash(char c, std::string& line) {
    if (c == '\\') return;
    state_ = State::text;
    if (c == 'u') {
        state_ = State::unicode;
        digits_.clear();
        return;
    }
    if (c != '"' && c != '\'' && c != '/') line += '\\';
    plain(c, line);
}

void Cleaner::unicode_digit(char c, std::string& line) {
    const bool digit = hex_value(c) >= 0;
    if (digit) digits_ += c;
    if (digit && digits_.size() < 4) return;
    state_ = State::text;
    int code = 0;
    for (const char d : digits_) code = code * 16 + hex_value(d);
    const bool ascii = digits_.size() == 4 && (code == escape || (code >= 0x20 && code < 0x7f));
    if (ascii) {
        plain(static_cast<char>(code), line);
    } else {
        line += "\\u" + digits_;
    }
    if (!digit) plain(c, line);
}

void Cleaner::put(char c, std::string& line) {
    switch (state_) {
        case State::text:
            return plain(c, line);
        case State::backslash:
            return after_backslash(c, line);
        case State::unicode:
            return unicode_digit(c, line);
        case State::escape:
            state_ = c == '[' ? State::csi : c == ']' ? State::osc : State::text;
            return;
        case State::csi:
            if ((c >= '@' && c <= '~') || ++skipped_ >= sequence_max) state_ = State::text;
            return;
        case State::osc:
            if (c == escape) state_ = State::osc_escape;
            if (c == '\a' || ++skipped_ >= sequence_max) state_ = State::text;
            return;
        case State::osc_escape:
            state_ = State::text;
            return;
    }
}

void Cleaner::end(std::string& line) {
    if (state_ == State::backslash) line += '\\';
    if (state_ == State::unicode) line += "\\u" + digits_;
    state_ = State::text;
}

std::string clean(std::string_view text) {
    Cleaner cleaner;
    std::string line;
    for (const char c : text) cleaner.put(c, line);
    cleaner.end(line);
    if (!line.empty() && line.front() == ' ') line.erase(0, 1);
    if (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

std::string shown_line(std::string_view text, size_t max) {
    const std::string escaped = escape_wire(text, max);
    std::string out;  // a log's backslashes are those of its writer: once is enough
    for (size_t i = 0; i < escaped.size(); ++i) {
        out += escaped[i];
        if (escaped[i] == '\\' && i + 1 < escaped.size() && escaped[i + 1] == '\\') ++i;
    }
    return out;
}

}  // namespace telltale::sniff::explain
