#include "proxy/metrics.h"

#include <prometheus/client_metric.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "proxy/incident.h"

namespace telltale::proxy {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

constexpr std::array<MetricInfo, 28> table = {{
    {"telltale_connections_total",
     "Connections by what client and upstream spoke, counted when the verdict is there.",
     MetricType::Counter, "listener, direction, client_protocol, upstream_protocol, verdict"},
    {"telltale_mismatches_total",
     "Connections on which one side spoke a protocol that the other can't use.",
     MetricType::Counter,
     "listener, direction, client_protocol, upstream_protocol, cause, hop_role"},
    {"telltale_incidents_total", "Connections with a cause other than fine, by the hop at fault.",
     MetricType::Counter, "listener, direction, cause, hop"},
    {"telltale_listener_info",
     "Always 1, for each listener of the configuration in force; the labels tell what it does.",
     MetricType::Gauge, "listener, direction, expect, upstream"},
    {"telltale_connections_active", "Connections open now.", MetricType::Gauge, "listener"},
    {"telltale_bytes_total", "Bytes read from each side.", MetricType::Counter, "listener, side"},
    {"telltale_upstream_connect_seconds",
     "Time from accepting a client to a connected upstream, name lookup included.",
     MetricType::Histogram, "listener"},
    {"telltale_upstream_first_byte_seconds", "Time from a connected upstream to its first byte.",
     MetricType::Histogram, "listener"},
    {"telltale_verdict_seconds", "Time from accepting a client to the verdict.",
     MetricType::Histogram, "listener"},
    {"telltale_upstream_attempts_total", "Attempts to connect to an endpoint of the upstream.",
     MetricType::Counter, "listener, result"},
    {"telltale_endpoints_ejected", "Endpoints left out now because they spoke another protocol.",
     MetricType::Gauge, "listener"},
    {"telltale_upstream_check_up", "1 when the last active check found HTTP/2.", MetricType::Gauge,
     "listener, upstream"},
    {"telltale_upstream_checks_total", "Active checks of upstreams by result.", MetricType::Counter,
     "listener, result"},
    {"telltale_inquiries_total",
     "What was asked after incidents, before their records were written, by result.",
     MetricType::Counter, "kind, result"},
    {"telltale_policy_actions_total", "What was done about a mismatch.", MetricType::Counter,
     "listener, policy, action"},
    {"telltale_config_reloads_total", "Configuration reloads by result.", MetricType::Counter,
     "result"},
    {"telltale_config_last_reload_successful",
     "1 when the last reload, or the start, took the configuration it was given.",
     MetricType::Gauge, ""},
    {"telltale_config_last_reload_timestamp_seconds",
     "When the last reload, or the start, was given a configuration, as Unix time.",
     MetricType::Gauge, ""},
    {"telltale_limit_reached_total", "Times that a limit of the configuration held something back.",
     MetricType::Counter, "limit"},
    {"telltale_incident_records_dropped_total",
     "Incident records not logged because the log was slower than the incidents.",
     MetricType::Counter, ""},
    {"telltale_accept_paused_total",
     "Times that accepting paused for want of file descriptors or memory.", MetricType::Counter,
     ""},
    {"telltale_build_info", "Always 1; the labels tell the build.", MetricType::Gauge,
     "version, commit"},
    {"process_cpu_seconds_total", "Processor time of this process, user and system.",
     MetricType::Counter, ""},
    {"process_resident_memory_bytes", "Memory of this process that is in RAM.", MetricType::Gauge,
     ""},
    {"process_virtual_memory_bytes", "Address space of this process.", MetricType::Gauge, ""},
    {"process_open_fds", "File descriptors that this process has open.", MetricType::Gauge, ""},
    {"process_max_fds", "File descriptors that this process may have open.", MetricType::Gauge, ""},
    {"process_start_time_seconds", "When this process was started, as Unix time.",
     MetricType::Gauge, ""},
}};

// Long enough for any name and address of a configuration: two of them cut short could be one
// series twice, which no scraper takes.
constexpr size_t label_bytes_max = 512;

using LabelValues = std::vector<std::string>;

// One sample with the values of the row's labels, in the row's order.
ClientMetric sample(const MetricInfo& info, const LabelValues& values) {
    ClientMetric metric;
    std::string_view names = info.labels;
    for (const std::string& value : values) {
        const size_t comma = names.find(',');
        metric.label.push_back(
            {std::string(names.substr(0, comma)), clean_text(value, label_bytes_max)});
        names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 2);
    }
    return metric;
}

class Family final {
   public:
    explicit Family(std::string_view name)
        : info_(*std::find_if(table.begin(), table.end(),
                              [&](const MetricInfo& row) { return row.name == name; })) {
        family_.name = std::string(info_.name);
        family_.help = std::string(info_.help);
        family_.type = info_.type;
    }

    void add(const LabelValues& labels, double value) {
        ClientMetric metric = sample(info_, labels);
        if (info_.type == MetricType::Gauge) {
            metric.gauge.value = value;
        } else {
            metric.counter.value = value;
        }
        family_.metric.push_back(std::move(metric));
    }
    void add(const LabelValues& labels, uint64_t value) { add(labels, static_cast<double>(value)); }

