// Kinds of values: what a text must look like, and how the value is written back. A key names its
// kind (keys.cpp); flags use the same kinds (overrides.cpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/address.h"
#include "config/config.h"
#include "config/report.h"

namespace telltale::config {

// The value, or what is wrong with the text: "got …, expected …".
template <typename V>
struct Parsed {
    std::optional<V> value;
    std::string problem;
};

template <typename V>
struct ValueKind {
    std::string expected;  // "a duration from 1ms to 10m, such as 5s"
    std::function<Parsed<V>(const std::string&)> parse;
    std::function<std::string(const V&)> text;
};

// One number and its unit: 100ms, 5s, 15m, 24h; 0 needs none.
[[nodiscard]] ValueKind<std::chrono::milliseconds> duration_between(std::chrono::milliseconds min,
                                                                    std::chrono::milliseconds max);

[[nodiscard]] Parsed<uint64_t> parse_number_between(const std::string& text, uint64_t min,
                                                    uint64_t max);
[[nodiscard]] std::string number_expected(uint64_t min, uint64_t max);

template <typename V>
ValueKind<V> number_between(V min, V max) {
    return {.expected = number_expected(min, max),
            .parse = [min, max](const std::string& text) -> Parsed<V> {
                const Parsed<uint64_t> parsed = parse_number_between(text, min, max);
                if (!parsed.value) return {.value = {}, .problem = parsed.problem};
                return {.value = static_cast<V>(*parsed.value), .problem = {}};
            },
            .text = [](const V& value) { return std::to_string(value); }};
}

[[nodiscard]] Parsed<size_t> parse_word(const std::string& text,
                                        std::span<const std::string_view> words);
[[nodiscard]] std::string words_expected(std::span<const std::string_view> words);

// An enum whose values are 0, 1, … in the order of `words` (a constant table).
template <typename E>
ValueKind<E> word_of(std::span<const std::string_view> words) {
    return {
        .expected = words_expected(words),
        .parse = [words](const std::string& text) -> Parsed<E> {
            const Parsed<size_t> parsed = parse_word(text, words);
            if (!parsed.value) return {.value = {}, .problem = parsed.problem};
            return {.value = static_cast<E>(*parsed.value), .problem = {}};
        },
        .text = [words](const E& value) { return std::string(words[static_cast<size_t>(value)]); }};
}

// Printable ASCII, possibly empty.
[[nodiscard]] ValueKind<std::string> printable_text(size_t bytes_max);
// A metric label: letters, digits, '.', '_', '-'.
[[nodiscard]] ValueKind<std::string> label_name();
[[nodiscard]] ValueKind<std::string> service_name();
[[nodiscard]] ValueKind<std::string> ip_address();
[[nodiscard]] ValueKind<std::string> http_url();
[[nodiscard]] ValueKind<Address> listen_address();
[[nodiscard]] ValueKind<Address> upstream_address();
// A Unix socket; an Address without a path: "none".
[[nodiscard]] ValueKind<Address> handover_address();
[[nodiscard]] ValueKind<bool> yes_or_no();
// nullopt: "none", no admin server.
[[nodiscard]] ValueKind<std::optional<Address>> admin_address();

// The kinds that a key and a flag share.
[[nodiscard]] ValueKind<uint32_t> worker_count();
[[nodiscard]] ValueKind<std::string> node_name();
[[nodiscard]] ValueKind<sniff::Direction> direction_word();
[[nodiscard]] ValueKind<sniff::Expect> expect_word();
[[nodiscard]] ValueKind<Policy> policy_word();
[[nodiscard]] ValueKind<LogFormat> log_format_word();
[[nodiscard]] ValueKind<LogLevel> log_level_word();

}  // namespace telltale::config
