// The closed lists of a diagnosis: causes, confidence, hop positions, hop roles. Codes are stable:
// alerts and docs/runbook.md link to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace telltale::sniff {

enum class Cause : uint8_t {
    fine,  // not an incident
    // the upstream spoke something else
    metrics_port,
    http1_proxy,
    http1_application,
    forward_proxy,
    tls_required,
    plaintext_upstream,
    alpn_without_h2,
    http2_not_grpc,
    other_protocol,
    stale_endpoint,
    // the upstream did not speak
    refused,
    connect_timeout,
    unreachable,
    dns_failure,
    no_endpoints,
    closed_before_preface,
    reset_before_preface,
    silent_upstream,
    // the client spoke something else
    metrics_scraper,
    health_probe,
    http1_client,
    downgraded_by_proxy,
    tls_client,
    // Telltale
    loop,
    proxy_limit,
    proxy_shutdown,
    unexplained,
};
inline constexpr size_t cause_count = 28;

inline constexpr std::array<std::string_view, cause_count> cause_names = {"fine",
                                                                          "metrics_port",
                                                                          "http1_proxy",
                                                                          "http1_application",
                                                                          "forward_proxy",
                                                                          "tls_required",
                                                                          "plaintext_upstream",
                                                                          "alpn_without_h2",
                                                                          "http2_not_grpc",
                                                                          "other_protocol",
                                                                          "stale_endpoint",
                                                                          "refused",
                                                                          "connect_timeout",
                                                                          "unreachable",
                                                                          "dns_failure",
                                                                          "no_endpoints",
                                                                          "closed_before_preface",
                                                                          "reset_before_preface",
                                                                          "silent_upstream",
                                                                          "metrics_scraper",
                                                                          "health_probe",
                                                                          "http1_client",
                                                                          "downgraded_by_proxy",
                                                                          "tls_client",
                                                                          "loop",
                                                                          "proxy_limit",
                                                                          "proxy_shutdown",
                                                                          "unexplained"};

enum class Confidence : uint8_t { certain, likely, possible };
inline constexpr std::array<std::string_view, 3> confidence_names = {"certain", "likely",
                                                                     "possible"};

enum class HopPosition : uint8_t { client, client_leg, proxy, upstream_leg, upstream };
inline constexpr size_t hop_position_count = 5;
inline constexpr std::array<std::string_view, hop_position_count> hop_position_names = {
    "client", "client_leg", "proxy", "upstream_leg", "upstream"};

enum class Role : uint8_t {
    unknown,
    application,
    metrics,
    ingress,
    proxy,
    load_balancer,
    forward_proxy,
    mesh,
    database,
};
inline constexpr size_t role_count = 9;
inline constexpr std::array<std::string_view, role_count> role_names = {
    "unknown",       "application",   "metrics", "ingress", "proxy",
    "load_balancer", "forward_proxy", "mesh",    "database"};

[[nodiscard]] constexpr std::string_view name(Cause c) {
    return cause_names[static_cast<size_t>(c)];
}
[[nodiscard]] constexpr std::string_view name(Confidence c) {
    return confidence_names[static_cast<size_t>(c)];
}
[[nodiscard]] constexpr std::string_view name(HopPosition p) {
    return hop_position_names[static_cast<size_t>(p)];
}
[[nodiscard]] constexpr std::string_view name(Role r) {
    return role_names[static_cast<size_t>(r)];
}

// What a cause says of the protocols: these count in telltale_mismatches_total, whatever the
// confidence.
[[nodiscard]] constexpr bool is_mismatch(Cause c) {
    return (c >= Cause::metrics_port && c <= Cause::stale_endpoint) ||
           (c >= Cause::metrics_scraper && c <= Cause::tls_client);
}

static_assert(name(Cause::unexplained) == "unexplained" &&
              name(Cause::silent_upstream) == "silent_upstream");

}  // namespace telltale::sniff
