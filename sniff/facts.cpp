#include "sniff/facts.h"

#include "sniff/attribution.h"
#include "sniff/service_name.h"
#include "sniff/words.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace telltale::sniff {
namespace {

// A healthy peer answers within 0.1–140 ms (a cold JVM); with less waiting than this, silence is no
// finding.
constexpr Millis silence_long_ms = 1000;
// The client gave up on a connect or a name look-up that had taken this long.
constexpr Millis wait_long_ms = 1000;
// SETTINGS with 16 entries, ACK, WINDOW_UPDATE and PING are 144 bytes: more than this was an
// answer, even if unreadable.
constexpr uint64_t bytes_without_answer_max = 256;
constexpr uint16_t tls_1_2 = 0x0303;
constexpr uint8_t alert_close_notify = 0;
constexpr uint8_t alert_user_canceled = 90;
constexpr uint8_t alert_no_application_protocol = 120;  // RFC 7301 §3.2
constexpr uint32_t goaway_no_error = 0;                 // RFC 9113 §7
constexpr uint32_t goaway_http_1_1_required = 0xd;

constexpr std::array<std::string_view, 11> scraper_agents = {
    "Prometheus/",   "VictoriaMetrics", "vmagent",       "vm_promscrape",
    "GrafanaAgent/", "Grafana Agent",   "GrafanaAlloy/", "OpenTelemetry Collector",
    "otelcol",       "Telegraf/",       "Datadog Agent"};
constexpr std::array<std::string_view, 10> probe_agents = {"kube-probe/",
                                                           "ELB-HealthChecker/",
                                                           "GoogleHC/",
                                                           "GoogleStackdriverMonitoring",
                                                           "Envoy/HC",
                                                           "Consul Health Check",
                                                           "Amazon-Route53-Health-Check-Service",
                                                           "Blackbox Exporter/",
                                                           "Blackbox-Exporter/",
                                                           "kube-router/"};
constexpr std::array<std::string_view, 3> scraper_paths = {"/metrics", "/actuator/prometheus",
                                                           "/federate"};
constexpr std::array<std::string_view, 12> probe_paths = {
    "/health", "/healthz",   "/live", "/livez",     "/liveness", "/ready",
    "/readyz", "/readiness", "/ping", "/-/healthy", "/-/ready",  "/actuator/health"};
// Said by servers that read HTTP where they wanted TLS, always with status 400.
constexpr std::array<std::string_view, 4> tls_required_texts = {
    "The plain HTTP request was sent to HTTPS port",
    "This combination of host and port requires TLS",
    "Client sent an HTTP request to an HTTPS server",
    "You're speaking plain HTTP to an SSL-enabled server port"};

template <size_t N>
bool begins_with_any(std::string_view text, const std::array<std::string_view, N>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [text](std::string_view prefix) { return text.starts_with(prefix); });
}

template <size_t N>
bool contains_any(std::string_view text, const std::array<std::string_view, N>& parts) {
    return std::any_of(parts.begin(), parts.end(), [text](std::string_view part) {
        return text.find(part) != std::string_view::npos;
    });
}

// "/healthz", "/healthz?verbose", "/healthz/ready".
template <size_t N>
bool is_path_of(std::string_view target, const std::array<std::string_view, N>& paths) {
    const std::string_view path = target.substr(0, target.find('?'));
    return std::any_of(paths.begin(), paths.end(), [path](std::string_view known) {
        return path == known || (path.starts_with(known) && path[known.size()] == '/');
    });
}

bool begins_with_no_case(std::string_view text, std::string_view lower_prefix) {
    if (text.size() < lower_prefix.size()) return false;
    return std::equal(
        lower_prefix.begin(), lower_prefix.end(), text.begin(), [](char want, char got) {
            return want == static_cast<char>(std::tolower(static_cast<unsigned char>(got)));
        });
}

bool is_h2_alpn(std::string_view protocol) {
    return protocol == "h2" || protocol == "grpc-exp";
}

bool offers_h2(const std::vector<std::string>& alpn) {
    return std::any_of(alpn.begin(), alpn.end(), is_h2_alpn);
}

