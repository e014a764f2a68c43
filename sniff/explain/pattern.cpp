#include "sniff/explain/pattern.h"

#include <algorithm>
#include <array>
#include <utility>

namespace telltale::sniff::explain {
namespace {

using Named = std::pair<std::string_view, Place>;
constexpr auto places = std::to_array<Named>({{"{*}", Place::any},
                                              {"{number}", Place::number},
                                              {"{hex}", Place::hex},
                                              {"{frame}", Place::frame},
                                              {"{type}", Place::type},
                                              {"{status}", Place::status},
                                              {"{alert}", Place::alert},
                                              {"{quoted}", Place::quoted},
                                              {"{address}", Place::address},
                                              {"{name}", Place::name},
                                              {"{cause}", Place::cause},
                                              {"{sentence}", Place::sentence}});

constexpr std::string_view exact_mark = "{=}";
constexpr size_t quoted_max = 2048;
constexpr size_t sentence_max = 1024;

const Named* place_at(std::string_view source) {
    for (const Named& named : places) {
        if (source.starts_with(named.first)) return &named;
    }
    return nullptr;
}

bool is_name(char c) {
    const char lower = to_lower(c);
    return is_digit(c) || (lower >= 'a' && lower <= 'z') ||
           std::string_view("._-:/%[]").find(c) != std::string_view::npos;
}

bool is_cause(char c) {
    const char lower = to_lower(c);
    return is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '_';
}

bool is_address(char c) {
    return is_name(c) && c != '/' && c != '%';
}

size_t length_while(std::string_view text, bool (*belongs)(char), size_t max) {
    const size_t end = std::min(text.size(), max);
    size_t size = 0;
    while (size < end && belongs(text[size])) ++size;
    return size;
}

// How much of `text` fills the place; npos: nothing does.
constexpr size_t no_fill = std::string_view::npos;

// Without a colon or full stop behind it: "dial tcp 10.0.0.1:80: connect: …".
size_t address_size(std::string_view text) {
    size_t size = length_while(text, is_address, 262);
    while (size > 0 && (text[size - 1] == ':' || text[size - 1] == '.')) --size;
    return size;
}

size_t at_least(size_t least, size_t size) {
    return size < least ? no_fill : size;
}

// A JSON string ends before a comma or a brace; a quote inside it does not.
size_t sentence_size(std::string_view text) {
    const std::string_view seen = text.substr(0, sentence_max);
    const size_t comma = seen.find("\",");
    const size_t brace = seen.find("\"}");
    return std::min({comma, brace, seen.size()});
}

size_t fill(Place place, std::string_view text, char before) {
    const auto hex_digit = [](char c) { return hex_value(c) >= 0; };
    switch (place) {
        case Place::number:
        case Place::frame:
        case Place::type:
        case Place::alert:
            return at_least(1, length_while(text, is_digit, 12));
        case Place::status:
            return length_while(text, is_digit, 4) == 3 ? 3 : no_fill;
        case Place::hex:
            return at_least(2, length_while(text, hex_digit, quoted_max));
        case Place::address:
            return at_least(1, address_size(text));
        case Place::name:
            return at_least(1, length_while(text, is_name, 262));
        case Place::cause:
            return at_least(1, length_while(text, is_cause, 40));
        case Place::quoted:
            return std::min({text.find(before), text.size(), quoted_max});
        case Place::sentence:
            return sentence_size(text);
        case Place::literal:
        case Place::any:
            break;
    }
    return no_fill;
}

}  // namespace

char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return to_lower(c); });
    return out;
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Pattern::Pattern(std::string_view source) : exact_(source.starts_with(exact_mark)) {
    if (exact_) source.remove_prefix(exact_mark.size());
    std::string literal;
    const auto flush = [&] {
        if (literal.empty()) return;
        fixed_ += literal.size();
        pieces_.push_back({.place = Place::literal, .literal = std::exchange(literal, {})});
    };
    while (!source.empty()) {
        if (const Named* named = source.front() == '{' ? place_at(source) : nullptr) {
            flush();
            pieces_.push_back({.place = named->second});
            source.remove_prefix(named->first.size());
        } else {
            literal += exact_ ? source.front() : to_lower(source.front());
            source.remove_prefix(1);
        }
    }
    flush();
    if (pieces_.empty()) pieces_.emplace_back();
    anchor_ = to_lower(pieces_.front().literal);
}

bool Pattern::valid() const noexcept {
    if (pieces_.front().place != Place::literal || anchor().size() < anchor_min) return false;
    for (size_t i = 0; i < pieces_.size(); ++i) {
        const bool last = i + 1 == pieces_.size();
        if (pieces_[i].place == Place::any && (last || pieces_[i + 1].place != Place::literal)) {
            return false;
        }
    }
    return true;
}

std::optional<Matched> Pattern::match(std::string_view text, std::string_view folded,
                                      size_t at) const {
    Matched matched;
    bool anywhere = false;  // the next piece may begin up to gap_max further on
    for (const Piece& piece : pieces_) {
        if (piece.place == Place::any) {
            anywhere = true;
        } else if (piece.place == Place::literal) {
            const size_t window = piece.literal.size() + (anywhere ? gap_max : 0);
            const size_t found = (exact_ ? text : folded).substr(at, window).find(piece.literal);
            if (found == std::string_view::npos) return std::nullopt;
            at += found + piece.literal.size();
            anywhere = false;
        } else {
            const size_t size = fill(piece.place, text.substr(at), at == 0 ? '"' : text[at - 1]);
            if (size == no_fill) return std::nullopt;
            matched.captures.push_back({.place = piece.place, .text = text.substr(at, size)});
            at += size;
        }
    }
    matched.end = at;
    return matched;
}

}  // namespace telltale::sniff::explain
