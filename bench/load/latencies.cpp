#include "bench/load/latencies.h"

#include <algorithm>

#include "bench/load/report.h"

namespace telltale::bench::load {

namespace {

// The smallest of the sorted values that at least this many thousandths do not exceed.
std::chrono::nanoseconds at_permille(const std::vector<std::chrono::nanoseconds>& sorted,
                                     size_t permille) {
    const size_t rank = (sorted.size() * permille + 999) / 1000;
    return sorted[std::max<size_t>(rank, 1) - 1];
}

double in_us(std::chrono::nanoseconds value) {
    return std::chrono::duration<double, std::micro>(value).count();
}

}  // namespace

Latencies::Summary Latencies::summary() const {
    if (values_.empty()) return {};
    std::vector<std::chrono::nanoseconds> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return {at_permille(sorted, 500), at_permille(sorted, 990), at_permille(sorted, 999),
            sorted.back()};
}

std::string json_us(const Latencies::Summary& summary) {
    return Report{}
        .number("p50", in_us(summary.p50), 1)
        .number("p99", in_us(summary.p99), 1)
        .number("p999", in_us(summary.p999), 1)
        .number("max", in_us(summary.max), 1)
        .text();
}

}  // namespace telltale::bench::load