    void add(const LabelValues& labels, const Histogram& histogram) {
        ClientMetric metric = sample(info_, labels);
        uint64_t so_far = 0;
        for (size_t i = 0; i < histogram.buckets.size(); ++i) {
            so_far += histogram.buckets[i];
            const double bound = i < latency_bounds.size()
                                     ? latency_bounds[i]
                                     : std::numeric_limits<double>::infinity();
            metric.histogram.bucket.push_back({so_far, bound});
        }
        metric.histogram.sample_count = so_far;
        metric.histogram.sample_sum = histogram.sum_seconds;
        family_.metric.push_back(std::move(metric));
    }

    [[nodiscard]] MetricFamily take() { return std::move(family_); }

   private:
    const MetricInfo& info_;
    MetricFamily family_;
};

template <typename Enum>
std::string text(Enum value) {
    return std::string(sniff::name(value));
}

// A listener's numbers with what the configuration says of it.
struct Row {
    std::string name;
    std::string direction;
    const ListenerStats* stats;
};

std::vector<Row> rows_of(const MetricsInput& input) {
    std::vector<Row> rows;
    for (size_t i = 0; i < input.labels.size() && i < input.listeners.size(); ++i) {
        rows.push_back(
            {input.labels[i].name, text(input.labels[i].direction), &input.listeners[i]});
    }
    return rows;
}

MetricFamily connections(const std::vector<Row>& rows) {
    Family family("telltale_connections_total");
    const auto add = [&](const Row& row, size_t client, size_t upstream, size_t verdict) {
        const uint64_t count = row.stats->connections[client][upstream][verdict];
        if (count == 0) return;
        family.add({row.name, row.direction, std::string(sniff::protocol_names[client]),
                    std::string(sniff::protocol_names[upstream]),
                    std::string(sniff::verdict_names[verdict])},
                   count);
    };
    for (const Row& row : rows) {
        for (size_t client = 0; client < sniff::protocol_count; ++client) {
            for (size_t upstream = 0; upstream < sniff::protocol_count; ++upstream) {
                for (size_t verdict = 0; verdict < sniff::verdict_names.size(); ++verdict) {
                    add(row, client, upstream, verdict);
                }
            }
        }
    }
    return family.take();
}

MetricFamily mismatches(const std::vector<Row>& rows) {
    Family family("telltale_mismatches_total");
    for (const Row& row : rows) {
        for (const auto& [key, count] : row.stats->mismatches) {
            family.add({row.name, row.direction, text(key.client), text(key.upstream),
                        text(key.cause), text(key.role)},
                       count);
        }
    }
    return family.take();
}

MetricFamily incidents(const std::vector<Row>& rows) {
    Family family("telltale_incidents_total");
    for (const Row& row : rows) {
        for (const auto& [key, count] : row.stats->incidents) {
            family.add({row.name, row.direction, text(key.cause), text(key.hop)}, count);
        }
    }
    return family.take();
}

MetricFamily info(const MetricsInput& input) {
    Family family("telltale_listener_info");
    for (const ListenerInfo& each : input.in_force) {
        family.add(
            {each.name, text(each.direction), text(each.expect), upstream_label(each.upstream)},
            uint64_t{1});
    }
    return family.take();
}

MetricFamily active(const std::vector<Row>& rows) {
    Family family("telltale_connections_active");
    for (const Row& row : rows) family.add({row.name}, static_cast<double>(row.stats->active));
    return family.take();
}

MetricFamily bytes(const std::vector<Row>& rows) {
    Family family("telltale_bytes_total");
    for (const Row& row : rows) {
        for (size_t side = 0; side < sniff::side_names.size(); ++side) {
            family.add({row.name, std::string(sniff::side_names[side])}, row.stats->bytes[side]);
        }
    }
    return family.take();
}

MetricFamily histograms(const std::vector<Row>& rows, std::string_view name,
                        Histogram ListenerStats::*member) {
    Family family(name);
    for (const Row& row : rows) family.add({row.name}, row.stats->*member);
    return family.take();
}

// Only words of ours are labels, whatever found its way into the key.
std::string label_word(std::string_view word) {
    const bool plain =
        !word.empty() && word.size() <= 32 &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
    return plain ? std::string(word) : "other";
}

MetricFamily policy_actions(const std::vector<Row>& rows) {
    Family family("telltale_policy_actions_total");
    for (const Row& row : rows) {
        std::map<std::pair<std::string, std::string>, uint64_t> counts;
        for (const auto& [key, count] : row.stats->policy_actions) {
            const std::string_view view = key;
            const size_t slash = std::min(view.find('/'), view.size());
            const auto action = view.substr(std::min(slash + 1, view.size()));
            counts[{label_word(view.substr(0, slash)), label_word(action)}] += count;
        }
        for (const auto& [words, count] : counts) {
            family.add({row.name, words.first, words.second}, count);
        }
    }
    return family.take();
}

