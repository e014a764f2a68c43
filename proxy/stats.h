// What a worker counts: plain integers that only its own thread touches, copied out by value when
// somebody asks. One ListenerStats per listener and worker. Adding a metric: a field here, a row in
// metrics.cpp, a line in docs/metrics.md.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/cause.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

// Bounds in seconds; the last bucket is +Inf.
inline constexpr std::array<double, 12> latency_bounds = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0};

struct Histogram {
    std::array<uint64_t, latency_bounds.size() + 1> buckets{};  // not cumulative
    double sum_seconds = 0;
    void observe(double seconds) noexcept;
    void add(const Histogram& other) noexcept;
};

struct MismatchKey {
    sniff::Protocol client, upstream;
    sniff::Cause cause;
    sniff::Role role;
    friend auto operator<=>(const MismatchKey&, const MismatchKey&) = default;
};
struct IncidentKey {
    sniff::Cause cause;
    sniff::HopPosition hop;
    friend auto operator<=>(const IncidentKey&, const IncidentKey&) = default;
};

using ConnectionCounts =
    std::array<std::array<std::array<uint64_t, 3>, sniff::protocol_count>, sniff::protocol_count>;

// Rows that one listener keeps of mismatches and of policy actions. Real traffic has a handful;
// whoever makes up more is counted in one last row.
inline constexpr size_t mismatch_rows_max = 256;
inline constexpr size_t policy_action_rows_max = 16;
inline constexpr MismatchKey mismatch_overflow = {sniff::Protocol::other, sniff::Protocol::other,
                                                  sniff::Cause::unexplained, sniff::Role::unknown};
inline constexpr std::string_view policy_action_overflow = "other/other";

struct ListenerStats {
    ConnectionCounts connections{};  // [client protocol][upstream protocol][verdict], counted when
                                     // the verdict latches
    std::map<MismatchKey, uint64_t> mismatches;
    std::map<IncidentKey, uint64_t> incidents;
    int64_t active = 0;
    uint64_t accepted = 0;
    std::array<uint64_t, 2> bytes{};                 // by Side: read from that side
    std::map<std::string, uint64_t> policy_actions;  // "observe/forwarded"
    Histogram upstream_connect;
    Histogram upstream_first_byte;
    Histogram verdict;

    void count_connection(sniff::Protocol client, sniff::Protocol upstream,
                          sniff::Verdict latched) noexcept;
    void count_mismatch(const MismatchKey& key, uint64_t times = 1);
    void count_incident(const IncidentKey& key);
    void count_policy_action(std::string_view policy_and_action, uint64_t times = 1);
    void add(const ListenerStats& other);
};

// One row of /connections.
struct ConnectionRow {
    uint64_t id = 0;
    size_t listener = 0;
    std::string client_address, upstream_address;
    sniff::Protocol client = sniff::Protocol::undecided, upstream = sniff::Protocol::undecided;
    sniff::Verdict verdict = sniff::Verdict::undecided;
    sniff::Cause cause = sniff::Cause::fine;
    std::string state;  // connecting, relaying, closing
    std::array<uint64_t, 2> bytes{};
    int64_t age_ms = 0;
};

struct WorkerSnapshot {
    std::vector<ListenerStats> listeners;    // index = listener
    std::vector<ConnectionRow> connections;  // at most the number asked for
};

// Counted on the control thread and by the sink.
struct ProcessStats {
    uint64_t config_reloads_ok = 0, config_reloads_failed = 0;
    bool config_last_reload_successful = true;
    uint64_t incident_records_dropped = 0;
    uint64_t accept_paused = 0;
};

}  // namespace telltale::proxy
