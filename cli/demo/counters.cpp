#include "cli/demo/counters.h"

#include <algorithm>
#include <cstdlib>

namespace telltale::cli::demo {

Counters parse_counters(std::string_view exposition) {
    Counters counters;
    while (!exposition.empty()) {
        const size_t line_end = exposition.find('\n');
        const std::string line{exposition.substr(0, line_end)};
        exposition.remove_prefix(line_end == std::string_view::npos ? exposition.size()
                                                                    : line_end + 1);
        if (line.empty() || line.front() == '#') continue;
        // A label's value may hold spaces; what stands after the last one is the number.
        const size_t space = line.find_last_of(' ');
        if (space == std::string::npos) continue;
        counters[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
    return counters;
}

double total(const Counters& counters, std::string_view name,
             std::initializer_list<std::string_view> labels) {
    double sum = 0;
    for (const auto& [series, value] : counters) {
        const std::string_view text = series;
        if (text.substr(0, text.find('{')) != name) continue;
        const bool all = std::all_of(labels.begin(), labels.end(), [text](std::string_view label) {
            return text.find(label) != std::string_view::npos;
        });
        if (all) sum += value;
    }
    return sum;
}

std::vector<Movement> moved(const Counters& before, const Counters& after) {
    std::vector<Movement> movements;
    for (const auto& [series, value] : after) {
        const auto old = before.find(series);
        const double was = old == before.end() ? 0 : old->second;
        if (was != value) movements.push_back({series, was, value});
    }
    return movements;
}

}  // namespace telltale::cli::demo
