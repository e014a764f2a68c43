// Snapshots of the workers → prometheus metric families: one constexpr table of {name, help, type, labels}; design §8.
// Pure: summed at scrape. Labels come from enums and configuration only.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/stats.h"

namespace telltale::proxy {

struct MetricsInput {
    const config::Config* config = nullptr;   // names of listeners, directions
    std::vector<ListenerStats> listeners;     // summed over the workers, index = listener
    ProcessStats process;
    std::string version, commit;
};

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
