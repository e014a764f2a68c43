#include "bench/load/report.h"

#include <array>
#include <cstdio>

namespace telltale::bench::load {

Report& Report::count(std::string_view key, uint64_t value) {
    return field(key, std::to_string(value));
}

Report& Report::number(std::string_view key, double value, int decimals) {
    std::array<char, 64> digits{};
    std::snprintf(digits.data(), digits.size(), "%.*f", decimals, value);
    return field(key, digits.data());
}

Report& Report::flag(std::string_view key, bool value) {
    return field(key, value ? "true" : "false");
}

Report& Report::object(std::string_view key, std::string_view json) {
    return field(key, json);
}

void Report::print() const {
    std::puts(text().c_str());
    std::fflush(stdout);
}

Report& Report::field(std::string_view key, std::string_view json) {
    if (!fields_.empty()) fields_ += ',';
    fields_.append("\"").append(key).append("\":").append(json);
    return *this;
}

}  // namespace telltale::bench::load
