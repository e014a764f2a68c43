// One JSON object on one line: what a command tells on stdout. Keys and values need no escaping.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telltale::bench::load {

class Report final {
   public:
    Report& count(std::string_view key, uint64_t value);
    Report& number(std::string_view key, double value, int decimals);
    Report& flag(std::string_view key, bool value);
    Report& object(std::string_view key, std::string_view json);

    [[nodiscard]] std::string text() const { return "{" + fields_ + "}"; }
    // On stdout and out at once: somebody waits for this line.
    void print() const;

   private:
    Report& field(std::string_view key, std::string_view json);

    std::string fields_;
};

}  // namespace telltale::bench::load
