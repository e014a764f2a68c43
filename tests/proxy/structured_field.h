// A strict reader of one item with parameters (RFC 8941 §4.2.3), for tests of what is written.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::proxy::test {

struct Item {
    std::string value;                              // a token
    std::map<std::string, std::string> parameters;  // strings without quotes and escapes
    std::map<std::string, char> kinds;              // 's'tring, 't'oken, 'i'nteger
};

class ItemReader final {
   public:
    explicit ItemReader(std::string_view text) : rest_(text) {}

    // nullopt when the text is no item.
    [[nodiscard]] std::optional<Item> read() {
        Item item;
        item.value = token();
        while (!failed_ && take(';')) {
            const std::string key = span(key_chars);
            failed_ = failed_ || key.empty() || !take('=') || item.parameters.contains(key);
            read_value(item, key);
        }
        if (failed_ || !rest_.empty()) return std::nullopt;
        return item;
    }

   private:
    static constexpr std::string_view key_chars = "abcdefghijklmnopqrstuvwxyz0123456789_-.*";
    static constexpr std::string_view token_chars =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~:/";
    static constexpr std::string_view digits = "0123456789";

    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    std::string span(std::string_view allowed) {
        const size_t size = std::min(rest_.find_first_not_of(allowed), rest_.size());
        std::string found(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return found;
    }

    std::string token() {
        const bool begins =
            !rest_.empty() && (rest_[0] == '*' || (rest_[0] >= 'a' && rest_[0] <= 'z') ||
                               (rest_[0] >= 'A' && rest_[0] <= 'Z'));
        failed_ = failed_ || !begins;
        return begins ? span(token_chars) : std::string();
    }

    std::string quoted() {
        std::string out;
        while (!rest_.empty() && rest_[0] != '"') {
            if (take('\\') && !rest_.starts_with('"') && !rest_.starts_with('\\')) failed_ = true;
            if (rest_.empty() || rest_[0] < 0x20 || rest_[0] > 0x7e) {
                failed_ = true;
                return out;
            }
            out += rest_[0];
            rest_.remove_prefix(1);
        }
        failed_ = failed_ || !take('"');
        return out;
    }

    void read_value(Item& item, const std::string& key) {
        if (failed_) return;
        if (take('"')) {
            item.kinds[key] = 's';
            item.parameters[key] = quoted();
        } else if (!rest_.empty() && digits.find(rest_[0]) != std::string_view::npos) {
            item.kinds[key] = 'i';
            item.parameters[key] = span(digits);
        } else {
            item.kinds[key] = 't';
            item.parameters[key] = token();
        }
    }

    std::string_view rest_;
    bool failed_ = false;
};

[[nodiscard]] inline std::optional<Item> read_item(std::string_view text) {
    return ItemReader(text).read();
}

}  // namespace telltale::proxy::test
