#include "sniff/escape.h"

#include <array>

namespace telltale::sniff {
namespace {

enum class Quotes : bool { keep, escape };

void append_hex(std::string& out, unsigned char byte) {
    static constexpr std::array<char, 16> digits = {'0', '1', '2', '3', '4', '5', '6', '7',
                                                    '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 0x0fU];
}

void append_escaped(std::string& out, char c, Quotes quotes) {
    switch (c) {
        case '\r':
            out += "\\r";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\t':
            out += "\\t";
            return;
        case '\\':
            out += "\\\\";
            return;
        default:
            break;
    }
    if (c == '"' && quotes == Quotes::escape) {
        out += "\\\"";
        return;
    }
    if (c >= 0x20 && c < 0x7f) {
        out += c;
        return;
    }
    append_hex(out, static_cast<unsigned char>(c));
}

bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
}

void append_all(std::string& out, std::string_view raw, size_t max, Quotes quotes) {
    const std::string_view shown = raw.substr(0, max);
    size_t plain = 0;  // where the run of characters begins that go out as they are
    for (size_t i = 0; i < shown.size(); ++i) {
        if (is_plain(shown[i])) continue;
        out += shown.substr(plain, i - plain);
        append_escaped(out, shown[i], quotes);
        plain = i + 1;
    }
    out += shown.substr(plain);
    if (raw.size() > max) out += "…";
}

}  // namespace

std::string escape_wire(std::string_view raw, size_t max) {
    std::string out;
    append_all(out, raw, max, Quotes::keep);
    return out;
}

std::string quote_wire(std::string_view raw, size_t max) {
    std::string out = "\"";
    append_all(out, raw, max, Quotes::escape);
    out += '"';
    return out;
}

std::string cut_text(std::string text, size_t max) {
    constexpr std::string_view mark = "…";
    if (text.size() <= max) return text;
    size_t end = max < mark.size() ? 0 : max - mark.size();
    const auto is_inside = [&text](size_t at) {  // a continuation byte of UTF-8
        return (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
    };
    while (end > 0 && is_inside(end)) --end;
    text.resize(end);
    text += mark;
    return text;
}

}  // namespace telltale::sniff
