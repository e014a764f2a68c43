#include "proxy/stats.h"

#include <algorithm>

namespace telltale::proxy {

void Histogram::observe(double seconds) noexcept {
    const auto bound = std::lower_bound(latency_bounds.begin(), latency_bounds.end(), seconds);
    ++buckets[static_cast<size_t>(bound - latency_bounds.begin())];
    sum_seconds += seconds;
}

void Histogram::add(const Histogram& other) noexcept {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    sum_seconds += other.sum_seconds;
}

void ListenerStats::count_connection(sniff::Protocol client, sniff::Protocol upstream,
                                     sniff::Verdict latched) noexcept {
    ++connections[static_cast<size_t>(client)][static_cast<size_t>(upstream)]
                 [static_cast<size_t>(latched)];
}

void ListenerStats::count_mismatch(const MismatchKey& key, uint64_t times) {
    const bool room = mismatches.size() < mismatch_rows_max - 1 || mismatches.contains(key);
    mismatches[room ? key : mismatch_overflow] += times;
}

void ListenerStats::count_incident(const IncidentKey& key) {
    ++incidents[key];
}

void ListenerStats::count_policy_action(std::string_view policy_and_action, uint64_t times) {
    std::string key(policy_and_action);
    const bool room =
        policy_actions.size() < policy_action_rows_max - 1 || policy_actions.contains(key);
    policy_actions[room ? std::move(key) : std::string(policy_action_overflow)] += times;
}

void ListenerStats::count_attempt(AttemptResult result) noexcept {
    ++upstream_attempts[static_cast<size_t>(result)];
}

void ListenerStats::count_limit(Limit limit) noexcept {
    ++limits_reached[static_cast<size_t>(limit)];
}

void ListenerStats::add(const ListenerStats& other) {
    for (size_t client = 0; client < connections.size(); ++client) {
        for (size_t upstream = 0; upstream < connections[client].size(); ++upstream) {
            for (size_t v = 0; v < connections[client][upstream].size(); ++v) {
                connections[client][upstream][v] += other.connections[client][upstream][v];
            }
        }
    }
    for (const auto& [key, count] : other.mismatches) count_mismatch(key, count);
    for (const auto& [key, count] : other.incidents) incidents[key] += count;
    for (const auto& [key, count] : other.policy_actions) count_policy_action(key, count);
    active += other.active;
    accepted += other.accepted;
    for (size_t side = 0; side < bytes.size(); ++side) bytes[side] += other.bytes[side];
    upstream_connect.add(other.upstream_connect);
    upstream_first_byte.add(other.upstream_first_byte);
    verdict.add(other.verdict);
    for (size_t i = 0; i < upstream_attempts.size(); ++i) {
        upstream_attempts[i] += other.upstream_attempts[i];
    }
    endpoints_ejected = std::max(endpoints_ejected, other.endpoints_ejected);
    for (size_t i = 0; i < limits_reached.size(); ++i) limits_reached[i] += other.limits_reached[i];
}

}  // namespace telltale::proxy
