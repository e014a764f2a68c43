#include "config/report.h"

#include <algorithm>
#include <limits>

namespace telltale::config {
namespace {

constexpr size_t quoted_max = 80;

int order(const Error& error) {
    return error.line == 0 ? std::numeric_limits<int>::max() : error.line;
}

}  // namespace

std::string Error::message() const {
    std::string out;
    if (!file.empty()) {
        out += file;
        if (line > 0) out += ":" + std::to_string(line);
        out += ": ";
    }
    if (!path.empty()) out += path + ": ";
    return out + text;
}

void Report::add(Error error) {
    if (errors_.size() >= errors_max) {
        ++more_;
        return;
    }
    errors_.push_back(std::move(error));
}

Errors Report::take() {
    std::stable_sort(errors_.begin(), errors_.end(),
                     [](const Error& a, const Error& b) { return order(a) < order(b); });
    if (more_ > 0) {
        errors_.push_back({.file = errors_.front().file,
                           .line = 0,
                           .path = {},
                           .text = "got " + std::to_string(more_) +
                                   " more errors, expected none: correct those above first"});
    }
    return std::move(errors_);
}

std::string escaped(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out;
    for (const char c : text.substr(0, quoted_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += "\\n";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte > 0x7e) {
            out += "\\x";
            out += hex[byte >> 4U];
            out += hex[byte & 0xfU];
        } else {
            out += c;
        }
    }
    return text.size() > quoted_max ? out + "..." : out;
}

std::string quoted(std::string_view text) {
    return '"' + escaped(text) + '"';
}

std::string got_expected(std::string_view text, std::string_view expected) {
    const std::string got = text.empty() ? "nothing" : quoted(text);
    return "got " + got + ", expected " + std::string(expected);
}

}  // namespace telltale::config
