#include "config/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <variant>

#include "config/load.h"

namespace telltale::config {
namespace {

using std::chrono::milliseconds;

constexpr size_t node_name_max = 253;  // a Kubernetes object name (DNS subdomain)
constexpr size_t label_name_max = 63;  // a DNS label; keeps metric series readable
constexpr size_t service_name_max = 253;
constexpr size_t url_max = 2048;
constexpr uint32_t workers_max = 256;

struct Unit {
    std::string_view name;
    int64_t milliseconds;
};
// Largest first, so that a duration is written in the largest unit that holds it exactly.
constexpr std::array<Unit, 4> units = {{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

std::string duration_text(milliseconds duration) {
    if (duration.count() == 0) return "0";
    const auto* const unit = std::find_if(units.begin(), units.end(), [duration](const Unit& u) {
        return duration.count() % u.milliseconds == 0;
    });
    return std::to_string(duration.count() / unit->milliseconds) + std::string(unit->name);
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    if (text == "0") return milliseconds{0};
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits));
    const auto* const unit =
        std::find_if(units.begin(), units.end(),
                     [name = text.substr(digits)](const Unit& u) { return u.name == name; });
    if (!number || unit == units.end()) return std::nullopt;
    // More than this overflows, and is over every limit of ours.
    if (*number > uint64_t{1} << 40U) return milliseconds::max();
    return milliseconds{static_cast<int64_t>(*number) * unit->milliseconds};
}

template <typename V>
Parsed<V> from_variant(std::variant<V, std::string> parsed) {
    if (auto* value = std::get_if<V>(&parsed)) return {.value = std::move(*value), .problem = {}};
    return {.value = {}, .problem = std::get<std::string>(std::move(parsed))};
}

// A kind of text that is kept as it is when `accepts` says so.
ValueKind<std::string> text_that(std::string expected,
                                 std::function<bool(const std::string&)> accepts) {
    return {.expected = expected,
            .parse = [expected, accepts](const std::string& text) -> Parsed<std::string> {
                if (accepts(text)) return {.value = text, .problem = {}};
                return {.value = {}, .problem = got_expected(text, expected)};
            },
            .text = [](const std::string& value) { return value; }};
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool is_label(std::string_view text, size_t max) {
    if (text.empty() || text.size() > max) return false;
    if (std::isalnum(static_cast<unsigned char>(text.front())) == 0) return false;
    return std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    });
}

}  // namespace

ValueKind<milliseconds> duration_between(milliseconds min, milliseconds max) {
    const std::string expected = "a duration from " + duration_text(min) + " to " +
                                 duration_text(max) + ", such as 100ms, 5s or 15m";
    return {.expected = expected,
            .parse = [min, max, expected](const std::string& text) -> Parsed<milliseconds> {
                const auto duration = parse_duration(text);
                if (duration && *duration >= min && *duration <= max) {
                    return {.value = duration, .problem = {}};
                }
                return {.value = {}, .problem = got_expected(text, expected)};
            },
            .text = duration_text};
}

std::string number_expected(uint64_t min, uint64_t max) {
    return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

Parsed<uint64_t> parse_number_between(const std::string& text, uint64_t min, uint64_t max) {
    const auto number = parse_number(text);
    if (number && *number >= min && *number <= max) return {.value = number, .problem = {}};
    return {.value = {}, .problem = got_expected(text, number_expected(min, max))};
}

std::string words_expected(std::span<const std::string_view> words) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

Parsed<size_t> parse_word(const std::string& text, std::span<const std::string_view> words) {
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
        return {.value = {}, .problem = got_expected(text, words_expected(words))};
    }
    return {.value = static_cast<size_t>(found - words.begin()), .problem = {}};
}

ValueKind<std::string> printable_text(size_t bytes_max) {
    return text_that("at most " + std::to_string(bytes_max) + " printable ASCII characters",
                     [bytes_max](const std::string& text) {
                         return text.size() <= bytes_max && is_printable(text);
                     });
}

