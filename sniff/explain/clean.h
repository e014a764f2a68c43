// A line of a log as its writer meant it: colours taken off, the escapes of JSON (however often it
// was wrapped) undone, white space made one space. What stays of escapes are those that stand for
// bytes, like \x00 and \n. Byte for byte in constant memory; any input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telltale::sniff::explain {

class Cleaner final {
   public:
    // Appends what this byte adds to the line; mostly the byte itself.
    void put(char c, std::string& line);
    // A line has ended: what is still open belongs to it.
    void end(std::string& line);

   private:
    enum class State : uint8_t { text, escape, csi, osc, osc_escape, backslash, unicode };

    void plain(char c, std::string& line);
    void after_backslash(char c, std::string& line);
    void unicode_digit(char c, std::string& line);

    State state_ = State::text;
    std::string digits_;  // of a \u escape
    uint16_t skipped_ = 0;
};

// The whole of a short text, its line ends as spaces.
[[nodiscard]] std::string clean(std::string_view text);

// Fit for a terminal: printable ASCII as it is, everything else as \xNN; cut with "…".
[[nodiscard]] std::string shown_line(std::string_view text, size_t max);

}  // namespace telltale::sniff::explain
