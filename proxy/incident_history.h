// How many incidents of which cause there were in each of the last minutes: what the page at /
// draws. Pure: the record brings its time. Empty until something goes wrong, then at most
// minutes_max rows; the minute that was begun first makes room, so that a clock that jumps neither
// grows it nor keeps new minutes out.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "sniff/cause.h"

namespace telltale::proxy {

class IncidentHistory final {
   public:
    static constexpr size_t minutes_max = 360;

    struct Minute {
        std::chrono::sys_time<std::chrono::minutes> at;     // its beginning
        std::array<uint32_t, sniff::cause_count> counts{};  // by Cause; stays at the largest number
    };

    void count(std::chrono::system_clock::time_point at, sniff::Cause cause, uint64_t times);
    // Those in which there was an incident, in the order in which they began here.
    [[nodiscard]] const std::vector<Minute>& minutes() const { return minutes_; }

   private:
    [[nodiscard]] Minute& minute_of(std::chrono::system_clock::time_point at);

    std::vector<Minute> minutes_;
};

}  // namespace telltale::proxy
