// Two scrapes of /metrics compared: which numbers moved.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::cli::demo {

// "telltale_connections_active{listener=\"a\"}" → value, from Prometheus' text format.
using Counters = std::map<std::string, double>;

[[nodiscard]] Counters parse_counters(std::string_view exposition);

// The sum over all series of that name that have all these labels (each as in the text:
// cause="metrics_port").
[[nodiscard]] double total(const Counters& counters, std::string_view name,
                           std::initializer_list<std::string_view> labels);

struct Movement {
    std::string series;
    double before = 0;
    double after = 0;
};
[[nodiscard]] std::vector<Movement> moved(const Counters& before, const Counters& after);

}  // namespace telltale::cli::demo
