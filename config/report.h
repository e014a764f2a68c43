// Collects errors while a configuration is read; every part of the loader reports here and goes on.
#pragma once

#include <string>
#include <string_view>

#include "config/load.h"

namespace telltale::config {

// A file full of nonsense still gives a readable answer; what is over is counted in the last line.
inline constexpr size_t errors_max = 100;

class Report final {
   public:
    void add(Error error);
    [[nodiscard]] bool is_empty() const { return errors_.empty(); }
    // In the order of lines; errors without a line come last.
    [[nodiscard]] Errors take();

   private:
    Errors errors_;
    size_t more_ = 0;
};

// At most 80 bytes of the text as printable ASCII, the rest escaped; and the same in quotes.
[[nodiscard]] std::string escaped(std::string_view text);
[[nodiscard]] std::string quoted(std::string_view text);
// `got "text", expected …`
[[nodiscard]] std::string got_expected(std::string_view text, std::string_view expected);

}  // namespace telltale::config
