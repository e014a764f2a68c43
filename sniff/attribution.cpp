#include "sniff/attribution.h"

#include <algorithm>

namespace telltale::sniff {
namespace {

template <typename Enum, size_t size>
std::optional<Enum> find_word(const std::array<std::string_view, size>& names,
                              std::string_view word) noexcept {
    const auto found = std::find(names.begin(), names.end(), word);
    if (found == names.end()) return std::nullopt;
    return static_cast<Enum>(found - names.begin());
}

constexpr bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_key_char(char c) {  // RFC 8941 §3.1.2
    return is_lower(c) || is_digit(c) || std::string_view("_-.*").find(c) != std::string_view::npos;
}
// Of tokens (§3.3.4), and of numbers.
constexpr bool is_word_char(char c) {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}

// Reads from the front of a structured field; nullopt where it is none.
class FieldReader final {
   public:
    explicit FieldReader(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool done() const { return rest_.empty(); }
    [[nodiscard]] bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void skip_spaces() {
        while (take(' ')) {
        }
    }
    [[nodiscard]] std::string_view key() { return run(is_key_char); }
    [[nodiscard]] std::optional<std::string> value() {
        if (take('"')) return text();
        const std::string_view word = run(is_word_char);
        return word.empty() ? std::nullopt : std::optional<std::string>(word);
    }

   private:
    template <typename Allowed>
    std::string_view run(Allowed allowed) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), allowed);
        const std::string_view found =
            rest_.substr(0, static_cast<size_t>(std::distance(rest_.begin(), end)));
        rest_.remove_prefix(found.size());
        return found;
    }

    // The rest of a string (§3.3.3), its end too.
    std::optional<std::string> text() {
        std::string out;
        while (!take('"')) {
            const bool escaped = take('\\');
            if (rest_.empty()) return std::nullopt;
            const char c = rest_.front();
            if (c < 0x20 || c > 0x7e || (escaped && c != '"' && c != '\\')) return std::nullopt;
            out += c;
            rest_.remove_prefix(1);
        }
        return out;
    }

    std::string_view rest_;
};

std::string percent_decoded(std::string_view text) {
    const auto digit = [](char c) {
        constexpr std::string_view digits = "0123456789abcdef";
        return digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    };
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool has_two = text[i] == '%' && i + 2 < text.size();
        const size_t high = has_two ? digit(text[i + 1]) : std::string_view::npos;
        const size_t low = has_two ? digit(text[i + 2]) : std::string_view::npos;
        if (high == std::string_view::npos || low == std::string_view::npos) {
            out += text[i];
            continue;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string first_line(std::string_view body) {
    return std::string(body.substr(0, body.find_first_of("\r\n")));
}

std::optional<Attribution> attribution(std::string_view cause, std::string_view hop,
                                       std::string sentence) {
    const auto known = attributed_cause(cause);
    if (!known) return std::nullopt;
    return Attribution{
        .cause = *known, .hop = parse_told_hop(hop), .sentence = std::move(sentence)};
}

}  // namespace

std::optional<Cause> attributed_cause(std::string_view word) noexcept {
    const auto cause = find_word<Cause>(cause_names, word);
    return cause == Cause::fine ? std::nullopt : cause;
}

std::optional<ToldHop> parse_told_hop(std::string_view text) {
    FieldReader reader(text);
    const auto word = reader.value();
    const auto position = word ? find_word<HopPosition>(hop_position_names, *word) : std::nullopt;
    if (!position) return std::nullopt;
    ToldHop hop{.position = *position, .role = Role::unknown, .name = {}, .address = {}};
    while (reader.take(';')) {
        reader.skip_spaces();
        const std::string_view key = reader.key();
        if (key.empty()) return std::nullopt;
        if (!reader.take('=')) continue;  // a Boolean
        const auto value = reader.value();
        if (!value) return std::nullopt;
        if (key == "role") hop.role = find_word<Role>(role_names, *value).value_or(Role::unknown);
        if (key == "name") hop.name = *value;
        if (key == "address") hop.address = *value;
    }
    return reader.done() ? std::optional(hop) : std::nullopt;
}

std::optional<Attribution> find_attribution(const Evidence& e) {
    const Protocol spoken = e.client.protocol;
    if (spoken != e.upstream.protocol) return std::nullopt;
    if (spoken == Protocol::http2 && e.upstream.first_headers) {
        const Http2Headers& answer = *e.upstream.first_headers;
        return attribution(answer.telltale_cause, answer.telltale_hop,
                           percent_decoded(answer.grpc_message));
    }
    if (spoken == Protocol::http1 && e.upstream.http1_response) {
        const Http1Response& answer = *e.upstream.http1_response;
        return attribution(answer.telltale_cause, answer.telltale_hop, first_line(answer.body));
    }
    return std::nullopt;
}

}  // namespace telltale::sniff
