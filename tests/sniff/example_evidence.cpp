#include "tests/sniff/example_evidence.h"

#include "sniff/bytes.h"
#include "sniff/http1.h"
#include "tests/sniff/corpus.h"

#include <cerrno>

namespace telltale::sniff::test {
namespace {

Evidence pair(SideEvidence client, SideEvidence upstream) {
    Evidence e = connected();
    e.client = std::move(client);
    e.upstream = std::move(upstream);
    return e;
}

Evidence grpc_listener(Evidence e) {
    e.expect = Expect::grpc;
    return e;
}

Evidence ended_by(Evidence e, Side who, EndKind kind) {
    end(e, who, kind);
    return e;
}

Evidence drained(Evidence e) {
    e.ended = true;
    e.ended_by = {.side = std::nullopt,
                  .operation = Operation::drain,
                  .kind = EndKind::aborted,
                  .error = 0,
                  .phase = Phase::relaying};
    return e;
}

Evidence way(Outcome outcome, int error) {
    Evidence e = pair(side(Protocol::http2), side(Protocol::none));
    e.outcome = outcome;
    e.connected_at.reset();
    if (error != 0) e.attempts = {{.address = e.upstream_address, .error = error}};
    return e;
}

Evidence connecting(Millis now) {
    Evidence e = way(Outcome::connecting, 0);
    e.now = now;
    return e;
}

Evidence with_registry(Evidence e, PortRole role, std::string_view requested_service) {
    know_group_rpc_metrics(e);
    e.registry.port_role = role;
    e.registry.requested_service = requested_service;
    return e;
}

Evidence on_port(Evidence e, uint16_t port) {
    e.upstream_port = port;
    e.upstream_address = "10.244.2.9:" + std::to_string(port);
    return e;
}

SideEvidence other(std::string_view bytes) {
    SideEvidence s = side(Protocol::other);
    s.first_bytes = bytes;
    s.bytes = bytes.size();
    return s;
}

SideEvidence cut(uint64_t bytes) {
    SideEvidence s = side(Protocol::undecided);
    s.bytes = bytes;
    return s;
}

SideEvidence alert(uint8_t description) {
    SideEvidence s = side(Protocol::tls_alert);
    s.tls_alert = TlsAlert{.level = 2, .description = description};
    return s;
}

SideEvidence goaway(Protocol protocol, uint32_t code) {
    SideEvidence s = side(protocol);
    s.goaway = Http2Goaway{.error_code = code, .last_stream = 0, .debug = "too_many_pings"};
    return s;
}

SideEvidence server_hello(uint16_t version, std::vector<std::string> alpn) {
    SideEvidence s = side(Protocol::tls);
    s.tls_hello = TlsHello{.sni = {},
                           .alpn = std::move(alpn),
                           .versions = {version},
                           .complete = true,
                           .hello_retry = false};
    return s;
}

SideEvidence with_alert(SideEvidence s, uint8_t description) {
    s.tls_alert = TlsAlert{.level = 2, .description = description};
    return s;
}

SideEvidence forwarded(SideEvidence s) {
    s.http1_request->forwarded = {"x-forwarded-for", "x-real-ip"};
    return s;
}

Evidence silent(SideEvidence client, Millis ms) {
    Evidence e = pair(std::move(client), side(Protocol::silent));
    e.silent_for = ms;
    return e;
}

Evidence named_by_dns(Evidence e, std::string_view name) {
    e.dns_name = name;
    e.requested_dns_name = "group-rpc-service.openim.svc.cluster.local";
    return e;
}

constexpr std::string_view friend_pod = "10-244-2-9.friend-rpc-service.openim.svc.cluster.local";

Evidence confirmed(Evidence e, Spoken spoken, bool metrics = false) {
    e.confirmed.push_back({.port = e.upstream_port, .spoken = spoken, .metrics = metrics});
    return e;
}

Evidence beside_grpc(Evidence e) {
    e.confirmed.push_back({.port = 10260, .spoken = Spoken::grpc, .metrics = false});
    return e;
}

// Rows for what is asked after the incident.
void add_learned_rows(std::vector<Example>& all) {
    const SideEvidence h2 = side(Protocol::http2);
    const SideEvidence closed = side(Protocol::closed);
    all.push_back(
        {"stale_refused_by_dns", named_by_dns(way(Outcome::refused, ECONNREFUSED), friend_pod)});
    all.push_back(
        {"stale_by_dns", named_by_dns(pair(h2, http1_capture("go_servemux_400")), friend_pod)});
    all.push_back({"stale_hung_up_by_dns", named_by_dns(pair(h2, closed), friend_pod)});
    all.push_back(
        {"tls_confirmed", confirmed(pair(h2, http1_capture("nginx_plain_400")), Spoken::tls_h2)});
    all.push_back({"tls_confirmed_hung_up", confirmed(pair(h2, closed), Spoken::tls_h2)});
    all.push_back({"tls_confirmed_silent", confirmed(silent(h2, 5000), Spoken::tls)});
    all.push_back(
        {"plaintext_confirmed", confirmed(pair(tls_client({"h2"}), closed), Spoken::grpc)});
    all.push_back({"metrics_beside_grpc",
                   beside_grpc(confirmed(pair(h2, http1_capture("go_servemux_400")), Spoken::http1,
                                         /*metrics=*/true))});
    all.push_back(
        {"exporter_confirmed", confirmed(pair(h2, http1_capture("prometheus_cpp_http20_text_400")),
                                         Spoken::http1, /*metrics=*/true)});
    all.push_back({"metrics_confirmed",
                   confirmed(pair(h2, http1_capture("go_servemux_400")), Spoken::http1, true)});
    all.push_back({"metrics_confirmed_hung_up",
                   confirmed(pair(h2, closed), Spoken::http1, /*metrics=*/true)});
    all.push_back({"exporter_beside_grpc",
                   beside_grpc(pair(h2, http1_capture("prometheus_cpp_http20_text_400")))});
    all.push_back(
        {"http1_beside_grpc",
         beside_grpc(confirmed(pair(h2, http1_capture("prometheus_400")), Spoken::http1))});
    all.push_back({"http1_confirmed_hung_up", confirmed(pair(h2, closed), Spoken::http1)});
}

void add_way(std::vector<Example>& all) {
    all.push_back({"loop", way(Outcome::loop, 0)});
    all.push_back({"local_limit", way(Outcome::local_limit, EMFILE)});
    all.push_back({"stale_refused", with_registry(way(Outcome::refused, ECONNREFUSED),
                                                  PortRole::grpc, "user-rpc-service")});
    all.push_back({"refused", way(Outcome::refused, ECONNREFUSED)});
    all.push_back({"timed_out", way(Outcome::timed_out, ETIMEDOUT)});
    all.push_back({"unreachable", way(Outcome::unreachable, EHOSTUNREACH)});
    all.push_back({"dns_failure", way(Outcome::dns_failure, 0)});
    all.push_back({"no_endpoints", way(Outcome::no_endpoints, 0)});
    Evidence resolving = ended_by(connecting(3000), Side::client, EndKind::eof);
    resolving.upstream_address.clear();
    all.push_back({"resolve_abandoned", resolving});
    all.push_back({"connect_abandoned", ended_by(connecting(3000), Side::client, EndKind::eof)});
    all.push_back({"connect_left_early", ended_by(connecting(300), Side::client, EndKind::eof)});
    all.push_back({"connect_drained", drained(connecting(300))});
    all.push_back({"connect_open", connecting(300)});
}

void add_fine(std::vector<Example>& all) {
    const SideEvidence h1 = http1_client("GET", "/", "curl/8.0");
    Evidence upgrade = pair(h1, http1_answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    upgrade.layers = {Layer::upgrade_other};
    all.push_back({"fine_upgrade", upgrade});
    all.push_back({"fine_http2",
                   pair(http2_client("application/grpc"), http2_answer(200, "application/grpc"))});
    all.push_back(
        {"fine_draining", pair(side(Protocol::http2), goaway(Protocol::http2_goaway, 0))});
    all.push_back({"fine_tls", pair(tls_client({"h2"}), server_hello(0x0303, {"h2"}))});
    all.push_back({"fine_http1", pair(h1, http1_capture("nginx_get_200"))});
    all.push_back(
        {"fine_grpc_web",
         grpc_listener(
             pair(http1_client("POST", "/a.B/C", {}, "application/grpc-web+proto"),
                  http1_answer(
                      "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\n\r\n")))});
    all.push_back(
        {"fine_connect",
         grpc_listener(pair(http1_client("CONNECT", "group-rpc-service:10260"),
                            http1_answer("HTTP/1.1 200 Connection established\r\n\r\n")))});
    all.push_back({"fine_other", pair(other("\x01\x02"), side(Protocol::redis))});
    all.push_back({"fine_like_http1",
                   pair(http1_client("OPTIONS", "rtsp://cam/1"), other("RTSP/1.0 200 OK\r\n"))});
    all.push_back(
        {"fine_client_silent", ended_by(pair(side(Protocol::silent), side(Protocol::http2)),
                                        Side::client, EndKind::eof)});
    all.push_back({"fine_server_first", pair(side(Protocol::silent), side(Protocol::ssh))});
    all.push_back({"fine_client_left_early",
                   ended_by(silent(side(Protocol::http2), 300), Side::client, EndKind::eof)});
    all.push_back({"fine_client_cut",
                   ended_by(pair(cut(3), side(Protocol::http2)), Side::client, EndKind::eof)});
    all.push_back({"fine_answer_cut",
                   ended_by(pair(side(Protocol::http2), cut(3)), Side::client, EndKind::eof)});
    all.push_back({"fine_waiting", pair(side(Protocol::http2), side(Protocol::silent))});
    all.push_back({"fine_answer_begins", pair(side(Protocol::http2), cut(3))});
    all.push_back({"fine_client_begins", pair(cut(3), side(Protocol::http2))});
}

void add_answered(std::vector<Example>& all) {
    const SideEvidence h2 = side(Protocol::http2);
    const SideEvidence connect = http1_client("CONNECT", "group-rpc-service:10260");
    all.push_back({"connect_refused", pair(connect, http1_capture("squid_connect_refused_503"))});
    all.push_back({"connect_to_http2", pair(connect, side(Protocol::http2))});
    all.push_back({"connect_not_understood", pair(connect, side(Protocol::closed))});
    all.push_back({"stale_answered", with_registry(pair(h2, http1_capture("go_servemux_400")),
                                                   PortRole::grpc, "user-rpc-service")});
    all.push_back({"stale_hung_up", with_registry(pair(h2, side(Protocol::closed)), PortRole::grpc,
                                                  "user-rpc-service")});
    all.push_back({"metrics_by_registry", with_registry(pair(h2, http1_capture("go_servemux_400")),
                                                        PortRole::metrics, "group-rpc-service")});
    all.push_back({"metrics_other_bytes",
                   with_registry(pair(h2, other("?")), PortRole::metrics, "group-rpc-service")});
    all.push_back({"metrics_hung_up", with_registry(pair(h2, side(Protocol::reset)),
                                                    PortRole::metrics, "group-rpc-service")});
    all.push_back({"tls_alert_to_plaintext", pair(h2, alert(10))});
    all.push_back({"tls_by_its_own_words", pair(http1_client("GET", "/"),
                                                http1_capture("nginx_plain_request_to_tls_port"))});
    all.push_back({"tls_nginx_port", on_port(pair(h2, http1_capture("nginx_plain_400")), 8443)});
    all.push_back({"tls_client", pair(tls_client({"h2"}), h2)});
    all.push_back({"alpn_alert", pair(tls_client({"h2"}), alert(120))});
    all.push_back({"alpn_server_hello", pair(tls_client({"h2"}), server_hello(0x0303, {}))});
    all.push_back({"named_protocol", pair(h2, side(Protocol::redis))});
    all.push_back({"plaintext_http1",
                   pair(tls_client({"h2"}), http1_capture("go_servemux_400_to_client_hello"))});
    all.push_back({"plaintext_text", pair(tls_client({"h2"}), other("ERROR\r\n"))});
    all.push_back({"http1_forward_proxy", pair(h2, http1_capture("squid_400"))});
    all.push_back({"exporter_likely", pair(h2, http1_capture("prometheus_cpp_http20_text_400"))});
    all.push_back(
        {"exporter_possible",
         pair(h2, http1_answer("HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\nContent-Type: "
                               "text/html\r\nConnection: close\r\n\r\n<h1>404 Not Found</h1>No "
                               "context found for request"))});
    all.push_back({"http1_proxy", pair(h2, http1_capture("nginx_plain_400"))});
    all.push_back({"http1_application", pair(h2, http1_capture("prometheus_400"))});
    all.push_back(
        {"http1_unknown", pair(h2, http1_answer("HTTP/1.1 404 Nope\r\nX-Own: 1\r\n\r\n"))});
    all.push_back({"unknown_bytes", pair(h2, other("\x07\x08\x09"))});
    all.push_back({"goaway_http11", pair(h2, goaway(Protocol::http2, 13))});
    all.push_back({"neither_is_grpc",
                   grpc_listener(pair(http2_client("text/html"), http2_answer(404, "text/html")))});
    all.push_back({"answer_not_grpc",
                   pair(http2_client("application/grpc"), http2_answer(502, "text/html"))});
    Evidence local = pair(http2_client("application/grpc"), http2_answer(200, "application/grpc"));
    local.upstream.first_headers->grpc_status = "14";
    local.upstream.first_headers->grpc_message =
        "upstream connect error or disconnect/reset before headers. reset reason: protocol error";
    all.push_back({"proxy_local_reply", local});
}

// What a Telltale before group-rpc-service answered.
Evidence told(Evidence e, std::string_view cause, std::string_view hop) {
    if (e.upstream.first_headers) {
        e.upstream.first_headers->grpc_status = "14";
        e.upstream.first_headers->grpc_message = "The upstream answered HTTP/1.1 400%E2%80%A6";
        e.upstream.first_headers->telltale_cause = cause;
        e.upstream.first_headers->telltale_hop = hop;
    }
    if (e.upstream.http1_response) {
        e.upstream.http1_response->telltale_cause = cause;
        e.upstream.http1_response->telltale_hop = hop;
    }
    return e;
}

void add_attributed(std::vector<Example>& all) {
    all.push_back(
        {"attributed",
         told(pair(http2_client("application/grpc"), http2_answer(200, "application/grpc")),
              "metrics_port",
              "upstream;name=\"group-rpc-service\";role=metrics;address=\"10.244.2.9:12260\"")});
    all.push_back(
        {"attributed_to_client",
         told(pair(http1_client("GET", "/metrics", "Prometheus/2.42.0"),
                   http1_answer("HTTP/1.1 400 Bad Request\r\n\r\nA scraper asks a gRPC port.\n")),
              "metrics_scraper", "client;role=metrics;address=\"10.0.0.7:40000\"")});
}

void add_client(std::vector<Example>& all) {
    const SideEvidence h2 = side(Protocol::http2);
    all.push_back({"silent_upstream", silent(h2, 5000)});
    all.push_back({"grpc_in_http1",
                   pair(forwarded(http1_client("POST", "/a.B/C", {}, "application/grpc")), h2)});
    all.push_back({"scraper_agent", pair(http1_client("GET", "/stats", "Prometheus/2.42.0"), h2)});
    all.push_back({"probe_agent", pair(http1_client("GET", "/", "kube-probe/1.30"), h2)});
    all.push_back(
        {"scraper_path", pair(http1_client("GET", "/metrics", "Go-http-client/1.1"), h2)});
    all.push_back({"probe_path", pair(http1_client("GET", "/healthz?full", "curl/8.0"), h2)});
    all.push_back({"forwarded_post", pair(forwarded(http1_client("POST", "/a.B/C")), h2)});
    all.push_back({"http1_client", pair(http1_client("GET", "/", "curl/8.0"), h2)});
    all.push_back({"closed_tls_port", on_port(pair(h2, side(Protocol::closed)), 443)});
    all.push_back(
        {"closed", ended_by(pair(h2, side(Protocol::closed)), Side::upstream, EndKind::eof)});
    all.push_back({"reset_tls_port", on_port(pair(h2, side(Protocol::reset)), 6443)});
    all.push_back(
        {"reset", ended_by(pair(h2, side(Protocol::reset)), Side::upstream, EndKind::reset)});
    all.push_back({"drained", drained(pair(http2_client("application/grpc"),
                                           http2_answer(200, "application/grpc")))});
}

void add_unexplained(std::vector<Example>& all) {
    all.push_back({"tls_alert", pair(tls_client({"h2"}), alert(40))});
    all.push_back({"tls_alert_of_client",
                   pair(with_alert(tls_client({"h2"}), 48), server_hello(0x0303, {"h2"}))});
    all.push_back({"tls_alert_of_upstream",
                   pair(tls_client({"h2"}), with_alert(server_hello(0x0303, {"h2"}), 40))});
    all.push_back({"goaway_error", pair(side(Protocol::http2), goaway(Protocol::http2, 11))});
    all.push_back(
        {"not_settings_first", ended_by(pair(side(Protocol::http2), side(Protocol::http2_goaway)),
                                        Side::upstream, EndKind::eof)});
    Evidence unanswered = ended_by(pair(http2_client("application/grpc"), side(Protocol::http2)),
                                   Side::upstream, EndKind::reset);
    unanswered.upstream.bytes = 28;
    all.push_back({"unanswered_end", unanswered});
    Evidence broken = ended_by(pair(side(Protocol::http2), side(Protocol::http2)), Side::upstream,
                               EndKind::error);
    broken.ended_by.error = ETIMEDOUT;
    all.push_back({"upstream_broken", broken});
    all.push_back({"client_other", pair(other("\x01\x02\x03"), side(Protocol::http2))});
    all.push_back({"unexplained", ended_by(pair(cut(3), cut(3)), Side::upstream, EndKind::eof)});
}

}  // namespace

Evidence connected() {
    Evidence e;
    e.listener = "group-rpc";
    e.client_address = "10.244.1.5:43210";
    e.upstream_address = "10.244.2.9:12260";
    e.upstream_port = 12260;
    e.requested = "group-rpc-service:12260";
    e.outcome = Outcome::connected;
    e.connected_at = 1;
    e.client = side(Protocol::http2);
    e.now = 10;
    return e;
}

SideEvidence side(Protocol protocol) {
    SideEvidence s;
    s.protocol = protocol;
    return s;
}

SideEvidence http1_client(std::string_view method, std::string_view target,
                          std::string_view user_agent, std::string_view content_type) {
    SideEvidence s = side(Protocol::http1);
    s.bytes = 60;
    Http1Request request;
    request.method = method;
    request.target = target;
    request.version = "HTTP/1.1";
    request.user_agent = user_agent;
    request.content_type = content_type;
    request.head_complete = true;
    s.http1_request = request;
    return s;
}

SideEvidence http2_client(std::string_view content_type) {
    SideEvidence s = side(Protocol::http2);
    Http2Headers headers;
    headers.method = "POST";
    headers.path = "/demo.Echo/Say";
    headers.content_type = content_type;
    s.first_headers = headers;
    return s;
}

SideEvidence tls_client(std::vector<std::string> alpn) {
    SideEvidence s = side(Protocol::tls);
    s.tls_hello = TlsHello{.sni = "group-rpc-service",
                           .alpn = std::move(alpn),
                           .versions = {0x0304, 0x0303},
                           .complete = true,
                           .hello_retry = false};
    return s;
}

SideEvidence http1_capture(std::string_view name) {
    return http1_answer(upstream_bytes(name));
}

SideEvidence http1_answer(std::string_view text) {
    SideEvidence s = side(Protocol::http1);
    s.bytes = text.size();
    s.first_bytes = text.substr(0, first_bytes_max);
    s.http1_response = parse_http1_response(as_bytes(text));
    return s;
}

SideEvidence http2_answer(int status, std::string_view content_type) {
    SideEvidence s = side(Protocol::http2);
    s.bytes = 100;
    Http2Headers headers;
    headers.status = status;
    headers.content_type = content_type;
    s.first_headers = headers;
    return s;
}

void end(Evidence& evidence, Side who, EndKind kind) {
    evidence.ended = true;
    evidence.ended_by = {.side = who,
                         .operation = Operation::read,
                         .kind = kind,
                         .error = 0,
                         .phase = Phase::relaying};
}

void know_group_rpc_metrics(Evidence& evidence) {
    evidence.registry = {.service = "group-rpc-service",
                         .port_role = PortRole::metrics,
                         .grpc_port = 10260,
                         .requested_service = "group-rpc-service",
                         .requested_grpc_port = 10260,
                         .source = "openim data set"};
}

std::vector<Example> examples() {
    std::vector<Example> all;
    add_way(all);
    add_learned_rows(all);
    add_fine(all);
    add_answered(all);
    add_attributed(all);
    add_client(all);
    add_unexplained(all);
    return all;
}

}  // namespace telltale::sniff::test