bool offers_only_h2(const std::vector<std::string>& alpn) {
    return !alpn.empty() && std::all_of(alpn.begin(), alpn.end(), is_h2_alpn);
}

bool is_readable(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' || c == '\t';
    });
}

bool is_mute(const SideEvidence& side) {
    return side.protocol == Protocol::none || side.protocol == Protocol::silent ||
           (side.protocol == Protocol::undecided && side.bytes == 0);
}

bool is_trouble(const std::optional<TlsAlert>& alert) {
    return alert && alert->description != alert_close_notify &&
           alert->description != alert_user_canceled;
}

uint16_t dialled_port(const Evidence& e) {
    if (!has_layer(e, Layer::connect_tunnel)) return e.upstream_port;
    const size_t colon = e.connect_target.rfind(':');
    uint16_t port = 0;
    if (colon == std::string::npos) return port;
    const char* end = e.connect_target.data() + e.connect_target.size();
    std::from_chars(e.connect_target.data() + colon + 1, end, port);
    return port;
}

// ---- one function per group of facts

void find_ending(const Evidence& e, FactSet& f) {
    const Ending& end = e.ended_by;
    f.set(Fact::ended, e.ended || end.kind != EndKind::none);
    f.set(Fact::client_ended, end.side == Side::client && end.kind != EndKind::none);
    f.set(Fact::cut_by_drain, end.operation == Operation::drain);
    const bool transfer = end.operation == Operation::read || end.operation == Operation::write;
    const bool failed = end.kind == EndKind::error || end.kind == EndKind::timeout;
    f.set(Fact::upstream_broken, end.side == Side::upstream && transfer && failed);
    f.set(Fact::inside_tunnel, has_layer(e, Layer::connect_tunnel));
    f.set(Fact::opaque_upgrade, has_layer(e, Layer::upgrade_other));
}

void find_way(const Evidence& e, FactSet& f) {
    const bool spoke = !is_mute(e.upstream) || e.connected_at;
    f.set(Fact::not_connected, e.outcome == Outcome::connecting && !spoke);
    f.set(Fact::refused, e.outcome == Outcome::refused);
    f.set(Fact::timed_out, e.outcome == Outcome::timed_out);
    f.set(Fact::unreachable, e.outcome == Outcome::unreachable);
    f.set(Fact::dns_failure, e.outcome == Outcome::dns_failure);
    f.set(Fact::no_endpoints, e.outcome == Outcome::no_endpoints);
    f.set(Fact::loop, e.outcome == Outcome::loop);
    f.set(Fact::local_limit, e.outcome == Outcome::local_limit);
    f.set(Fact::address_unknown, e.upstream_address.empty() && e.attempts.empty());
    f.set(Fact::wait_long, e.now >= wait_long_ms);
    // While the connection is open it was the configured patience that ran out, however short.
    f.set(Fact::silence_long,
          e.silent_for && (!f.has(Fact::ended) || *e.silent_for >= silence_long_ms));
}

void find_client(const Evidence& e, FactSet& f) {
    const SideEvidence& client = e.client;
    f.set(Fact::client_silent, is_mute(client));
    f.set(Fact::client_cut, client.protocol == Protocol::undecided && client.bytes > 0);
    const bool http1 = client.protocol == Protocol::http1;
    const bool http2 = client.protocol == Protocol::http2;
    const bool tls = client.protocol == Protocol::tls;
    f.set(Fact::client_http1, http1);
    f.set(Fact::client_http2, http2);
    f.set(Fact::client_tls, tls);
    f.set(Fact::client_other,
          !http1 && !http2 && !tls && !is_mute(client) && client.protocol != Protocol::undecided);
    f.set(Fact::client_plaintext, http1 || http2);
    f.set(Fact::client_spoke, http1 || http2 || tls);
    const bool foreign = tls && client.tls_hello && client.tls_hello->complete &&
                         !client.tls_hello->alpn.empty() && !offers_h2(client.tls_hello->alpn);
    f.set(Fact::client_alpn_foreign, foreign);
    f.set(Fact::client_wants_h2, http2 || (tls && !foreign));
    f.set(Fact::client_alert, tls && is_trouble(client.tls_alert));
    f.set(Fact::expects_grpc, e.expect == Expect::grpc);
    f.set(Fact::expects_http, e.expect == Expect::http);
}

