#include "proxy/admin_negotiation.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace telltale::proxy {

namespace {

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Takes the part before the next separator off the front.
std::string_view take_part(std::string_view& text, char separator) noexcept {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return trimmed(part);
}

bool equal_in_lower_case(std::string_view text, std::string_view lower) noexcept {
    return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

// "q=0", "q=0.0", "q=0.000": not acceptable.
bool is_weight_of_zero(std::string_view parameter) noexcept {
    if (parameter.size() < 3 || !equal_in_lower_case(parameter.substr(0, 2), "q=")) return false;
    return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

bool accepts_html(std::string_view media_range) noexcept {
    if (!equal_in_lower_case(take_part(media_range, ';'), "text/html")) return false;
    while (!media_range.empty()) {
        if (is_weight_of_zero(take_part(media_range, ';'))) return false;
    }
    return true;
}

}  // namespace

bool wants_html(const std::vector<std::string_view>& accept_values) noexcept {
    for (std::string_view value : accept_values) {
        while (!value.empty()) {
            if (accepts_html(take_part(value, ','))) return true;
        }
    }
    return false;
}

std::string etag_of(std::string_view body) {
    uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
    for (const char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    std::array<char, 24> text{};
    const auto size = std::snprintf(text.data(), text.size(), "\"%016llx\"",
                                    static_cast<unsigned long long>(hash));
    return {text.data(), static_cast<size_t>(size)};
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) noexcept {
    if (etag.empty()) return false;
    while (!if_none_match.empty()) {
        std::string_view each = take_part(if_none_match, ',');
        if (each == "*") return true;
        if (each.starts_with("W/")) each.remove_prefix(2);
        if (each == etag) return true;
    }
    return false;
}

}  // namespace telltale::proxy
