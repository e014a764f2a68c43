#include "config/expand.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "config/report.h"

namespace telltale::config {
namespace {

constexpr std::string_view opening = "${";
constexpr std::string_view escaped_opening = "$${";

struct Reference {
    std::string name;
    std::optional<std::string> fallback;
    size_t length = 0;
};

bool is_name_character(char c) {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
}

std::optional<Reference> parse_reference(std::string_view text) {
    if (text.substr(0, opening.size()) != opening) return std::nullopt;
    const std::string_view inside = text.substr(opening.size());
    const auto* const name_end = std::find_if_not(inside.begin(), inside.end(), is_name_character);
    const auto name_length = static_cast<size_t>(name_end - inside.begin());
    if (name_length == 0 || std::isdigit(static_cast<unsigned char>(inside[0])) != 0) {
        return std::nullopt;
    }
    Reference reference{.name = std::string(inside.substr(0, name_length)), .fallback = {}};
    const std::string_view rest = inside.substr(name_length);
    // No brace in a default: references do not nest, and each search ends before the next "${".
    const size_t close = rest.find_first_of("{}\n");
    if (close == std::string_view::npos || rest[close] != '}') return std::nullopt;
    if (close > 0) {
        if (rest.substr(0, 2) != ":-") return std::nullopt;
        reference.fallback = std::string(rest.substr(2, close - 2));
    }
    reference.length = opening.size() + name_length + close + 1;
    return reference;
}

// As in a shell, ":-" also stands in for a variable that is set but empty.
std::optional<std::string> value_of(const Reference& reference, const Environment& environment) {
    auto value = environment ? environment(reference.name) : std::nullopt;
    if (reference.fallback && (!value || value->empty())) return reference.fallback;
    return value;
}

}  // namespace

std::variant<std::string, ExpandError> expand(std::string_view text,
                                              const Environment& environment) {
    std::string out;
    while (!text.empty()) {
        if (text.substr(0, escaped_opening.size()) == escaped_opening) {
            out += opening;
            text.remove_prefix(escaped_opening.size());
            continue;
        }
        if (text.substr(0, opening.size()) != opening) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        const auto reference = parse_reference(text);
        if (!reference) {
            return ExpandError{
                got_expected(text, "${NAME} or ${NAME:-default}; $${ is a plain ${")};
        }
        const auto value = value_of(*reference, environment);
        if (!value) {
            return ExpandError{"got ${" + reference->name +
                               "}, which is not set, expected it in the environment or ${" +
                               reference->name + ":-default}"};
        }
        out += *value;
        text.remove_prefix(reference->length);
    }
    return out;
}

std::string protect_references(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i, opening.size()) == opening) out += '$';
        out += text[i];
    }
    return out;
}

size_t reference_length(std::string_view text) {
    const auto reference = parse_reference(text);
    return reference ? reference->length : 0;
}

}  // namespace telltale::config