void find_request(const Evidence& e, FactSet& f) {
    if (e.client.protocol != Protocol::http1 || !e.client.http1_request) return;
    const Http1Request& request = *e.client.http1_request;
    const bool get = request.method == "GET" || request.method == "HEAD";
    f.set(Fact::request_connect, request.method == "CONNECT" && !f.has(Fact::inside_tunnel));
    f.set(Fact::request_grpc, is_grpc_content_type(request.content_type));
    f.set(Fact::request_grpc_web,
          begins_with_no_case(request.content_type, "application/grpc-web"));
    f.set(Fact::request_scraper_agent, begins_with_any(request.user_agent, scraper_agents));
    f.set(Fact::request_scraper_path, get && is_path_of(request.target, scraper_paths));
    f.set(Fact::request_probe_agent, begins_with_any(request.user_agent, probe_agents));
    // HAProxy's `option httpchk` without further settings asks exactly so, and names no agent.
    const bool httpchk = request.method == "OPTIONS" && request.target == "/" &&
                         request.version == "HTTP/1.0" && request.user_agent.empty();
    f.set(Fact::request_probe_path, (get && is_path_of(request.target, probe_paths)) || httpchk);
    f.set(Fact::request_forwarded_post,
          request.method == "POST" && (!request.forwarded.empty() || !request.via.empty()));
}

void find_upstream(const Evidence& e, FactSet& f) {
    const SideEvidence& upstream = e.upstream;
    const bool client_ended = f.has(Fact::client_ended);
    const bool closed = upstream.protocol == Protocol::closed && !client_ended;
    const bool reset = upstream.protocol == Protocol::reset && !client_ended;
    const bool hung_up_after = client_ended && (upstream.protocol == Protocol::closed ||
                                                upstream.protocol == Protocol::reset);
    const bool way_failed = e.outcome != Outcome::connected && e.outcome != Outcome::connecting;
    f.set(Fact::upstream_mute, (is_mute(upstream) || hung_up_after) && !way_failed);
    f.set(Fact::upstream_undecided, upstream.protocol == Protocol::undecided && upstream.bytes > 0);
    f.set(Fact::upstream_closed, closed);
    f.set(Fact::upstream_reset, reset);
    f.set(Fact::upstream_hung_up, closed || reset);
    const bool http1 = upstream.protocol == Protocol::http1;
    const bool http2 = upstream.protocol == Protocol::http2;
    const bool goaway = upstream.protocol == Protocol::http2_goaway;
    const bool other = upstream.protocol == Protocol::other;
    const bool named = upstream.protocol >= Protocol::ssh && upstream.protocol <= Protocol::smtp;
    f.set(Fact::upstream_http1, http1);
    f.set(Fact::upstream_http2, http2);
    f.set(Fact::upstream_h2_out_of_order, goaway);
    f.set(Fact::upstream_speaks_h2, http2 || goaway);
    f.set(Fact::upstream_tls, upstream.protocol == Protocol::tls);
    f.set(Fact::upstream_alert, upstream.protocol == Protocol::tls_alert);
    f.set(Fact::upstream_alert_no_alpn,
          upstream.tls_alert && upstream.tls_alert->description == alert_no_application_protocol);
    f.set(Fact::upstream_later_alert,
          upstream.protocol == Protocol::tls && is_trouble(upstream.tls_alert));
    f.set(Fact::upstream_named_protocol, named);
    f.set(Fact::upstream_other, other);
    f.set(Fact::upstream_other_text, other && is_readable(upstream.first_bytes));
    f.set(Fact::upstream_foreign, http1 || other || named);
    f.set(Fact::port_is_tls, is_tls_port(dialled_port(e)));
}

