// What servers print about their clients: something else came where the HTTP/2 preface was due, or
// HTTP/2 where HTTP/1 was.
#include <array>

#include "sniff/explain/causes.h"
#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {
namespace {

using enum Weight;
using enum Reader;

constexpr std::string_view who_dials =
    "ss -tnp  # on the server's host: who is connected to the port; then look at that client's "
    "address and protocol";

constexpr auto tls_to_plain = std::to_array<Likely>({
    {Cause::tls_client, "a client dials this plaintext port with TLS"},
});
constexpr auto plain_to_tls = std::to_array<Likely>({
    {Cause::tls_required, "a client dials this TLS port in plaintext"},
    {Cause::health_probe, "a check that opens the connection and hangs up"},
});
constexpr auto preface_to_http1 = std::to_array<Likely>({
    {Cause::http1_proxy, "a gRPC client without TLS was sent to this HTTP/1 listener"},
    {Cause::metrics_port, "a gRPC client was given the metrics port"},
});
constexpr auto kestrel_http1_only = std::to_array<Likely>({
    {Cause::http1_application,
     "without TLS there is no ALPN: an endpoint of Http1AndHttp2 speaks HTTP/1.1 only"},
});

// clang-format off: a row reads as a row.
// clang-format off
constexpr auto table = std::to_array<ErrorText>({
    {"grpc_go_bogus_greeting_http1", specific, server, "received bogus greeting from client: {quoted}", "grpc-go as a server",
     "something else where the client's HTTP/2 preface was due; its first 24 bytes are quoted", {},
     "Not a fault of this server.", {}, who_dials, "measured: grpc-go 1.85.0",
     R"(grpc: Server.Serve failed to create ServerTransport: connection error: desc = "transport: http2Server.HandleStreams received bogus greeting from client: \"GET /metrics HTTP/1.1\\r\\nH\"")"},
    {"grpc_go_server_preface", general, server, "http2Server.HandleStreams failed to receive the preface from client", "grpc-go as a server",
     "nothing, or an end, where the client's HTTP/2 preface was due", plain_to_tls, {}, {}, who_dials, "https://github.com/grpc/grpc-go/blob/master/internal/transport/http2_server.go",
     R"(grpc: Server.Serve failed to create ServerTransport: connection error: desc = "transport: http2Server.HandleStreams failed to receive the preface from client: EOF")"},
    {"go_server_tls_handshake", specific, server, "TLS handshake error from {address}: tls: first record does not look like a TLS handshake", "Go's net/http server with TLS",
     "plaintext where a TLS ClientHello was due", plain_to_tls, "Not a certificate problem.", {}, who_dials, "measured: Go 1.26.8",
     R"(2026/11/23 10:54:52 http: TLS handshake error from 127.0.0.1:43566: tls: first record does not look like a TLS handshake)"},
    {"go_server_http_to_https", specific, server, "Client sent an HTTP request to an HTTPS server", "Go's net/http server with TLS, towards its client",
     "an HTTP/1 request in plaintext on a TLS port", plain_to_tls, {}, {}, who_dials, "measured: Go 1.26.8",
     R"(2026/11/23 10:54:52 http: TLS handshake error from 127.0.0.1:43580: client sent an HTTP request to an HTTPS server)"},
    {"netty_unexpected_get", specific, server, "Unexpected HTTP/1.x request: GET", "Netty as a gRPC server", "an HTTP/1 GET where the HTTP/2 preface was due", http1_asked,
     "Not a fault of this server.", {}, who_dials, "measured: grpc-java 1.75.0 as a server",
     R"(io.netty.handler.codec.http2.Http2Exception: Unexpected HTTP/1.x request: GET /metrics )"},
    {"netty_unexpected_post", specific, server, "Unexpected HTTP/1.x request: POST", "Netty as a gRPC server", "an HTTP/1 POST where the HTTP/2 preface was due", post_asked,
     "Not a fault of this server: something in front of it took the HTTP/2 away.", {}, who_dials, "measured: grpc-java 1.75.0 as a server",
     R"(io.netty.handler.codec.http2.Http2Exception: Unexpected HTTP/1.x request: POST /a.B/C )"},
    {"netty_unexpected_http1", general, server, "Unexpected HTTP/1.x request:", "Netty as a gRPC server", "an HTTP/1 request where the HTTP/2 preface was due", http1_asked,
     "Not a fault of this server.", {}, who_dials, "https://github.com/netty/netty/blob/4.1/codec-http2/src/main/java/io/netty/handler/codec/http2/Http2ConnectionHandler.java",
     R"(io.netty.handler.codec.http2.Http2Exception: Unexpected HTTP/1.x request: HEAD / )"},
    {"netty_preface_missing", specific, server, "HTTP/2 client preface string missing or corrupt. Hex dump for received bytes: {hex}", "Netty as a gRPC server",
     "something else where the client's HTTP/2 preface was due; the dump is what came", {}, "Not a fault of this server.", {}, who_dials, "measured: grpc-java 1.75.0 as a server",
     R"(io.netty.handler.codec.http2.Http2Exception: HTTP/2 client preface string missing or corrupt. Hex dump for received bytes: 1603010200010001fc030397740000000000000000000000)"},
    {"kestrel_http1_on_h2", specific, server, "An HTTP/1.x request was sent to an HTTP/2 only endpoint", "Kestrel (.NET), towards its client", "an HTTP/1 request where the HTTP/2 preface was due", http1_asked,
     {}, {}, who_dials, "https://github.com/dotnet/aspnetcore/blob/main/src/Servers/Kestrel/Core/src/CoreStrings.resx",
     "HTTP/1.1 400 Bad Request An HTTP/1.x request was sent to an HTTP/2 only endpoint."},
    {"kestrel_preface", specific, server, "Invalid HTTP/2 connection preface", "Kestrel (.NET)", "something else where the client's HTTP/2 preface was due: HTTP/1 or TLS", http1_asked, {}, {}, who_dials,
     "https://github.com/dotnet/AspNetCore.Docs/issues/12899",
     R"(Microsoft.AspNetCore.Server.Kestrel.Core.Internal.Http2.Http2ConnectionErrorException: HTTP/2 connection error (PROTOCOL_ERROR): Invalid HTTP/2 connection preface.)"},
    {"kestrel_no_tls", specific, server, "HTTP/2 is not enabled for {address}", "Kestrel (.NET)", "nothing yet: the endpoint has no TLS, so it speaks HTTP/1.1 only", kestrel_http1_only, {},
     "Set the endpoint's Protocols to Http2 for gRPC, and give HTTP/1.1 another port.", "grep -rn Protocols appsettings*.json", "https://github.com/Impostor/Impostor/pull/562",
     R"(HTTP/2 is not enabled for 127.0.0.1:22023. The endpoint is configured to use HTTP/1.1 and HTTP/2, but TLS is not enabled.)"},
    {"kestrel_unrecognized_version", specific, server, "Unrecognized HTTP version: 'HTTP/2.0'", "Kestrel (.NET)", "the HTTP/2 preface on an endpoint of HTTP/1", kestrel_http1_only, {}, {},
     "grep -rn Protocols appsettings*.json", "https://github.com/dotnet/aspnetcore/issues/46079",
     R"(BadHttpRequestException: Unrecognized HTTP version: 'HTTP/2.0')"},
    {"nginx_pri", specific, server, "\"PRI * HTTP/2.0\" {status}", "nginx, Apache, Python or another web server, in its access log", "the HTTP/2 preface on a listener without HTTP/2", preface_to_http1,
     "Not the client: this listener, or the address that the client was given.", {}, "nginx -T | grep -n listen  # the listener needs http2, or TLS on the client's side", "measured: nginx 1.22.1",
     R"(127.0.0.1 - - [23/Nov/2026:09:59:55 +0000] "PRI * HTTP/2.0" 400 157 "-" "-")"},
    {"nginx_pri_error", specific, server, "client sent invalid request while reading client request line{*}request: \"PRI * HTTP/2.0\"", "nginx, in its error log",
     "the HTTP/2 preface on a listener without HTTP/2", preface_to_http1, "Not the client: this listener, or the address that the client was given.", {},
     "nginx -T | grep -n listen  # the listener needs http2, or TLS on the client's side", "measured: nginx 1.22.1",
     R"(2026/11/23 09:59:55 [info] 7327#7327: *103 client sent invalid request while reading client request line, client: 127.0.0.1, server: , request: "PRI * HTTP/2.0")"},
    {"nginx_plain_to_https", specific, server, "The plain HTTP request was sent to HTTPS port", "nginx, towards its client", "an HTTP/1 request in plaintext on a TLS port", plain_to_tls, {}, {}, who_dials,
     "measured: nginx 1.22.1",
     R"(<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>)"},
    {"nginx_client_sent_plain", specific, server, "client sent plain HTTP request to HTTPS port", "nginx, in its error log", "an HTTP/1 request in plaintext on a TLS port", plain_to_tls, {}, {}, who_dials,
     "measured: nginx 1.22.1",
     R"(2026/11/23 10:55:39 [info] 6583#6583: *1 client sent plain HTTP request to HTTPS port while reading client request headers, client: 127.0.0.1, server: , request: "GET / HTTP/1.1", host: "127.0.0.1:19310")"},
    {"apache_plain_to_https", specific, server, "You're speaking plain HTTP to an SSL-enabled server port", "Apache httpd, towards its client", "an HTTP/1 request in plaintext on a TLS port", plain_to_tls, {}, {}, who_dials,
     "measured: Apache httpd 2.4",
     R"(Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />)"},
    {"tomcat_requires_tls", specific, client, "This combination of host and port requires TLS", "Tomcat, towards its client", "plaintext on a TLS port", tls_answered, {}, {}, "telltale probe {address}",
     "measured: Tomcat 10.1.60",
     "Bad Request This combination of host and port requires TLS."},
    {"envoy_http1_codec", specific, server, "400 DPE {*}http1.codec_error", "Envoy, in its access log", "something that is no HTTP/1 on a listener of HTTP/1, such as the HTTP/2 preface or a TLS hello", preface_to_http1, {}, {},
     "istioctl proxy-config listeners POD", "https://github.com/istio/istio/issues/57294",
     R"([2025-08-01T10:00:00.000Z] "- - HTTP/1.1" 400 DPE http1.codec_error - "-" 0 11 0 - "-" "-" "-" "-" "-")"},
    {"haproxy_bad_req", specific, server, "<BADREQ>", "HAProxy, in its log", "something that is no HTTP on a listener of HTTP: a TLS hello, or a preface that came in pieces", tls_to_plain, {}, {},
     "echo 'show errors' | socat stdio /run/haproxy/admin.sock", "measured: HAProxy 2.6.12",
     R"(haproxy[6637]: 127.0.0.1:38144 [23/Nov/2026:10:55:40.923] f f/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>")"},
    {"haproxy_ssl_handshake", specific, server, "SSL handshake failure", "HAProxy, in its log", "a TLS handshake that failed: a plaintext client, or no common parameters", plain_to_tls, {}, {},
     who_dials, "measured: HAProxy 2.6.12",
     R"(haproxy[6637]: 127.0.0.1:46008 [23/Nov/2026:10:55:40.984] t/1: SSL handshake failure)"},
    {"node_http_preface", general, server, "HPE_PAUSED_H2_UPGRADE", "Node's HTTP parser (llhttp), also in Python's aiohttp", "the HTTP/2 preface on a server of HTTP/1", preface_to_http1, {}, {}, who_dials,
     "measured: Node 20.20.2", R"(bytesParsed: 24, code: 'HPE_PAUSED_H2_UPGRADE',)"},
    {"aiohttp_pri", specific, server, "Pause on PRI/Upgrade", "Node's http or Python's aiohttp (llhttp)", "the HTTP/2 preface on a server of HTTP/1", preface_to_http1, {}, {}, who_dials, "measured: Node 20.20.2",
     R"([Error: Parse Error: Pause on PRI/Upgrade] {)"},
    {"python_http_server_pri", specific, server, "code 505, message Invalid HTTP version (2.0)", "Python's http.server: prometheus_client, wsgiref, Flask's development server", "the HTTP/2 preface on a server of HTTP/1", preface_to_http1, {}, {}, who_dials,
     "measured: Python 3.11 http.server", R"(127.0.0.1 - - [23/Nov/2026 10:00:00] code 505, message Invalid HTTP version (2.0))"},
    {"cmux_not_matched", specific, server, "not matched by an matcher", "cmux (Go)", "a protocol that no matcher of the shared port knows: TLS, or HTTP/1 where only gRPC is matched", http1_asked, {}, {}, who_dials,
     "https://github.com/soheilhy/cmux/blob/master/cmux.go", R"(mux: connection 127.0.0.1:43580 not matched by an matcher)"},
    {"core_server_preface", specific, server, "Connect string mismatch", "gRPC C-core as a server", "something else where the client's HTTP/2 preface was due", http1_asked, {}, {}, who_dials,
     "https://github.com/grpc/grpc/blob/v1.51.0/src/core/ext/transport/chttp2/transport/parsing.cc", R"(Connect string mismatch: expected 'P' (80) got 'G' (71) at byte 0)"},
    {"node_http2_bad_client_magic", specific, server, "Received bad client magic byte string", "nghttp2 as a server (Node's http2, nghttpx, Envoy)", "something else where the client's HTTP/2 preface was due", http1_asked, {}, {}, who_dials,
     "https://github.com/nghttp2/nghttp2/blob/master/lib/nghttp2_helper.c", R"(Received bad client magic byte string)"},
});
// clang-format on

}  // namespace

std::span<const ErrorText> server_texts() noexcept {
    return table;
}

}  // namespace telltale::sniff::explain
