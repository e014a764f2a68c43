// Collects times and tells their percentiles by the nearest rank: always a time that was measured.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace telltale::bench::load {

class Latencies final {
   public:
    struct Summary {
        std::chrono::nanoseconds p50{};
        std::chrono::nanoseconds p99{};
        std::chrono::nanoseconds p999{};
        std::chrono::nanoseconds max{};
    };

    // Room for as many as will come, so that adding never allocates amid the measurement.
    explicit Latencies(size_t expected) { values_.reserve(expected); }

    void add(std::chrono::nanoseconds value) { values_.push_back(value); }
    [[nodiscard]] size_t size() const { return values_.size(); }
    // All zero when there are none.
    [[nodiscard]] Summary summary() const;

   private:
    std::vector<std::chrono::nanoseconds> values_;
};

// {"p50":1.2,...} in microseconds.
[[nodiscard]] std::string json_us(const Latencies::Summary& summary);

}  // namespace telltale::bench::load
