// What a worker counts: plain integers that only its own thread touches, copied out by value when
// somebody asks. One ListenerStats per listener and worker. Adding a metric: a field here, a row in
// metrics.cpp, a line in docs/metrics.md.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/cause.h"
#include "sniff/evidence.h"
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

// Limits of the configuration (limits.*). Each time that one kept something from happening counts:
// a connection that had to wait or was refused, a read that was put off, a record that was dropped.
enum class Limit : uint8_t {
    connections,
    connections_per_client,
    accept_rate,
    buffered_bytes,
    incident_queue,
    first_flight_bytes,
};
inline constexpr size_t limit_count = 6;
inline constexpr std::array<std::string_view, limit_count> limit_names = {
    "connections",    "connections_per_client", "accept_rate",
    "buffered_bytes", "incident_queue",         "first_flight_bytes"};
using LimitCounts = std::array<uint64_t, limit_count>;

// How one attempt to connect to an endpoint of the upstream ended.
enum class AttemptResult : uint8_t { connected, refused, timeout, unreachable, local_limit };
inline constexpr size_t attempt_result_count = 5;
inline constexpr std::array<std::string_view, attempt_result_count> attempt_result_names = {
    "connected", "refused", "timeout", "unreachable", "local_limit"};

// How one active check of an upstream ended; only http2 is well.
enum class CheckResult : uint8_t {
    http2,
    other_protocol,
    refused,
    timeout,
    unreachable,
    dns_failure,
    closed,
};
inline constexpr size_t check_result_count = 7;
inline constexpr std::array<std::string_view, check_result_count> check_result_names = {
    "http2", "other_protocol", "refused", "timeout", "unreachable", "dns_failure", "closed"};
using CheckCounts = std::array<uint64_t, check_result_count>;

// What was asked after incidents, before their records were written, and how that ended.
enum class InquiryKind : uint8_t { name, confirmation };
inline constexpr size_t inquiry_kind_count = 2;
inline constexpr std::array<std::string_view, inquiry_kind_count> inquiry_kind_names = {
    "name", "confirmation"};
enum class InquiryResult : uint8_t {
    found,
    nothing,    // asked and answered: there is no name, or no port could be asked
    no_answer,  // not in time
    known,      // not asked again
    limited,    // not asked: a limit of the configuration, or too many at once
};
inline constexpr size_t inquiry_result_count = 5;
inline constexpr std::array<std::string_view, inquiry_result_count> inquiry_result_names = {
    "found", "nothing", "no_answer", "known", "limited"};
using InquiryCounts = std::array<uint64_t, inquiry_result_count>;  // by InquiryResult

[[nodiscard]] constexpr std::string_view name(Limit limit) {
    return limit_names[static_cast<size_t>(limit)];
}
[[nodiscard]] constexpr std::string_view name(AttemptResult result) {
    return attempt_result_names[static_cast<size_t>(result)];
}
[[nodiscard]] constexpr std::string_view name(CheckResult result) {
    return check_result_names[static_cast<size_t>(result)];
}
static_assert(name(Limit::first_flight_bytes) == "first_flight_bytes");
static_assert(name(AttemptResult::local_limit) == "local_limit");
static_assert(name(CheckResult::closed) == "closed");

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
    std::array<uint64_t, attempt_result_count> upstream_attempts{};  // by AttemptResult
    // Endpoints left out now for their protocol. Every worker finds them out for itself: the sum of
    // two workers is the larger number.
    int64_t endpoints_ejected = 0;
    LimitCounts limits_reached{};  // by Limit: those that a worker meets

    void count_connection(sniff::Protocol client, sniff::Protocol upstream,
                          sniff::Verdict latched) noexcept;
    void count_mismatch(const MismatchKey& key, uint64_t times = 1);
    void count_incident(const IncidentKey& key);
    void count_policy_action(std::string_view policy_and_action, uint64_t times = 1);
    void count_attempt(AttemptResult result) noexcept;
    void count_limit(Limit limit) noexcept;
    void add(const ListenerStats& other);
};

// One row of /connections: open, or ended a short while ago.
struct ConnectionRow {
    uint64_t id = 0;
    size_t listener = 0;  // index in AdminSources::listener_names
    std::string client_address, upstream_address;
    sniff::Protocol client = sniff::Protocol::undecided, upstream = sniff::Protocol::undecided;
    sniff::Verdict verdict = sniff::Verdict::undecided;
    sniff::Cause cause = sniff::Cause::fine;
    std::string state;  // connecting, relaying, closing, …; ended
    std::array<uint64_t, 2> bytes{};
    int64_t age_ms = 0;                   // of a connection that has ended: how long it lived
    sniff::Ending ended_by;               // EndKind::none: nothing has ended it yet
    std::optional<int64_t> ended_ms_ago;  // nullopt: open
    std::string policy, action;           // what was done about a mismatch; "": nothing
};

struct WorkerSnapshot {
    std::vector<ListenerStats> listeners;    // index = listener
    std::vector<ConnectionRow> connections;  // at most the number asked for
    std::vector<ConnectionRow> ended;        // newest first; none when no rows were asked for
};

// What the last active check of one configured upstream found.
struct CheckState {
    std::string listener;  // name
    std::string upstream;  // as configured: "group-rpc-service:10260"
    bool up = false;
    std::string result;     // a word of check_result_names; "": not checked yet
    int64_t age_ms = 0;     // since the check
    double latency_ms = 0;  // from the start of the check to its result
    std::string says;       // what was found, as a part of a sentence: "speaks HTTP/2"
};

// Counted on the control thread and by the sink.
struct ProcessStats {
    uint64_t config_reloads_ok = 0, config_reloads_failed = 0;
    bool config_last_reload_successful = true;
    int64_t config_last_reload_s = 0;  // Unix time of the last reload, or the start; taken or not
    uint64_t incident_records_dropped = 0;
    uint64_t accept_paused = 0;
    LimitCounts limits_reached{};  // by Limit: those that no worker meets
    std::array<InquiryCounts, inquiry_kind_count> inquiries{};  // by InquiryKind
    std::vector<CheckState> checks;
    std::map<std::string, CheckCounts> checks_done;  // by name of the listener, by CheckResult
};

}  // namespace telltale::proxy
