// Colours of a terminal around words of ours (ECMA-48 §8.3.117, SGR); nothing where they are off.
// Whoever prints decides whether they are on. Wire text is escaped before it is painted.
#pragma once

#include <string>
#include <string_view>

namespace telltale::sniff {

class Paint final {
   public:
    explicit Paint(bool on) : on_(on) {}
    [[nodiscard]] std::string bold(const std::string& text) const { return in("1", text); }
    [[nodiscard]] std::string bold_red(const std::string& text) const { return in("1;31", text); }
    [[nodiscard]] std::string bold_green(const std::string& text) const { return in("1;32", text); }
    [[nodiscard]] std::string bold_yellow(const std::string& text) const {
        return in("1;33", text);
    }
    [[nodiscard]] std::string green(const std::string& text) const { return in("32", text); }
    [[nodiscard]] std::string dim(const std::string& text) const { return in("2", text); }

   private:
    [[nodiscard]] std::string in(std::string_view code, const std::string& text) const {
        if (!on_ || text.empty()) return text;
        return "\x1b[" + std::string(code) + "m" + text + "\x1b[0m";
    }
    bool on_;
};

}  // namespace telltale::sniff