ValueKind<std::string> label_name() {
    return text_that("1 to 63 letters, digits, '.', '_' or '-', such as group-rpc",
                     [](const std::string& text) { return is_label(text, label_name_max); });
}

ValueKind<std::string> service_name() {
    return text_that("the name of a service, such as group-rpc-service",
                     [](const std::string& text) { return is_label(text, service_name_max); });
}

ValueKind<std::string> ip_address() {
    return text_that("an IP address without a port, such as 10.244.2.9",
                     [](const std::string& text) { return canonical_ip(text).has_value(); });
}

ValueKind<std::string> http_url() {
    return text_that("a URL that begins with http:// or https://", [](const std::string& text) {
        const bool has_scheme = text.rfind("http://", 0) == 0 || text.rfind("https://", 0) == 0;
        return has_scheme && text.size() <= url_max && is_printable(text) &&
               text.find(' ') == std::string::npos;
    });
}

ValueKind<Address> listen_address() {
    return {
        .expected = "an address to listen on, such as 0.0.0.0:15260",
        .parse = [](const std::string& text) { return from_variant(parse_listen_address(text)); },
        .text = [](const Address& address) { return address.text(); }};
}

ValueKind<Address> upstream_address() {
    return {
        .expected = "the address of the upstream, such as 127.0.0.1:10260",
        .parse = [](const std::string& text) { return from_variant(parse_upstream_address(text)); },
        .text = [](const Address& address) { return address.text(); }};
}

ValueKind<std::optional<Address>> admin_address() {
    using Admin = std::optional<Address>;
    return {.expected = "an address such as 127.0.0.1:15970, or none",
            .parse = [](const std::string& text) -> Parsed<Admin> {
                if (text == "none") return {.value = Admin{}, .problem = {}};
                Parsed<Address> parsed = from_variant(parse_listen_address(text));
                if (!parsed.value) return {.value = {}, .problem = parsed.problem + "; or none"};
                return {.value = Admin{*parsed.value}, .problem = {}};
            },
            .text = [](const Admin& admin) { return admin ? admin->text() : "none"; }};
}

ValueKind<Address> handover_address() {
    return {
        .expected = "a Unix socket such as unix:/run/telltale/handover.sock, or none",
        .parse = [](const std::string& text) -> Parsed<Address> {
            if (text == "none") return {.value = Address{}, .problem = {}};
            Parsed<Address> parsed = from_variant(parse_listen_address(text));
            if (!parsed.value) return {.value = {}, .problem = parsed.problem + "; or none"};
            // A successor renames its socket over this one: an abstract name can't be replaced.
            if (!parsed.value->is_unix() || parsed.value->unix_path[0] == '@') {
                return {.value = {},
                        .problem = got_expected(text,
                                                "the path of a Unix socket such as "
                                                "unix:/run/telltale/handover.sock")};
            }
            return parsed;
        },
        .text = [](const Address& address) { return address.is_unix() ? address.text() : "none"; }};
}

ValueKind<bool> yes_or_no() {
    static constexpr std::array<std::string_view, 2> words = {"false", "true"};
    return word_of<bool>(words);
}

ValueKind<Policy> policy_word() {
    return word_of<Policy>(policy_names);
}

ValueKind<uint32_t> worker_count() {
    return number_between<uint32_t>(0, workers_max);
}
ValueKind<std::string> node_name() {
    return printable_text(node_name_max);
}
ValueKind<sniff::Direction> direction_word() {
    return word_of<sniff::Direction>(sniff::direction_names);
}
ValueKind<sniff::Expect> expect_word() {
    return word_of<sniff::Expect>(sniff::expect_names);
}
ValueKind<LogFormat> log_format_word() {
    return word_of<LogFormat>(log_format_names);
}
ValueKind<LogLevel> log_level_word() {
    return word_of<LogLevel>(log_level_names);
}

}  // namespace telltale::config