MetricFamily attempts(const std::vector<Row>& rows) {
    Family family("telltale_upstream_attempts_total");
    for (const Row& row : rows) {
        for (size_t i = 0; i < attempt_result_count; ++i) {
            family.add({row.name, std::string(attempt_result_names[i])},
                       row.stats->upstream_attempts[i]);
        }
    }
    return family.take();
}

MetricFamily ejected(const std::vector<Row>& rows) {
    Family family("telltale_endpoints_ejected");
    for (const Row& row : rows) {
        family.add({row.name}, static_cast<double>(row.stats->endpoints_ejected));
    }
    return family.take();
}

MetricFamily checks_up(const ProcessStats& process) {
    Family family("telltale_upstream_check_up");
    for (const CheckState& check : process.checks) {
        // Before its first result it is neither up nor down.
        if (check.result.empty()) continue;
        family.add({check.listener, check.upstream}, uint64_t{check.up ? 1U : 0U});
    }
    return family.take();
}

MetricFamily checks_done(const ProcessStats& process) {
    Family family("telltale_upstream_checks_total");
    for (const auto& [listener, counts] : process.checks_done) {
        for (size_t i = 0; i < check_result_count; ++i) {
            family.add({listener, std::string(check_result_names[i])}, counts[i]);
        }
    }
    return family.take();
}

MetricFamily inquiries(const ProcessStats& process) {
    Family family("telltale_inquiries_total");
    for (size_t kind = 0; kind < inquiry_kind_count; ++kind) {
        for (size_t i = 0; i < inquiry_result_count; ++i) {
            family.add(
                {std::string(inquiry_kind_names[kind]), std::string(inquiry_result_names[i])},
                process.inquiries[kind][i]);
        }
    }
    return family.take();
}

MetricFamily limits(const std::vector<Row>& rows, const ProcessStats& process) {
    Family family("telltale_limit_reached_total");
    for (size_t i = 0; i < limit_count; ++i) {
        uint64_t count = process.limits_reached[i];
        for (const Row& row : rows) count += row.stats->limits_reached[i];
        family.add({std::string(limit_names[i])}, count);
    }
    return family.take();
}

MetricFamily reloads(const ProcessStats& process) {
    Family family("telltale_config_reloads_total");
    family.add({"success"}, process.config_reloads_ok);
    family.add({"failure"}, process.config_reloads_failed);
    return family.take();
}

template <typename Number>
MetricFamily single(std::string_view name, const LabelValues& labels, Number value) {
    Family family(name);
    family.add(labels, static_cast<double>(value));
    return family.take();
}

MetricFamily of_process(std::string_view name, const std::optional<double>& value) {
    Family family(name);
    if (value) family.add({}, *value);
    return family.take();
}

}  // namespace

std::span<const MetricInfo> metric_table() noexcept {
    return table;
}

std::string upstream_label(const std::vector<std::string>& addresses) {
    constexpr size_t room_for_the_rest = 4;  // ",+63"
    static_assert(config::upstreams_max < 100);
    std::string label;
    for (size_t i = 0; i < addresses.size(); ++i) {
        const std::string part = (i == 0 ? "" : ",") + addresses[i];
        if (i != 0 && label.size() + part.size() > label_bytes_max - room_for_the_rest) {
            return label + ",+" + std::to_string(addresses.size() - i);
        }
        label += part;
    }
    return label;
}

MetricsCollector::MetricsCollector(MetricsInput input) : input_(std::move(input)) {}

std::vector<MetricFamily> MetricsCollector::Collect() const {
    const auto rows = rows_of(input_);
    const auto& process = input_.process;
    const auto& usage = input_.usage;
    return {
        connections(rows),
        mismatches(rows),
        incidents(rows),
        info(input_),
        active(rows),
        bytes(rows),
        histograms(rows, "telltale_upstream_connect_seconds", &ListenerStats::upstream_connect),
        histograms(rows, "telltale_upstream_first_byte_seconds",
                   &ListenerStats::upstream_first_byte),
        histograms(rows, "telltale_verdict_seconds", &ListenerStats::verdict),
        attempts(rows),
        ejected(rows),
        checks_up(process),
        checks_done(process),
        inquiries(process),
        policy_actions(rows),
        reloads(process),
        single("telltale_config_last_reload_successful", {},
               process.config_last_reload_successful ? 1 : 0),
        single("telltale_config_last_reload_timestamp_seconds", {}, process.config_last_reload_s),
        limits(rows, process),
        single("telltale_incident_records_dropped_total", {}, process.incident_records_dropped),
        single("telltale_accept_paused_total", {}, process.accept_paused),
        single("telltale_build_info", {input_.version, input_.commit}, 1),
        of_process("process_cpu_seconds_total", usage.cpu_seconds),
        of_process("process_resident_memory_bytes", usage.resident_bytes),
        of_process("process_virtual_memory_bytes", usage.virtual_bytes),
        of_process("process_open_fds", usage.open_fds),
        of_process("process_max_fds", usage.max_fds),
        of_process("process_start_time_seconds", usage.start_time_s),
    };
}

std::string render_metrics(const MetricsInput& input) {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, MetricsCollector(input).Collect());
    return out.str();
}

}  // namespace telltale::proxy
