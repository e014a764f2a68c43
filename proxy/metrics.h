// Snapshots of the workers → prometheus metric families: one constexpr table of {name, help, type,
// labels}; design §8. Pure: summed at scrape. Labels come from enums and configuration only.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/process_usage.h"
#include "proxy/stats.h"

namespace telltale::proxy {

struct ListenerLabel {
    std::string name;
    sniff::Direction direction = sniff::Direction::inbound;
};

// A listener of the configuration in force.
struct ListenerInfo {
    std::string name;
    sniff::Direction direction = sniff::Direction::inbound;
    sniff::Expect expect = sniff::Expect::any;
    std::vector<std::string> upstream;  // addresses as configured, in that order
};

struct MetricsInput {
    std::vector<ListenerLabel> labels;  // each name once, also of listeners that a reload removed
    std::vector<ListenerStats> listeners;  // summed over the workers, index = index in labels
    std::vector<ListenerInfo> in_force;    // each name once
    ProcessStats process;
    ProcessUsage usage;
    std::string version, commit;
};

// THE TABLE: one row per metric. Adding one: a row here, its samples in metrics.cpp, a line in
// docs/metrics.md.
struct MetricInfo {
    std::string_view name;
    std::string_view help;
    prometheus::MetricType type;
    std::string_view labels;  // "listener, side"; "" for none
};
[[nodiscard]] std::span<const MetricInfo> metric_table() noexcept;

// Addresses behind one another with commas; beyond 512 bytes the rest is a number: "a:1,b:2,+62".
[[nodiscard]] std::string upstream_label(const std::vector<std::string>& addresses);

// The most series that one listener can ever have, whatever its peers send: the enums' sizes and
// the row limits of stats.h.
inline constexpr size_t histogram_series =
    latency_bounds.size() + 3;  // buckets with +Inf, sum, count
inline constexpr size_t series_per_listener_max =
    sniff::protocol_count * sniff::protocol_count * sniff::verdict_names.size() +  // connections
    mismatch_rows_max + sniff::cause_count * sniff::hop_position_count +  // mismatches, incidents
    1 + sniff::side_names.size() + 3 * histogram_series + policy_action_rows_max +
    attempt_result_count + 1 + check_result_count + config::upstreams_max +  // one check each
    1;                                                                       // info
static_assert(series_per_listener_max <= 2000);
// What a process has beside its listeners, from its start on.
inline constexpr size_t series_of_process = inquiry_kind_count * inquiry_result_count +
                                            limit_count + 2 + 1 + 1 +  // reloads
                                            1 + 1 + 1 +  // records dropped, pauses, build
                                            6;           // process_*
// listeners: different names that it has had since its start. A listener that a reload removed
// keeps its counters.
[[nodiscard]] constexpr size_t series_max(size_t listeners) {
    return series_of_process + listeners * series_per_listener_max;
}

// Collect() of a given snapshot.
class MetricsCollector final : public prometheus::Collectable {
   public:
    explicit MetricsCollector(MetricsInput input);
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

   private:
    MetricsInput input_;
};

// Exposition text of it (Prometheus text format 0.0.4).
[[nodiscard]] std::string render_metrics(const MetricsInput& input);

}  // namespace telltale::proxy
