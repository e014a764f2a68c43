// What proxies print about their upstreams: nginx, Envoy and Istio, HAProxy, Linkerd, Traefik and
// other Go proxies, cloud load balancers; and Telltale itself.
#include <array>

#include "sniff/explain/causes.h"
#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {
namespace {

using enum Weight;
using enum Reader;

constexpr std::string_view probe = "telltale probe {address}";
constexpr std::string_view envoy = "Envoy (Istio, Contour, Cilium, Envoy Gateway)";
constexpr std::string_view no_buffers =
    "Not a size problem: do not raise grpc_buffer_size, proxy_buffers or proxy_buffer_size.";

constexpr auto read_as_http1 = std::to_array<Likely>({
    {Cause::downgraded_by_proxy,
     "proxy_pass stands where grpc_pass is due (ingress-nginx: no backend-protocol: GRPC): nginx "
     "asks a gRPC server in HTTP/1 and can't read its SETTINGS"},
    {Cause::other_protocol,
     "the backend speaks TLS or something else; with TLS: proxy_pass https://"},
});
constexpr auto cluster_protocol = std::to_array<Likely>({
    {Cause::http1_application, "the cluster is set to HTTP/2 and the service speaks HTTP/1"},
    {Cause::downgraded_by_proxy,
     "the cluster is set to HTTP/1 and the service speaks gRPC: Istio's port name without grpc- or "
     "appProtocol, Envoy without http2_protocol_options"},
    {Cause::metrics_port, "the port behind the cluster is that of the metrics"},
    {Cause::other_protocol, "the service speaks TLS itself, or no HTTP at all"},
});
constexpr auto haproxy_invalid = std::to_array<Likely>({
    {Cause::downgraded_by_proxy,
     "the server line lacks `proto h2` (or `alpn h2`), so HAProxy asks a gRPC server in HTTP/1"},
    {Cause::other_protocol, "the server speaks no HTTP"},
});
constexpr auto haproxy_unreachable = std::to_array<Likely>({
    {Cause::refused, "the server is down, or another address"},
    {Cause::http1_application, "`proto h2` on the server line, and the server speaks HTTP/1"},
});
constexpr auto upstream_ended = std::to_array<Likely>({
    {Cause::tls_required, "the upstream speaks TLS and the proxy does not"},
    {Cause::closed_before_preface, "the upstream hangs up on what it does not know"},
    {Cause::proxy_shutdown, "the upstream was being restarted"},
});
constexpr auto no_backend = std::to_array<Likely>({
    {Cause::no_endpoints, "no ready pod behind the Service, or a wrong selector"},
    {Cause::refused, "the backend's port is not open"},
});

// clang-format off: a row reads as a row.
// clang-format off
constexpr auto table = std::to_array<ErrorText>({
    // ---- Telltale
    {"telltale_incident", specific, proxy, "\"event\":\"incident\"{*}\"cause\":\"{cause}\"", "Telltale, in its record", "what the record says", {}, {}, {}, probe,
     "docs/commands.md", R"({"ts":"2026-11-22T22:01:37.396Z","level":"warning","event":"incident","id":"1","listener":"outbound","verdict":"mismatch","cause":"metrics_port","confidence":"certain"})"},
    {"telltale_answer", specific, client, "x-telltale-cause: {cause}", "Telltale, in an answer to its client", "what Telltale answered in the place of the upstream", {}, {}, {}, probe,
     "docs/policies.md", "x-telltale-cause: metrics_port"},
    {"telltale_proxy_status", specific, client, "telltale;error={name}{*};details=\"{cause}\"", "Telltale, in the Proxy-Status header of its answer", "what Telltale answered in the place of the upstream", {}, {}, {}, probe,
     "docs/policies.md", R"(proxy-status: telltale;error=http_protocol_error;next-hop="10.244.2.9:12260";next-protocol=http/1.1;received-status=400;details="metrics_port")"},
    {"telltale_metadata", specific, client, "x-telltale-cause\"{*}\"{cause}\"", "Telltale, in the trailers of a gRPC answer", "what Telltale answered in the place of the upstream", {}, {}, {}, probe,
     "docs/policies.md", R"(trailers: ("x-telltale-cause", "metrics_port"), ("x-telltale-hop", "upstream"))"},

    // ---- nginx
    {"nginx_h2_frame", specific, proxy, "upstream sent too large http2 frame: {frame}", "nginx with grpc_pass", "no HTTP/2 where the upstream's SETTINGS were due; the number is the first three bytes that came", {}, no_buffers, {}, probe,
     "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:26 [error] 7327#7327: *1 upstream sent too large http2 frame: 4740180 while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:38999", host: "127.0.0.1:19100")"},
    {"nginx_no_valid_header", specific, proxy, "upstream sent no valid HTTP/1.0 header", "nginx with proxy_pass", "no status line where the upstream's was due: a gRPC server's SETTINGS look so", read_as_http1, no_buffers, {}, "nginx -T | grep -n _pass\ntelltale probe {address}",
     "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:54 [error] 7327#7327: *97 upstream sent no valid HTTP/1.0 header while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "http://127.0.0.1:33085/telltale.test.Echo/Unary", host: "127.0.0.1:19116")"},
    {"nginx_http09", specific, proxy, "HTTP/2.0\" 009 ", "nginx with proxy_pass, in its access log", "no status line where the upstream's was due: a gRPC server's SETTINGS look so", read_as_http1, {}, {}, "nginx -T | grep -n _pass", "measured: nginx 1.22.1",
     R"x(127.0.0.1 - - [23/Nov/2026:09:59:53 +0000] "POST /telltale.test.Echo/Unary HTTP/2.0" 009 15 "-" "grpc-c++/1.51.1 grpc-c/29.0.0 (linux; chttp2)")x"},
    {"nginx_upstream_tls", specific, proxy, "SSL_do_handshake() failed{*}while SSL handshaking to upstream", "nginx with grpcs:// or https://", "something that is no TLS where the upstream's ServerHello was due, or a refused certificate", no_tls_there, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:46 [error] 7327#7327: *73 SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) while SSL handshaking to upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpcs://127.0.0.1:38999", host: "127.0.0.1:19112")"},
    {"nginx_premature", specific, proxy, "upstream prematurely closed connection while reading response header from upstream", "nginx", "nothing, then the end, where the upstream's answer was due", upstream_ended, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:29 [error] 7327#7327: *25 upstream prematurely closed connection while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:40673", host: "127.0.0.1:19104")"},
    {"nginx_reset", specific, proxy, "(104: Connection reset by peer) while {*} upstream", "nginx", "a reset where the upstream's answer was due", connection_reset, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:31 [error] 7327#7327: *31 recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:46801", host: "127.0.0.1:19105")"},
    {"nginx_goaway", specific, proxy, "upstream sent goaway with error {number}", "nginx with grpc_pass", "GOAWAY where the upstream's answer was due", answered_not_grpc, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:37 [error] 7327#7327: *49 upstream sent goaway with error 0 while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:42295", host: "127.0.0.1:19108")"},
    {"nginx_refused", specific, proxy, "connect() failed (111: Connection refused) while connecting to upstream", "nginx", "nothing: the connection was refused", refused_there, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:32 [error] 7327#7327: *37 connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:52797", host: "127.0.0.1:19106")"},
    {"nginx_timeout", specific, proxy, "upstream timed out (110: Connection timed out) while {*} upstream", "nginx", "nothing in time: no connection, or no answer", timed_out_there, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:40 [error] 7327#7327: *55 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 127.0.0.1, server: , request: "POST /telltale.test.Echo/Unary HTTP/2.0", upstream: "grpc://127.0.0.1:40245", host: "127.0.0.1:19109")"},
    {"nginx_no_live", specific, proxy, "no live upstreams while connecting to upstream", "nginx", "nothing: every upstream failed shortly before", no_backend, {}, {}, probe, "measured: nginx 1.22.1",
     R"(2026/11/23 10:55:39 [error] 6583#6583: *5 no live upstreams while connecting to upstream, client: 127.0.0.1, server: , request: "GET /x HTTP/2.0", upstream: "grpc://dead", host: "127.0.0.1:19312")"},
    {"nginx_too_big_header", specific, proxy, "upstream sent too big header while reading response header", "nginx", "a header above the buffer, or bytes that are no header at all", read_as_http1, "Raise buffers only after a probe says that the upstream speaks the protocol of the _pass directive.", {}, "nginx -T | grep -n _pass\ntelltale probe {address}",
     "measured: nginx 1.22.1",
     R"(2026/11/23 10:55:39 [error] 6583#6583: *7 upstream sent too big header while reading response header from upstream, client: 127.0.0.1, server: , request: "GET /big HTTP/2.0", upstream: "http://127.0.0.1:19311/big", host: "127.0.0.1:19312")"},

    // ---- Envoy
    {"envoy_protocol_error", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}reset reason: protocol error", envoy, "another protocol than the cluster's on the upstream side", cluster_protocol, {}, {},
     "istioctl proxy-config clusters POD  # or Envoy's /config_dump: http2_protocol_options of the cluster", "measured: Envoy 1.40.0",
     R"(rpc error: code = Unavailable desc = upstream connect error or disconnect/reset before headers. reset reason: protocol error)"},
    {"envoy_termination", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}reset reason: connection termination", envoy, "an end of the connection before the upstream's answer: nothing, a TLS alert or a reset", upstream_ended, {}, {}, probe, "measured: Envoy 1.40.0",
     R"(rpc error: code = Unavailable desc = upstream connect error or disconnect/reset before headers. reset reason: connection termination)"},
    {"envoy_remote_failure", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}reset reason: remote connection failure", envoy, "nothing: the upstream could not be connected to", refused_there, {}, {}, probe, "measured: Envoy 1.40.0",
     R"(rpc error: code = Unavailable desc = upstream connect error or disconnect/reset before headers. reset reason: remote connection failure)"},
    {"envoy_connection_failure", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}reset reason: connection failure", envoy, "nothing: the upstream could not be connected to", refused_there, {},
     "An older Envoy; 1.40 says \"remote connection failure\".", probe, "https://github.com/istio/istio/issues/19966",
     R"(upstream connect error or disconnect/reset before headers. reset reason: connection failure)"},
    {"envoy_timeout", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}reset reason: connection timeout", envoy, "nothing: nobody answered the connection attempt", timed_out_there, {}, {}, probe,
     "https://github.com/envoyproxy/envoy/blob/main/source/common/http/utility.cc", R"(upstream connect error or disconnect/reset before headers. reset reason: connection timeout)"},
    {"envoy_before_headers", general, proxy, "upstream connect error or disconnect/reset before headers", envoy, "no answer of the upstream; the reason stands behind it, if at all", cluster_protocol, {}, {}, probe, "https://github.com/istio/istio/issues/9926",
     R"(503: upstream connect error or disconnect/reset before headers)"},
    {"envoy_transport_failure", specific, proxy, "upstream connect error or disconnect/reset before headers. {*}transport failure reason: {*}WRONG_VERSION_NUMBER", envoy, "something that is no TLS where the upstream's ServerHello was due", no_tls_there, {}, {}, probe, "https://github.com/istio/istio/issues/40104",
     R"(upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection failure, transport failure reason: TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER)"},
    {"envoy_upe", specific, proxy, "{=} UPE {number} {number} ", "Envoy, in its access log", "upstream protocol error: another protocol than the cluster's", cluster_protocol, {}, {}, probe, "measured: Envoy 1.40.0",
     R"([2026-11-23T10:00:59.665Z] "POST /telltale.test.Echo/Unary HTTP/2" 200 UPE 10 0 1 - "-" "grpc-go/1.85.0" "dc3d1f7b-d7bd-42c6-a437-d33a06967e13" "127.0.0.1:19160" "127.0.0.1:38999")"},
    {"envoy_upe_istio", specific, proxy, "{=} UPE upstream_reset_before_response_started{protocol_error}", "Istio's Envoy, in its access log", "upstream protocol error: another protocol than the cluster's", cluster_protocol, {}, {}, probe, "https://github.com/istio/istio/issues/57294",
     R"([2025-08-01T10:00:00.000Z] "POST /a.B/C HTTP/2" 200 UPE upstream_reset_before_response_started{protocol_error} - "-" 5 0 1 - "-" "grpc-go/1.70.0" "id" "svc:8080" "10.1.2.3:8080" outbound|8080||svc.ns.svc.cluster.local 10.1.2.4:1 10.5.6.7:8080 10.1.2.4:2 - default)"},
    {"envoy_uf", specific, proxy, "{=} UF {number} {number} ", "Envoy, in its access log", "nothing: the upstream could not be connected to", refused_there, {}, {}, probe, "measured: Envoy 1.40.0",
     R"([2026-11-23T10:01:00.501Z] "POST /telltale.test.Echo/Unary HTTP/2" 200 UF 10 0 0 - "-" "grpc-go/1.85.0" "a0768e00-22e0-4f22-bb1c-46c119c75460" "127.0.0.1:19172" "127.0.0.1:52797")"},
    {"envoy_uf_istio", specific, proxy, "UF upstream_reset_before_response_started{{*}connection_failure", "Istio's Envoy, in its access log", "nothing: the upstream could not be connected to", refused_there, {}, {}, probe, "https://github.com/istio/istio/issues/40104",
     R"("GET / HTTP/1.1" 503 UF upstream_reset_before_response_started{connection_failure,delayed_connect_error:_111} - "-" 0 159 0 - "-" "curl" "id" "svc:80" "10.1.2.3:8080" outbound|80||svc.ns.svc.cluster.local - 10.5.6.7:80 10.1.2.4:2 - default)"},
    {"envoy_uc", specific, proxy, "{=} UC {number} {number} ", "Envoy, in its access log", "an end of the upstream's connection before its answer", upstream_ended, {}, {}, probe, "measured: Envoy 1.40.0",
     R"([2026-11-23T10:01:00.071Z] "POST /telltale.test.Echo/Unary HTTP/2" 200 UC 10 0 154 - "-" "grpc-go/1.85.0" "0f442314-2ad3-4ed7-af90-25e2b1033516" "127.0.0.1:19168" "127.0.0.1:40673")"},
    {"envoy_no_healthy", specific, proxy, "no healthy upstream", envoy, "nothing: the cluster has no healthy host", no_backend, {}, {}, "kubectl get endpointslices -A", "https://github.com/envoyproxy/envoy/blob/main/source/common/router/router.cc",
     R"(rpc error: code = Unavailable desc = no healthy upstream)"},
    {"envoy_nghttp2_settings", specific, proxy, "Remote peer returned unexpected data while we expected SETTINGS frame", "nghttp2: nghttp, Envoy's debug log, curl with -v", "no HTTP/2 where SETTINGS were due: HTTP/1, or a frame of another type", not_http2, {}, {}, probe, "measured: nghttp2 1.52.0, Envoy 1.40.0",
     R"([ERROR] Remote peer returned unexpected data while we expected SETTINGS frame.  Perhaps, peer does not support HTTP/2 properly.)"},
    {"envoy_callback_failed", specific, proxy, "Error dispatching received data: {*}callback function failed", "Envoy's debug log", "another protocol than the cluster's on the upstream side", cluster_protocol, {}, {}, probe, "measured: Envoy 1.40.0",
     R"([debug][client] [source/common/http/codec_client.cc:191] [Tags: "ConnectionId":"1"] Error dispatching received data: The user callback function failed)"},

    // ---- HAProxy
    {"haproxy_ph", specific, proxy, "{=} - - PH-- ", "HAProxy, in its log", "an answer of the server that is no valid HTTP of the version that the server line says", haproxy_invalid, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg  # gRPC needs proto h2\necho 'show errors' | socat stdio /run/haproxy/admin.sock", "measured: HAProxy 2.6.12",
     R"(haproxy[8607]: 127.0.0.1:54378 [23/Nov/2026:10:00:19.373] f19132 b19132/one 0/0/1/-1/1 502 209 - - PH-- 1/1/0/0/0 0/0 "POST http://127.0.0.1:19132/telltale.test.Echo/Unary HTTP/2.0")"},
    {"haproxy_sc", specific, proxy, "{=} - - SC-- ", "HAProxy, in its log", "nothing: the server or the way to it refused", haproxy_unreachable, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg", "measured: HAProxy 2.6.12",
     R"(haproxy[8607]: 127.0.0.1:55864 [23/Nov/2026:10:00:19.324] f19131 b19131/one 0/0/-1/-1/1 503 217 - - SC-- 1/1/0/0/0 0/0 "POST http://127.0.0.1:19131/telltale.test.Echo/Unary HTTP/2.0")"},
    {"haproxy_sc_timeout", specific, proxy, "{=} - - sC-- ", "HAProxy, in its log", "nothing in time: the server did not answer the connection, or not in HTTP/2", timed_out_there, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg", "measured: HAProxy 2.6.12",
     R"(haproxy[8607]: 127.0.0.1:55506 [23/Nov/2026:10:00:19.790] f19135 b19135/one 0/0/-1/-1/509 503 0 - - sC-- 1/1/0/0/0 0/0 "POST http://127.0.0.1:19135/telltale.test.Echo/Unary HTTP/2.0")"},
    {"haproxy_sh_timeout", specific, proxy, "{=} - - sH-- ", "HAProxy, in its log", "nothing within `timeout server`", timed_out_there, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg", "measured: HAProxy 2.6.12",
     R"(haproxy[8607]: 127.0.0.1:36652 [23/Nov/2026:10:00:21.031] f19140 b19140/one 0/0/0/-1/2001 504 198 - - sH-- 1/1/0/0/0 0/0 "POST http://127.0.0.1:19140/telltale.test.Echo/Unary HTTP/2.0")"},
    {"haproxy_sh", specific, proxy, "{=} - - SH-- ", "HAProxy, in its log", "an end before the server's answer", upstream_ended, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg", "measured: HAProxy 2.6.12",
     R"(haproxy[6637]: 127.0.0.1:38134 [23/Nov/2026:10:55:40.720] f b/one 0/0/0/-1/162 502 209 - - SH-- 1/1/0/0/0 0/0 "GET /a HTTP/1.1")"},
    {"haproxy_502_page", specific, proxy, "The server returned an invalid or incomplete response", "HAProxy, towards its client", "no valid HTTP answer of HAProxy's server", haproxy_invalid, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg  # gRPC needs proto h2", "measured: HAProxy 2.6.12",
     R"(<html><body><h1>502 Bad Gateway</h1> The server returned an invalid or incomplete response. </body></html>)"},
    {"haproxy_503_page", specific, proxy, "No server is available to handle this request", "HAProxy, towards its client", "nothing: no server of HAProxy could be used", haproxy_unreachable, {}, {}, "grep -n server /etc/haproxy/haproxy.cfg", "measured: HAProxy 2.6.12",
     R"(<html><body><h1>503 Service Unavailable</h1> No server is available to handle this request. </body></html>)"},

    // ---- Linkerd
    {"linkerd_any", general, proxy, "l5d-proxy-error", "Linkerd's proxy, in a header of its answer", "a failure that Linkerd's proxy names in this header", cluster_protocol, {}, {}, "linkerd diagnostics proxy-metrics POD", "https://github.com/linkerd/linkerd2/issues/9888",
     R"(< l5d-proxy-error: no route found for request)"},
    {"linkerd_h2_unspecific", specific, proxy, "http2 error: protocol error: unspecific protocol error detected", "Linkerd's proxy (hyper, h2)", "a breach of HTTP/2, or no HTTP/2 at all", not_http2, {}, {}, probe, "https://github.com/linkerd/linkerd2/issues/2918",
     R"(ERR! [ 388.710816s] proxy={server=in listen=0.0.0.0:4143 remote=10.24.23.122:35662} linkerd2_proxy::app::errors unexpected error: http2 error: protocol error: unspecific protocol error detected)"},
    {"linkerd_invalid_version", specific, proxy, "invalid HTTP version specified", "Linkerd's proxy (hyper)", "the HTTP/2 preface, or SETTINGS, where HTTP/1 was due", cluster_protocol, {}, {}, probe, "https://github.com/linkerd/linkerd2/issues/2111",
     R"(DBUG proxy={server=in listen=0.0.0.0:4143 remote=10.244.9.210:43272} hyper::proto::h1::dispatch read_head error: invalid HTTP version specified (Http2))"},

    // ---- Traefik and other Go proxies
    {"go_reverse_proxy", wrapper, proxy, "http: proxy error:", "Go's httputil.ReverseProxy", "a failure of the proxy's upstream; the reason stands behind it", cluster_protocol, {}, {}, probe, "measured: Go 1.26.8",
     R"(2026/11/23 10:54:52 http: proxy error: net/http: HTTP/1.x transport connection broken: malformed HTTP response "ERROR")"},

    // ---- clouds and their front ends
    {"aws_alb_464", specific, client, "unexpected HTTP status code received from server: 464", "AWS' application load balancer, towards its client", "an HTTP/2 answer with status 464, which only this load balancer gives", answer_of_a_proxy, {}, {}, "aws elbv2 describe-target-groups --query 'TargetGroups[].[TargetGroupName,ProtocolVersion]'", "measured: grpc-go 1.85.0 with status 464",
     R"(rpc error: code = Unknown desc = unexpected HTTP status code received from server: 464 (); transport: received unexpected content-type "text/html")"},
    {"h2c_upgrade_refused", specific, client, "unable to upgrade to h2c, received {status}", "Docker's client (BuildKit session)", "an HTTP/1 refusal of the upgrade to h2c", http1_answered, {}, {}, "docker context ls  # a proxy in front of dockerd passes no upgrade", "https://github.com/portainer/portainer/issues/10562",
     R"(error: failed to do request: unable to upgrade to h2c, received 501)"},
});
// clang-format on

}  // namespace

std::span<const ErrorText> proxy_texts() noexcept {
    return table;
}

}  // namespace telltale::sniff::explain
