// What HTTP clients, TLS libraries and operating systems print; and where all tables meet.
#include <array>

#include "sniff/explain/causes.h"
#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {
namespace {

using enum Weight;
using enum Reader;

constexpr std::string_view probe = "telltale probe {address}";
constexpr std::string_view scrape_port = "Not the exporter's fault: this is not its port.";

constexpr auto settings_to_http1 = std::to_array<Likely>({
    {Cause::metrics_scraper,
     "a scraper or an HTTP client was given the gRPC port: use the metrics or HTTP port"},
    {Cause::http1_client, "an HTTP/1 client where HTTP/2 is spoken"},
    {Cause::health_probe, "an HTTP check where a gRPC check is due"},
});
constexpr auto http_to_tls = std::to_array<Likely>({
    {Cause::tls_required, "the port speaks TLS: use https://"},
});
constexpr auto not_http1 = std::to_array<Likely>({
    {Cause::other_protocol,
     "the port belongs to another service (SSH, Redis, MySQL) or to one that speaks first"},
    {Cause::http1_client, "the port speaks HTTP/2 or gRPC, and the client HTTP/1"},
    {Cause::tls_required, "the port speaks TLS, and the client does not"},
});
constexpr auto healthy_grpc = std::to_array<Likely>({
    {Cause::http1_client,
     "a port of HTTP/2 or gRPC, asked in HTTP/1: curl needs --http2-prior-knowledge; for a gRPC "
     "port "
     "this is how it answers when it is well"},
    {Cause::other_protocol, "a server of something else that speaks text"},
});
constexpr auto curl_empty = std::to_array<Likely>({
    {Cause::http1_application,
     "with --http2-prior-knowledge: an HTTP/1 server; curl does not show its answer"},
    {Cause::tls_required, "the port speaks TLS"},
    {Cause::closed_before_preface, "the server hung up without an answer"},
});
constexpr auto bad_certificate = std::to_array<Likely>({
    {Cause::forward_proxy, "a proxy that inspects TLS has put its own certificate there"},
});

// clang-format off: a row reads as a row.
// clang-format off
constexpr auto table = std::to_array<ErrorText>({
    // ---- Go net/http, Prometheus, the kubelet
    {"go_malformed_settings", specific, client, "malformed HTTP response \"\\x00\\x00{quoted}", "Go's net/http: Prometheus, the kubelet's probes, Traefik, kubectl", "binary HTTP/2 (SETTINGS) where an HTTP/1 status line was due: the port of a gRPC server", settings_to_http1, scrape_port, {}, probe, "measured: Go 1.26.8",
     R"(Get "http://127.0.0.1:39317/metrics": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00\x00\x00\x04\x01\x00\x00\x00\x00")"},
    {"go_malformed_alert", specific, client, "malformed HTTP response \"\\x15\\x03{quoted}", "Go's net/http: Prometheus, the kubelet's probes, Traefik, kubectl", "a TLS alert where an HTTP/1 status line was due: a TLS port", http_to_tls, scrape_port, {}, probe, "https://github.com/prometheus/prometheus/issues/1752",
     R"(Get http://10.1.2.2:10250/metrics: malformed HTTP response "\x15\x03\x01\x00\x02\x02")"},
    {"go_malformed_response", general, client, "malformed HTTP response {*}\"", "Go's net/http: Prometheus, the kubelet's probes, Traefik, kubectl", "no status line where an HTTP/1 one was due", not_http1, {}, {}, probe, "measured: Go 1.26.8",
     R"(Get "http://127.0.0.1:41965/x": net/http: HTTP/1.x transport connection broken: malformed HTTP response "ERROR")"},
    {"go_malformed_status", specific, client, "malformed HTTP status code \"", "Go's net/http: Prometheus, the kubelet's probes, Traefik", "text that is no status line: HTML, SSH, Redis, MySQL", not_http1, {}, {}, probe, "measured: Go 1.26.8",
     R"(Get "http://127.0.0.1:40485/metrics": net/http: HTTP/1.x transport connection broken: malformed HTTP status code "unknown")"},
    {"go_http_to_https_client", specific, client, "server gave HTTP response to HTTPS client", "Go's net/http", "an HTTP/1 answer where a TLS ServerHello was due", http1_to_tls, "Not a certificate problem: the port speaks no TLS.", {}, probe, "measured: Go 1.26.8",
     R"(Get "https://127.0.0.1:38999/metrics": http: server gave HTTP response to HTTPS client)"},
    {"go_h2_goaway_http11", specific, client, "received GOAWAY from server ErrCode:HTTP_1_1_REQUIRED", "Go's net/http with HTTP/2", "the other side's demand for HTTP/1.1", answer_of_a_proxy, {}, {}, probe, "measured: Go 1.26.8",
     R"(Get "http://127.0.0.1:43857/x": http2: Transport received GOAWAY from server ErrCode:HTTP_1_1_REQUIRED)"},
    {"go_h2_goaway_before_settings", specific, client, "GoAwayFrame before a SETTINGS frame", "Go's net/http with HTTP/2", "GOAWAY where the server's SETTINGS were due", answered_not_grpc, {}, {}, probe, "measured: Go 1.26.8",
     R"(protocol error: received *http.http2GoAwayFrame before a SETTINGS frame)"},
    {"go_tls_alert_alpn", specific, client, "remote error: tls: no application protocol", "Go's crypto/tls", "a TLS alert: the server speaks none of the protocols offered by ALPN", no_h2_in_tls, "Not a certificate problem.", {}, probe, "measured: Go 1.26.8",
     R"(remote error: tls: no application protocol)"},
    {"go_tls_alert", general, client, "remote error: tls: {name}", "Go's crypto/tls", "a TLS alert of the server", {}, {}, {}, probe, "measured: Go 1.26.8", R"(Get "https://127.0.0.1:35349/metrics": remote error: tls: internal error)"},
    {"go_h2c_frame_too_large", general, client, "http2: frame too large", "golang.org/x/net/http2", "text or TLS where an HTTP/2 frame was due: its first three bytes were read as a length", not_http2, "Not a size problem: do not raise frame or message sizes.", {}, probe, "measured: Go 1.26.8 net/http with UnencryptedHTTP2",
     R"(Get "http://127.0.0.1:45415/x": http2: frame too large)"},
    {"go_refused", general, client, "dial tcp {address}: connect: connection refused", "Go programs", "nothing: the connection was refused", refused_there, {}, {}, probe, "measured: Go 1.26.8", R"(Get "http://127.0.0.1:52797/metrics": dial tcp 127.0.0.1:52797: connect: connection refused)"},
    {"go_timeout", general, client, "dial tcp {address}: i/o timeout", "Go programs", "nothing: nobody answered the connection attempt", timed_out_there, {}, {}, probe, "https://github.com/golang/go/blob/master/src/net/net.go", R"(Get "http://10.0.0.9:8080/": dial tcp 10.0.0.9:8080: i/o timeout)"},
    {"go_no_route", general, client, "connect: no route to host", "Go programs", "nothing: there is no way to that address", no_way_there, {}, {}, probe, "https://github.com/golang/go/blob/master/src/syscall/zerrors_linux_amd64.go", R"(dial tcp 10.96.0.10:53: connect: no route to host)"},
    {"go_read_reset", general, client, "read: connection reset by peer", "Go programs", "a reset", connection_reset, {}, {}, probe, "measured: Go 1.26.8", R"(Get "http://127.0.0.1:39317/x": read tcp 127.0.0.1:34764->127.0.0.1:39317: read: connection reset by peer)"},

    // ---- curl
    {"curl_http09", specific, client, "Received HTTP/0.9 when not allowed", "curl", "no status line where one was due: SETTINGS of a gRPC server, or text", healthy_grpc, "Not a fault of a gRPC port: that is how it answers HTTP/1.", {}, probe, "measured: curl 7.88.1 against grpc-go",
     R"(curl: (1) Received HTTP/0.9 when not allowed)"},
    {"curl_empty", specific, client, "curl: (52) Empty reply from server", "curl", "nothing, or, with --http2-prior-knowledge, anything that is no HTTP/2", curl_empty, {}, {}, probe, "measured: curl 7.88.1",
     R"(curl: (52) Empty reply from server)"},
    {"curl_stream_not_closed", specific, client, "curl: (18) HTTP/2 stream {number} was not closed cleanly before end of the underlying stream", "curl with HTTP/2", "the end of the connection before the server's SETTINGS", ended_unanswered, {}, {}, probe, "measured: curl 7.88.1",
     R"(curl: (18) HTTP/2 stream 1 was not closed cleanly before end of the underlying stream)"},
    {"curl_framing", specific, client, "Error in the HTTP2 framing layer", "curl with HTTP/2", "no HTTP/2 where frames were due", not_http2, {}, {}, probe, "https://github.com/curl/curl/blob/master/lib/strerror.c",
     R"(curl: (16) Error in the HTTP2 framing layer)"},
    {"curl_reset", specific, client, "curl: (56) Recv failure: Connection reset by peer", "curl", "a reset", connection_reset, {}, {}, probe, "measured: curl 7.88.1", R"(curl: (56) Recv failure: Connection reset by peer)"},
    {"curl_refused", specific, client, "curl: (7) Failed to connect to ", "curl", "nothing: the connection was refused, or there is no way", refused_there, {}, {}, probe, "measured: curl 7.88.1",
     R"(curl: (7) Failed to connect to 127.0.0.1 port 52797 after 0 ms: Couldn't connect to server)"},
    {"curl_resolve", specific, client, "curl: (6) Could not resolve host", "curl", "no address for the name", no_name, {}, {}, "getent ahosts NAME", "measured: curl 7.88.1", R"(curl: (6) Could not resolve host: group-rpc-service.invalid)"},
    {"curl_timeout", specific, client, "curl: (28) ", "curl", "nothing in time", timed_out_there, {}, {}, probe, "measured: curl 7.88.1", R"(curl: (28) Operation timed out after 2000 milliseconds with 0 bytes received)"},
    {"curl_ssl_syscall", specific, client, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to", "curl with OpenSSL", "nothing where the TLS ServerHello was due", ended_unanswered, {}, {}, probe, "measured: curl 7.88.1", R"(curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 127.0.0.1:40673 )"},

    // ---- OpenSSL, in whatever program
    {"openssl_wrong_version", specific, client, "SSL routines:{*}wrong version number", "OpenSSL: curl, Python, Node, nginx, Ruby, C-core of Debian", "something that is no TLS where the ServerHello was due", no_tls_there, "Not a matter of TLS versions: the other side speaks no TLS at all.", {}, probe, "measured: OpenSSL 3.0.22",
     R"(curl: (35) OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number)"},
    {"python_ssl_wrong_version", specific, client, "[SSL: WRONG_VERSION_NUMBER]", "Python's ssl: urllib, requests, httpx, aiohttp", "something that is no TLS where the ServerHello was due", no_tls_there, "Not a matter of TLS versions: the other side speaks no TLS at all.", {}, probe, "measured: Python 3.11.7, requests, httpx 0.28.1, aiohttp 3.14.5",
     R"(requests.exceptions.SSLError: HTTPSConnectionPool(host='127.0.0.1', port=38999): Max retries exceeded with url: / (Caused by SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)'))))"},
    {"python_ssl_http_request", specific, server, "[SSL: HTTP_REQUEST] http request", "Python's ssl, as a server", "an HTTP/1 request in plaintext where a ClientHello was due", http_to_tls, {}, {}, "ss -tnp  # who is connected", "measured: Python 3.11.7",
     R"(SSLError(1, '[SSL: HTTP_REQUEST] http request (_ssl.c:1006)'))"},
    {"openssl_alpn_alert", specific, client, "alert no application protocol", "OpenSSL: curl, Python, Node, C-core of Debian", "a TLS alert: the server speaks none of the protocols offered by ALPN", no_h2_in_tls, "Not a certificate problem.", {}, probe, "https://github.com/grpc/grpc/issues/18710",
     R"(Ssl handshake failed: SSL_ERROR_SSL: error:0A000460:SSL routines::tlsv1 alert no application protocol)"},
    {"boringssl_alpn_alert", specific, client, "TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "BoringSSL: C-core, grpc-java with Netty, Envoy", "a TLS alert: the server speaks none of the protocols offered by ALPN", no_h2_in_tls, "Not a certificate problem.", {}, probe, "measured: grpcio 1.85.1, grpc-java 1.76.0 with Netty",
     R"(failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:23023: Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:10000460:SSL routines:OPENSSL_internal:TLSV1_ALERT_NO_APPLICATION_PROTOCOL: Invalid certificate verification context: OK)"},
    {"openssl_alert_number", general, client, "SSL alert number {alert}", "OpenSSL: curl, Node, openssl s_client", "a TLS alert of the server", {}, {}, {}, probe, "measured: OpenSSL 3.0.22",
     R"(write EPROTO 802CCEE8927F0000:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 80)"},
    {"openssl_no_alpn", specific, client, "No ALPN negotiated", "openssl s_client -alpn h2", "a TLS server that chose no protocol by ALPN", no_h2_in_tls, {}, {}, probe, "measured: OpenSSL 3.0.22", R"(No ALPN negotiated)"},
    {"ssl_unexpected_eof", specific, client, "EOF occurred in violation of protocol", "Python's ssl", "nothing where a TLS record was due", ended_unanswered, {}, {}, probe, "measured: Python 3.11.7", R"(<urlopen error [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)>)"},
    {"certificate_unknown_ca", general, client, "certificate signed by unknown authority", "Go's crypto/tls", "a certificate of an issuer that is not trusted", bad_certificate, {}, {}, probe, "measured: Go 1.26.8", R"(Get "https://127.0.0.1:19301/": tls: failed to verify certificate: x509: certificate signed by unknown authority)"},

    // ---- Node
    {"node_parse_error", specific, client, "Parse Error: Expected HTTP/", "Node's http (llhttp), also aiohttp", "no status line where one was due: SETTINGS of a gRPC server, a TLS alert, SSH, Redis, HTML", not_http1, {}, {}, probe, "measured: Node 20.20.2", R"(Error: Parse Error: Expected HTTP/, RTSP/ or ICE/ code: 'HPE_INVALID_CONSTANT')"},
    {"node_hpe_invalid_constant", general, client, "HPE_INVALID_CONSTANT", "Node's http (llhttp)", "no status line where one was due: SETTINGS of a gRPC server, a TLS alert, SSH, Redis, HTML", not_http1, {}, {}, probe, "measured: Node 20.20.2", R"({ code: 'HPE_INVALID_CONSTANT', bytesParsed: 0 })"},
    {"node_h2_error", general, client, "ERR_HTTP2_ERROR", "Node's http2", "no HTTP/2 where the server's SETTINGS were due, or a breach of HTTP/2", not_http2, {}, {}, probe, "measured: Node 20.20.2", R"(Error [ERR_HTTP2_ERROR]: Protocol error)"},
    {"node_hang_up", general, client, "socket hang up", "Node's http", "the end of the connection before the answer", ended_unanswered, {}, {}, probe, "measured: Node 20.20.2", R"(Error: socket hang up code: 'ECONNRESET')"},
    {"node_refused", general, client, "connect ECONNREFUSED", "Node", "nothing: the connection was refused", refused_there, {}, {}, probe, "measured: Node 20.20.2", R"(Error: connect ECONNREFUSED 127.0.0.1:52797)"},
    {"node_unreachable", general, client, "connect EHOSTUNREACH", "Node", "nothing: there is no way to that address", no_way_there, {}, {}, probe, "measured: Node 20.20.2", R"(Error: connect EHOSTUNREACH 203.0.113.9:10260)"},
    {"node_enotfound", general, client, "getaddrinfo ENOTFOUND", "Node", "no address for the name", no_name, {}, {}, "getent ahosts NAME", "measured: Node 20.20.2", R"(Error: getaddrinfo ENOTFOUND group-rpc-service.invalid)"},

    // ---- Python, Ruby
    {"python_bad_status_line_settings", specific, client, "BadStatusLine('\\x00\\x00{quoted}", "Python's http.client: urllib, requests, urllib3", "binary HTTP/2 (SETTINGS) where a status line was due: the port of a gRPC server", settings_to_http1, {}, {}, probe, "measured: Python 3.11.7, urllib3 2.8.0",
     R"(requests.exceptions.ConnectionError: ('Connection aborted.', BadStatusLine('\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00\x00\x00\x04\x01\x00\x00\x00\x00')))"},
    {"python_bad_status_line", general, client, "BadStatusLine(", "Python's http.client: urllib, requests, urllib3", "no status line where one was due", not_http1, {}, {}, probe, "measured: Python 3.11.7, urllib3 2.8.0", R"(('Connection aborted.', BadStatusLine('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')))"},
    {"python_unknown_protocol", specific, client, "http.client.UnknownProtocol: HTTP/2.0", "Python's http.client", "a status line that says HTTP/2.0 in letters: prometheus-cpp and gunicorn echo the version of a request", http1_answered, {}, {}, probe, "measured: Python 3.11.7", R"(http.client.UnknownProtocol: HTTP/2.0)"},
    {"python_remote_disconnected", general, client, "Remote end closed connection without response", "Python's http.client", "the end of the connection before the answer", ended_unanswered, {}, {}, probe, "measured: Python 3.11.7", R"(http.client.RemoteDisconnected: Remote end closed connection without response)"},
    {"httpx_illegal_line", specific, client, "RemoteProtocolError('illegal request line')", "Python's httpx (h11)", "no status line where one was due: SETTINGS of a gRPC server, or a TLS alert", not_http1, {}, {}, probe, "measured: httpx 0.28.1", R"(httpx.RemoteProtocolError('illegal request line'))"},
    {"ruby_bad_response", specific, client, "wrong status line: \"", "Ruby's Net::HTTP", "no status line where one was due", not_http1, {}, {}, probe, "measured: Ruby 3.1", R"(Net::HTTPBadResponse: wrong status line: "SSH-2.0-OpenSSH_9.2p1 Debian-2")"},
    {"ruby_refused", general, client, "Failed to open TCP connection to {address} (Connection refused", "Ruby's Net::HTTP", "nothing: the connection was refused", refused_there, {}, {}, probe, "measured: Ruby 3.1", R"(Errno::ECONNREFUSED: Failed to open TCP connection to 127.0.0.1:52797 (Connection refused - connect(2) for "127.0.0.1" port 52797))"},

    // ---- OkHttp and other HTTP clients of Java
    {"java_net_reset", general, client, "java.net.SocketException: Connection reset", "Java", "a reset", connection_reset, {}, {}, probe, "measured: grpc-java 1.75.0", R"(Caused by: java.net.SocketException: Connection reset)"},
    {"java_net_refused", general, client, "java.net.ConnectException: Connection refused", "Java", "nothing: the connection was refused", refused_there, {}, {}, probe, "measured: grpc-java 1.75.0", R"(Caused by: java.net.ConnectException: Connection refused)"},
    {"java_no_route", specific, client, "NoRouteToHostException", "Java", "nothing: there is no way to that address", no_way_there, {}, {}, probe, "measured: grpc-java 1.76.0 with OkHttp and with Netty, Java 17", R"(Caused by: java.net.NoRouteToHostException: No route to host)"},
    {"java_unknown_host", general, client, "java.net.UnknownHostException: {name}", "Java", "no address for the name", no_name, {}, {}, "getent ahosts NAME", "measured: grpc-java 1.75.0, Java 17", R"(Caused by: java.net.UnknownHostException: group-rpc-service.invalid: Name or service not known)"},
});
// clang-format on

}  // namespace

std::span<const ErrorText> http_texts() noexcept {
    return table;
}

std::span<const std::span<const ErrorText>> error_texts() noexcept {
    static const std::array<std::span<const ErrorText>, 4> tables = {grpc_texts(), server_texts(),
                                                                     proxy_texts(), http_texts()};
    return tables;
}

}  // namespace telltale::sniff::explain