void find_http1_answer(const Evidence& e, const Fingerprint& software, FactSet& f) {
    if (e.upstream.protocol != Protocol::http1) return;
    if (!e.upstream.http1_response) return;
    const Http1Response& response = *e.upstream.http1_response;
    f.set(Fact::connect_refused, f.has(Fact::request_connect) && response.status / 100 != 2);
    f.set(Fact::answer_grpc_web,
          begins_with_no_case(response.content_type, "application/grpc-web"));
    f.set(Fact::says_tls_required,
          response.status == 400 && contains_any(response.body, tls_required_texts));
    f.set(Fact::nginx_rejects_request,
          response.status == 400 &&
              (software.software == "nginx" || software.software == "OpenResty"));
    switch (software.role) {
        case Role::forward_proxy:
            f.set(Fact::software_forward_proxy, true);
            return;
        case Role::ingress:
        case Role::proxy:
        case Role::load_balancer:
        case Role::mesh:
            f.set(Fact::software_proxy, true);
            return;
        case Role::metrics:
            f.set(software.confidence == Confidence::possible ? Fact::exporter_possible
                                                              : Fact::exporter_likely,
                  true);
            return;
        case Role::unknown:
        case Role::application:
        case Role::database:
            break;
    }
    f.set(Fact::software_application, !software.id.empty());
    f.set(Fact::software_proxy, software.id.empty() && !response.via.empty());
}

void find_tls_answer(const Evidence& e, FactSet& f) {
    if (e.client.protocol != Protocol::tls || e.upstream.protocol != Protocol::tls) return;
    if (!e.client.tls_hello || !e.upstream.tls_hello) return;
    const TlsHello& client = *e.client.tls_hello;
    const TlsHello& server = *e.upstream.tls_hello;
    // From TLS 1.3 on the answer to ALPN is encrypted: then nothing can be said.
    const bool in_clear = server.complete && !server.hello_retry && !server.versions.empty() &&
                          server.versions.front() <= tls_1_2;
    const bool needs_h2 = client.complete && (offers_only_h2(client.alpn) ||
                                              (e.expect == Expect::grpc && offers_h2(client.alpn)));
    f.set(Fact::tls_lost_h2, in_clear && needs_h2 && !offers_h2(server.alpn));
}

bool is_grpc_request(const Http2Headers& request) {
    return is_grpc_content_type(request.content_type) || request.user_agent.starts_with("grpc-");
}

// By its own words, by the listener's declaration, or by what the conversation still knew of an
// upgraded request.
bool asked_for_grpc(const Evidence& e) {
    if (e.expect == Expect::grpc || e.verdict == Verdict::mismatch) return true;
    return e.client.first_headers && is_grpc_request(*e.client.first_headers);
}

void find_http2_answer(const Evidence& e, FactSet& f) {
    if (e.client.protocol != Protocol::http2 || !f.has(Fact::upstream_speaks_h2)) return;
    const SideEvidence& upstream = e.upstream;
    f.set(Fact::client_asked_not_grpc,
          e.client.first_headers && !is_grpc_request(*e.client.first_headers));
    if (upstream.goaway) {
        const uint32_t code = upstream.goaway->error_code;
        f.set(Fact::goaway_http11, code == goaway_http_1_1_required);
        f.set(Fact::goaway_error, code != goaway_no_error && code != goaway_http_1_1_required);
        f.set(Fact::goaway_first, f.has(Fact::upstream_h2_out_of_order) && code == goaway_no_error);
    }
    if (upstream.first_headers) {
        const Http2Headers& answer = *upstream.first_headers;
        const bool grpc = is_grpc_content_type(answer.content_type) || !answer.grpc_status.empty();
        f.set(Fact::answer_not_grpc, !grpc && asked_for_grpc(e));
        f.set(
            Fact::proxy_local_reply,
            grpc && answer.grpc_message.find("reset reason: protocol error") != std::string::npos);
        return;
    }
    const bool gone = e.ended_by.side == Side::upstream &&
                      (e.ended_by.kind == EndKind::eof || e.ended_by.kind == EndKind::reset);
    f.set(Fact::unanswered_end, gone && e.client.first_headers && !upstream.goaway &&
                                    upstream.bytes <= bytes_without_answer_max);
}

