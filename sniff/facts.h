// Evidence → a set of named facts: the only place with thresholds, port patterns and lists of user
// agents. The rules judge facts and nothing else. Pure; any evidence, also contradictory evidence,
// gives a set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "sniff/evidence.h"
#include "sniff/fingerprint.h"

namespace telltale::sniff {

enum class Fact : uint8_t {
    // what the client said
    client_silent,
    client_cut,  // some bytes, too few to tell
    client_http1,
    client_http2,
    client_tls,
    client_other,
    client_wants_h2,      // HTTP/2, or TLS whose ALPN does not rule h2 out
    client_plaintext,     // HTTP/1 or HTTP/2
    client_spoke,         // HTTP/1, HTTP/2 or TLS
    client_out_of_place,  // HTTP/1 where the upstream speaks HTTP/2, the listener declares gRPC, or
                          // the request is gRPC
    request_connect,      // an HTTP/1 CONNECT that opened no tunnel
    request_grpc,         // gRPC's content type in an HTTP/1 request
    request_grpc_web,
    request_scraper_agent,
    request_scraper_path,
    request_probe_agent,
    request_probe_path,
    request_forwarded_post,  // POST with the forwarding headers of a proxy
    client_asked_not_grpc,   // the first request over HTTP/2 has another content type
    client_alpn_foreign,     // a complete ClientHello offers protocols, h2 not among them
    client_alert,            // the client sent a TLS alert in clear after the hellos
    // what the listener declares
    expects_grpc,
    expects_http,
    // what the upstream said
    upstream_http1,
    upstream_http2,            // SETTINGS first
    upstream_h2_out_of_order,  // HTTP/2, but not SETTINGS first
    upstream_speaks_h2,        // either
    upstream_tls,
    upstream_alert,           // an alert instead of an answer
    upstream_alert_no_alpn,   // no_application_protocol
    upstream_later_alert,     // an alert in clear after the hellos
    upstream_named_protocol,  // SSH, MySQL, PostgreSQL, Redis, SMTP
    upstream_other,
    upstream_other_text,  // `other`, and readable
    upstream_foreign,     // HTTP/1, a named protocol or `other`
    upstream_closed,      // FIN without a byte, and the client had not ended first
    upstream_reset,       // RST without a byte, and the client had not ended first
    upstream_hung_up,     // either
    upstream_mute,        // connected, no byte
    upstream_undecided,   // some bytes, too few to tell
    silence_long,         // the client had waited long enough for the silence to mean something
    // what the upstream's words mean
    says_tls_required,
    connect_refused,  // HTTP/1, not 2xx, to CONNECT
    software_forward_proxy,
    software_proxy,        // ingress, proxy, load balancer or mesh; also a Via header
    software_application,  // recognised, and none of the others
    answer_grpc_web,       // an HTTP/1 answer of gRPC-Web's content type
    exporter_likely,
    exporter_possible,
    nginx_rejects_request,  // nginx's 400, the same bytes on a plain and on a TLS port
    port_is_tls,            // 443, 8443, 6443, …
    tls_lost_h2,            // ServerHello in clear (TLS 1.2) without h2 for a client that needs it
    answer_not_grpc,        // the first response HEADERS, to a gRPC request
    proxy_local_reply,  // gRPC-shaped, and a proxy says in it that its backend broke the protocol
    goaway_http11,      // HTTP_1_1_REQUIRED
    goaway_error,       // another error code
    goaway_first,       // a graceful GOAWAY in place of SETTINGS
    attributed,         // a Telltale further in answered, and its answer names the cause
    attributed_to_client,  // and blames the client for what it is seen to do on this leg, too
    unanswered_end,        // HTTP/2, a request was sent, the upstream ended before any HEADERS
    // what the registry knows
    registry_metrics,
    registry_other_service,
    // the way to the upstream
    not_connected,  // still connecting or resolving
    refused,
    timed_out,
    unreachable,
    dns_failure,
    no_endpoints,
    loop,
    local_limit,
    address_unknown,  // no address was dialled yet
    wait_long,        // connecting or resolving took long
    // layers and endings
    inside_tunnel,
    opaque_upgrade,
    ended,
    client_ended,  // the client ended first
    cut_by_drain,
    upstream_broken,  // the upstream leg failed with an error that is neither EOF nor reset
    // what was asked after the incident
    dns_other_service,    // DNS knows the address as another service than the one asked for
    confirmed_metrics,    // the dialled port serves the Prometheus text format
    confirmed_http1,      // the dialled port speaks HTTP/1
    confirmed_plaintext,  // … any HTTP without TLS
    confirmed_tls,        // … TLS, with or without h2
    confirmed_again,      // … what this client wants, which it did not when it was dialled
    sibling_grpc,         // another port of the address speaks gRPC
};
inline constexpr size_t fact_count = static_cast<size_t>(Fact::sibling_grpc) + 1;

class FactSet final {
   public:
    constexpr FactSet() = default;
    constexpr FactSet(std::initializer_list<Fact> facts) {
        for (const Fact fact : facts) set(fact, true);
    }

    constexpr void set(Fact fact, bool value) {
        if (value) words_[index(fact)] |= bit(fact);
    }
    [[nodiscard]] constexpr bool has(Fact fact) const {
        return (words_[index(fact)] & bit(fact)) != 0;
    }
    [[nodiscard]] constexpr bool includes(const FactSet& other) const {
        return (other.words_[0] & ~words_[0]) == 0 && (other.words_[1] & ~words_[1]) == 0;
    }
    [[nodiscard]] constexpr bool meets(const FactSet& other) const {
        return (other.words_[0] & words_[0]) != 0 || (other.words_[1] & words_[1]) != 0;
    }
    [[nodiscard]] constexpr bool empty() const { return words_[0] == 0 && words_[1] == 0; }
    friend constexpr bool operator==(const FactSet&, const FactSet&) = default;

   private:
    static constexpr size_t index(Fact fact) { return static_cast<size_t>(fact) / 64U; }
    static constexpr uint64_t bit(Fact fact) {
        return uint64_t{1} << (static_cast<size_t>(fact) % 64U);
    }

    std::array<uint64_t, 2> words_{};
};
static_assert(fact_count <= 128, "FactSet has two words");

[[nodiscard]] FactSet find_facts(const Evidence& evidence, const Fingerprint& upstream_software);

// True for "application/grpc", "application/grpc+proto", "application/grpc; …"; not for gRPC-Web.
[[nodiscard]] bool is_grpc_content_type(std::string_view content_type);
[[nodiscard]] bool is_tls_port(uint16_t port);

}  // namespace telltale::sniff