// An inner Telltale's client is whoever dialled it: a proxy on the way, or this one's own client.
void find_attributed(const Evidence& e, FactSet& f) {
    const auto attribution = find_attribution(e);
    if (!attribution) return;
    f.set(Fact::attributed, true);
    const bool to_client = attribution->hop ? attribution->hop->position <= HopPosition::client_leg
                                            : attribution->cause >= Cause::metrics_scraper &&
                                                  attribution->cause <= Cause::tls_client;
    f.set(Fact::attributed_to_client, to_client && e.client.protocol == Protocol::http1);
}

void find_registry(const Evidence& e, FactSet& f) {
    // The registry knows the dialled address; in a tunnel that is the forward proxy.
    if (f.has(Fact::inside_tunnel)) return;
    const RegistryFacts& registry = e.registry;
    const bool both_known = !registry.service.empty() && !registry.requested_service.empty();
    f.set(Fact::registry_metrics, registry.port_role == PortRole::metrics);
    f.set(Fact::registry_other_service,
          both_known && registry.service != registry.requested_service);
}

// A PTR record alone says little: it counts where what was asked for is a Service by DNS, too, and
// the two can't be one.
void find_dns(const Evidence& e, FactSet& f) {
    if (f.has(Fact::inside_tunnel)) return;
    const auto owner = service_of(e.dns_name);
    const auto requested = service_of(e.requested_dns_name);
    f.set(Fact::dns_other_service, owner && requested && !may_be_one_workload(*owner, *requested));
}

void find_confirmed(const Evidence& e, FactSet& f) {
    if (f.has(Fact::inside_tunnel)) return;
    for (const ConfirmedPort& port : e.confirmed) {
        const bool grpc = port.spoken == Spoken::grpc;
        if (port.port != e.upstream_port) {
            f.set(Fact::sibling_grpc, grpc);
            continue;
        }
        const bool tls_h2 = port.spoken == Spoken::tls_h2;
        const bool http1 = port.spoken == Spoken::http1;
        f.set(Fact::confirmed_metrics, port.metrics);
        f.set(Fact::confirmed_http1, http1);
        f.set(Fact::confirmed_plaintext, http1 || grpc || port.spoken == Spoken::http2);
        f.set(Fact::confirmed_tls, tls_h2 || port.spoken == Spoken::tls);
        f.set(Fact::confirmed_again,
              (f.has(Fact::client_http2) && grpc) || (f.has(Fact::client_tls) && tls_h2));
    }
}

}  // namespace

FactSet find_facts(const Evidence& evidence, const Fingerprint& upstream_software) {
    FactSet facts;
    find_ending(evidence, facts);
    find_way(evidence, facts);
    find_client(evidence, facts);
    find_request(evidence, facts);
    find_upstream(evidence, facts);
    find_http1_answer(evidence, upstream_software, facts);
    find_tls_answer(evidence, facts);
    find_http2_answer(evidence, facts);
    find_attributed(evidence, facts);
    find_registry(evidence, facts);
    find_dns(evidence, facts);
    find_confirmed(evidence, facts);
    facts.set(Fact::client_out_of_place,
              facts.has(Fact::client_http1) && !facts.has(Fact::request_connect) &&
                  (facts.has(Fact::upstream_speaks_h2) || facts.has(Fact::expects_grpc) ||
                   facts.has(Fact::request_grpc)));
    return facts;
}

bool is_grpc_content_type(std::string_view content_type) {
    constexpr std::string_view grpc = "application/grpc";
    if (!begins_with_no_case(content_type, grpc)) return false;
    if (content_type.size() == grpc.size()) return true;
    const char next = content_type[grpc.size()];
    return next == '+' || next == ';' || next == ' ';
}

// 443 and the customs that grew from it: 1443, 4443, 6443, 8443, 9443, 10443, 15443, …
bool is_tls_port(uint16_t port) {
    return port % 1000 == 443;
}

}  // namespace telltale::sniff
