#include "sniff/explain/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sniff/explain/causes.h"
#include "sniff/explain/pattern.h"

namespace telltale::sniff::explain {
namespace {

using enum CodeKind;

constexpr auto asked_http11 = std::to_array<Likely>({
    {Cause::http2_not_grpc,
     "the other side demands HTTP/1.1 for this: a front end that is not set "
     "to HTTP/2 (Azure, Cloud Run, IIS), or client certificates over HTTP/2"},
});
constexpr auto alb_route = std::to_array<Likely>({
    {Cause::http2_not_grpc,
     "an AWS load balancer whose target group has another protocol version "
     "than the request: gRPC to a group of HTTP1, or no POST to one of GRPC"},
});
constexpr auto read_as_http09 = std::to_array<Likely>({
    {Cause::downgraded_by_proxy,
     "nginx passed gRPC on as HTTP/1 (proxy_pass) and read the binary "
     "answer as HTTP/0.9: use grpc_pass"},
});
constexpr auto asked_of_h2_port = std::to_array<Likely>({
    {Cause::http1_client, "a client of HTTP/1 talks to a port of HTTP/2, or asks the wrong server"},
    {Cause::http2_not_grpc, "what answers is a proxy or web server, not the gRPC service"},
});
constexpr auto client_broke = std::to_array<Likely>({
    {Cause::http1_client, "the client of the proxy spoke something else than the listener reads"},
    {Cause::tls_client, "the client spoke TLS to a plaintext listener"},
});

constexpr auto answer_refused = std::to_array<Likely>({
    {Cause::downgraded_by_proxy,
     "the server line lacks `proto h2` (or `alpn h2`), so HAProxy asks a "
     "gRPC server in HTTP/1"},
    {Cause::other_protocol, "the server behind the proxy speaks neither HTTP/1 nor HTTP/2"},
});
constexpr auto server_refused = std::to_array<Likely>({
    {Cause::refused, "the server is down or another address"},
    {Cause::http1_application, "`proto h2` on the server line, and the server speaks HTTP/1"},
    {Cause::metrics_port, "`proto h2` on the server line, and the port is that of the metrics"},
});

// clang-format off: a row reads as a row.
// clang-format off
constexpr auto codes = std::to_array<Code>({
    // gRPC: https://grpc.io/docs/guides/status-codes/; from HTTP: grpc/doc/http-grpc-status-mapping.md
    {grpc_status, 0, "OK", "the call succeeded", {}},
    {grpc_status, 1, "CANCELLED", "the caller gave up; over HTTP/2: RST_STREAM with CANCEL", {}},
    {grpc_status, 2, "UNKNOWN", "no gRPC status came: an HTTP status that maps to none, or an error of the application", answer_of_a_proxy},
    {grpc_status, 3, "INVALID_ARGUMENT", "the application refused the request: it was reached, no fault between protocols", {}},
    {grpc_status, 4, "DEADLINE_EXCEEDED", "no answer in time: nothing listens, packets are dropped, or the other side waits for another protocol", timed_out_there},
    {grpc_status, 5, "NOT_FOUND", "the application answered so: no fault between protocols", {}},
    {grpc_status, 6, "ALREADY_EXISTS", "the application answered so: no fault between protocols", {}},
    {grpc_status, 7, "PERMISSION_DENIED", "the application refused, or something answered HTTP 403", answer_of_a_proxy},
    {grpc_status, 8, "RESOURCE_EXHAUSTED", "a limit: message size, quota or load. Not a fault between protocols", {}},
    {grpc_status, 9, "FAILED_PRECONDITION", "the application answered so: no fault between protocols", {}},
    {grpc_status, 10, "ABORTED", "the application answered so: no fault between protocols", {}},
    {grpc_status, 11, "OUT_OF_RANGE", "the application answered so: no fault between protocols", {}},
    {grpc_status, 12, "UNIMPLEMENTED", "the server speaks gRPC and does not know the method; or something answered HTTP 404", answer_of_a_proxy},
    {grpc_status, 13, "INTERNAL", "the protocol was broken on the way: an HTTP 400, a reset stream, or no HTTP/2 at all", http1_answered},
    {grpc_status, 14, "UNAVAILABLE", "no connection, an end before the answer, or an HTTP 429, 502, 503 or 504", not_http2},
    {grpc_status, 15, "DATA_LOSS", "the application answered so: no fault between protocols", {}},
    {grpc_status, 16, "UNAUTHENTICATED", "credentials are missing, or something answered HTTP 401", {}},
    // HTTP
    {http_status, 0, "000", "nginx: it read a binary answer as HTTP/0.9. gRPC: UNKNOWN", read_as_http09},
    {http_status, 9, "009", "nginx's log for an answer without a status line, which it took for HTTP/0.9. gRPC: UNKNOWN", read_as_http09},
    {http_status, 400, "Bad Request", "an HTTP/1 server did not understand the request, such as HTTP/2's preface. gRPC: INTERNAL", http1_answered},
    {http_status, 401, "Unauthorized", "credentials are missing. gRPC: UNAUTHENTICATED", answer_of_a_proxy},
    {http_status, 403, "Forbidden", "a proxy, a policy or macOS' AirPlay receiver refused. gRPC: PERMISSION_DENIED", answer_of_a_proxy},
    {http_status, 404, "Not Found", "no route: an HTTP server or a router without a fitting rule. gRPC: UNIMPLEMENTED", answer_of_a_proxy},
    {http_status, 405, "Method Not Allowed", "an HTTP server that knows no POST there. gRPC: UNKNOWN", http1_answered},
    {http_status, 407, "Proxy Authentication Required", "a forward proxy asks for credentials", tunnel_refused},
    {http_status, 408, "Request Timeout", "a proxy waited for a request in HTTP/1. gRPC: UNKNOWN", http1_answered},
    {http_status, 415, "Unsupported Media Type", "gRPC over HTTP/1, or an HTTP server that knows no application/grpc. gRPC: UNKNOWN", asked_of_h2_port},
    {http_status, 421, "Misdirected Request", "the connection belongs to another host name. gRPC: UNKNOWN", answer_of_a_proxy},
    {http_status, 426, "Upgrade Required", "the server wants another version of HTTP. gRPC: UNKNOWN", asked_of_h2_port},
    {http_status, 429, "Too Many Requests", "a rate limit. gRPC: UNAVAILABLE", {}},
    {http_status, 431, "Request Header Fields Too Large", "headers over the server's limit: not a fault between protocols. gRPC: UNKNOWN", {}},
    {http_status, 464, "AWS ALB: incompatible protocol", "only AWS' application load balancer says it. gRPC: UNKNOWN", alb_route},
    {http_status, 499, "nginx: client closed the request", "the client gave up before the answer came: look at its deadline", timed_out_there},
    {http_status, 500, "Internal Server Error", "a proxy or the application failed. gRPC: UNKNOWN", answer_of_a_proxy},
    {http_status, 501, "Not Implemented", "the server does not know the method. gRPC: UNKNOWN", asked_of_h2_port},
    {http_status, 502, "Bad Gateway", "a proxy got no valid answer from its backend: dead, or of another protocol. gRPC: UNAVAILABLE", answer_of_a_proxy},
    {http_status, 503, "Service Unavailable", "a proxy has no healthy backend, or could not connect. gRPC: UNAVAILABLE", answer_of_a_proxy},
    {http_status, 504, "Gateway Timeout", "a proxy's backend did not answer in time. gRPC: UNAVAILABLE", answer_of_a_proxy},
    {http_status, 505, "HTTP Version Not Supported", "an HTTP/1 server read \"PRI * HTTP/2.0\". gRPC: UNKNOWN", http1_answered},
    {http_status, 520, "Cloudflare: unknown error", "the origin sent Cloudflare something unexpected. gRPC: UNKNOWN", answer_of_a_proxy},
    {http_status, 521, "Cloudflare: origin is down", "the origin refused the connection. gRPC: UNKNOWN", answer_of_a_proxy},
    {http_status, 525, "Cloudflare: TLS handshake with the origin failed", "the origin's port speaks no TLS, or no common one. gRPC: UNKNOWN", answer_of_a_proxy},
    // TLS: RFC 8446 §6
    {tls_alert, 0, "close_notify", "an orderly end", {}},
    {tls_alert, 10, "unexpected_message", "the other side read something that is no TLS: a plaintext client on a TLS port (GnuTLS, Java)", tls_answered},
    {tls_alert, 20, "bad_record_mac", "a damaged record, or another key", {}},
    {tls_alert, 22, "record_overflow", "a record that is too long: often plaintext read as TLS", tls_answered},
    {tls_alert, 40, "handshake_failure", "no common parameters: versions, ciphers, or a client certificate is missing", {}},
    {tls_alert, 42, "bad_certificate", "the certificate was refused", {}},
    {tls_alert, 45, "certificate_expired", "the certificate has expired", {}},
    {tls_alert, 46, "certificate_unknown", "the certificate was refused", {}},
    {tls_alert, 48, "unknown_ca", "the certificate's issuer is not trusted; a TLS-inspecting proxy may have put its own there", {}},
    {tls_alert, 70, "protocol_version", "no common version of TLS, or what was read is no TLS", tls_answered},
    {tls_alert, 80, "internal_error", "the other side failed", {}},
    {tls_alert, 112, "unrecognized_name", "the TLS server knows no such name: SNI and certificate do not fit", {}},
    {tls_alert, 116, "certificate_required", "mutual TLS: the client gave no certificate", {}},
    {tls_alert, 120, "no_application_protocol", "the TLS server speaks none of the protocols that the client offers by ALPN, h2", no_h2_in_tls},
    // HTTP/2: RFC 9113 §7
    {http2_error, 0, "NO_ERROR", "an orderly end: the server is going away", {}},
    {http2_error, 1, "PROTOCOL_ERROR", "the other side broke the rules of HTTP/2, or spoke no HTTP/2", not_http2},
    {http2_error, 2, "INTERNAL_ERROR", "the other side failed; nginx says it after an answer that it could not read", answer_of_a_proxy},
    {http2_error, 3, "FLOW_CONTROL_ERROR", "more data than the window allowed", {}},
    {http2_error, 4, "SETTINGS_TIMEOUT", "no acknowledgement of SETTINGS came in time", {}},
    {http2_error, 5, "STREAM_CLOSED", "a frame for a stream that was closed", {}},
    {http2_error, 6, "FRAME_SIZE_ERROR", "a frame longer than allowed; mostly text whose first three bytes were read as a length. Not a size problem", not_http2},
    {http2_error, 7, "REFUSED_STREAM", "the request was not looked at and may be sent again; HAProxy says it when its server cannot be reached", answer_of_a_proxy},
    {http2_error, 8, "CANCEL", "the stream is not needed any longer: a deadline or a cancelled call", {}},
    {http2_error, 9, "COMPRESSION_ERROR", "the header compression got out of step", {}},
    {http2_error, 10, "CONNECT_ERROR", "the tunnel of a CONNECT was reset", {}},
    {http2_error, 11, "ENHANCE_YOUR_CALM", "too many pings or requests: keepalive below the server's limit", {}},
    {http2_error, 12, "INADEQUATE_SECURITY", "TLS below what HTTP/2 asks for", {}},
    {http2_error, 13, "HTTP_1_1_REQUIRED", "the other side says that it wants HTTP/1.1", asked_http11},
    // Linux errno
    {os_error, 11, "EAGAIN", "nothing to read at the moment; with a timeout: it ran out", {}},
    {os_error, 24, "EMFILE", "too many open files in this process", {}},
    {os_error, 32, "EPIPE", "broken pipe: written after the other side had closed", ended_unanswered},
    {os_error, 71, "EPROTO", "Node: the TLS library failed; read the text behind it", no_tls_there},
    {os_error, 99, "EADDRNOTAVAIL", "no free local port, or an address that is not this host's", {}},
    {os_error, 101, "ENETUNREACH", "network is unreachable", no_way_there},
    {os_error, 104, "ECONNRESET", "connection reset by peer", connection_reset},
    {os_error, 110, "ETIMEDOUT", "connection timed out", timed_out_there},
    {os_error, 111, "ECONNREFUSED", "connection refused", refused_there},
    {os_error, 113, "EHOSTUNREACH", "no route to host", no_way_there},
    {os_error, -1, "ENOTFOUND", "Node: the name does not resolve", no_name},
    {os_error, -1, "EAI_AGAIN", "DNS did not answer in time", no_name},
    // nghttp2, which curl, Envoy and Node use
    {nghttp2, -505, "NGHTTP2_ERR_PROTO", "the other side broke the rules of HTTP/2", not_http2},
    {nghttp2, -522, "NGHTTP2_ERR_FRAME_SIZE_ERROR", "a frame longer than allowed: often text read as a length", not_http2},
    {nghttp2, -536, "NGHTTP2_ERR_SETTINGS_EXPECTED", "SETTINGS were due and something else came", not_http2},
    {nghttp2, -902, "NGHTTP2_ERR_CALLBACK_FAILURE", "the program's own callback failed", {}},
    {nghttp2, -903, "NGHTTP2_ERR_BAD_CLIENT_MAGIC", "a server was due the HTTP/2 preface and something else came", http1_asked},
    // Envoy: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
    {envoy_flag, -1, "UPE", "upstream protocol error: what the upstream answered is not the protocol that the cluster is configured for", not_http2},
    {envoy_flag, -1, "DPE", "downstream protocol error: the client of Envoy broke the protocol of the listener", client_broke},
    {envoy_flag, -1, "UF", "upstream connection failure: refused, timed out, or the TLS handshake failed", refused_there},
    {envoy_flag, -1, "UC", "the upstream ended the connection", ended_unanswered},
    {envoy_flag, -1, "UR", "the upstream reset the stream", answer_of_a_proxy},
    {envoy_flag, -1, "UT", "upstream request timeout", timed_out_there},
    {envoy_flag, -1, "UH", "no healthy upstream host in the cluster", nobody_healthy},
    {envoy_flag, -1, "UO", "upstream overflow: a circuit breaker is open", {}},
    {envoy_flag, -1, "NR", "no route matches the request", answered_not_grpc},
    {envoy_flag, -1, "NC", "the route's cluster does not exist", nobody_healthy},
    {envoy_flag, -1, "DC", "the client ended the connection", {}},
    {envoy_flag, -1, "DF", "DNS resolution failed", no_name},
    {envoy_flag, -1, "LR", "the connection was reset by Envoy itself", {}},
    {envoy_flag, -1, "URX", "all retries failed, or too many connect attempts", refused_there},
    {envoy_flag, -1, "UAEX", "the external authorization refused", {}},
    {envoy_flag, -1, "RL", "rate limited", {}},
    // HAProxy: "Session state at disconnection" of its configuration manual
    {haproxy_end, -1, "PH", "the proxy refused the server's answer: it was no valid HTTP of the version that the server line says. A gRPC server behind a line without `proto h2`", answer_refused},
    {haproxy_end, -1, "SC", "the server or the way to it refused: dead; or `proto h2` towards a server of HTTP/1", server_refused},
    {haproxy_end, -1, "sC", "connecting to the server took longer than `timeout connect`; or `proto h2` towards a server that says nothing", timed_out_there},
    {haproxy_end, -1, "SH", "the server ended the connection before it had answered", ended_unanswered},
    {haproxy_end, -1, "sH", "the server did not answer within `timeout server`", timed_out_there},
    {haproxy_end, -1, "SD", "the server ended the connection in the middle of the answer", {}},
    {haproxy_end, -1, "sD", "the server stopped in the middle of the answer for `timeout server`", {}},
    {haproxy_end, -1, "PR", "the proxy refused the request: not valid HTTP, or forbidden by a rule", client_broke},
    {haproxy_end, -1, "CR", "the client ended the connection before its request was whole", client_broke},
    {haproxy_end, -1, "cR", "the client sent no whole request within `timeout http-request`", client_broke},
    {haproxy_end, -1, "CD", "the client ended the connection during the transfer", {}},
    {haproxy_end, -1, "cD", "the client was idle for `timeout client`: normal for idle gRPC connections", {}},
    {haproxy_end, -1, "SQ", "no server free: the queue was given up", nobody_healthy},
    {haproxy_end, -1, "PC", "the proxy could not connect: no port, memory or descriptor left", {}},
});
// clang-format on

constexpr auto kind_words = std::to_array<std::string_view>(
    {"gRPC status", "HTTP status", "TLS alert", "HTTP/2 error code", "errno", "nghttp2 error",
     "Envoy response flag", "HAProxy termination state"});

constexpr size_t found_max = 8;

// Words that say which kind of number follows.
struct KindWord {
    std::string_view word;
    CodeKind kind;
};
constexpr auto kind_hints = std::to_array<KindWord>({{"alert", tls_alert},
                                                     {"tls", tls_alert},
                                                     {"ssl", tls_alert},
                                                     {"grpc", grpc_status},
                                                     {"grpc-status", grpc_status},
                                                     {"http", http_status},
                                                     {":status", http_status},
                                                     {"http/2", http2_error},
                                                     {"h2", http2_error},
                                                     {"rst_stream", http2_error},
                                                     {"goaway", http2_error},
                                                     {"errno", os_error},
                                                     {"nghttp2", nghttp2}});
// Words that say nothing more.
constexpr auto filler = std::to_array<std::string_view>(
    {"status", "code", "error", "with", "number", "description", "response", "flag", "flags",
     "received", "state", "termination", "envoy", "haproxy", "=", ":", "the", "returned", "desc"});

std::vector<std::string_view> split(std::string_view text) {
    constexpr std::string_view between = " \t\r\n=,;()[]\"'`";
    std::vector<std::string_view> out;
    while (out.size() < found_max) {
        const size_t begin = text.find_first_not_of(between);
        if (begin == std::string_view::npos) break;
        text.remove_prefix(begin);
        const size_t end = std::min(text.find_first_of(between), text.size());
        std::string_view word = text.substr(0, end);
        text.remove_prefix(end);
        while (word.size() > 1 && (word.back() == ':' || word.back() == '.')) word.remove_suffix(1);
        out.push_back(word);
    }
    if (text.find_first_not_of(between) != std::string_view::npos) out.clear();
    return out;
}

struct Number {
    int value = 0;
    bool hex = false;
    bool padded = false;  // "009"
    size_t digits = 0;
};

std::optional<Number> parse_number(std::string_view word) {
    Number number;
    const bool hex = word.size() > 2 && word[0] == '0' && to_lower(word[1]) == 'x';
    const std::string_view digits = hex ? word.substr(2) : word;
    const char* end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, number.value, hex ? 16 : 10);
    if (error != std::errc() || rest != end) return std::nullopt;
    number.hex = hex;
    number.digits = digits.size();
    number.padded = digits.size() > 1 && digits[0] == '0';
    return number;
}

// "000" and "009" are nginx's; a plain 0 or 9 is not an HTTP status. Only HTTP/2 codes are written
// in hexadecimal.
bool fits(const Code& code, const Number& number) {
    if (code.number != number.value || (code.number == -1)) return false;
    if (number.hex) return code.kind == http2_error;
    if (number.padded) return code.kind == http_status && number.digits == 3;
    return code.kind != http_status || number.digits == 3;
}

// Flags and states are told from words by their case; long names are not.
bool named(const Code& code, std::string_view word) {
    if (code.kind == envoy_flag) return word == code.name;
    if (code.kind == haproxy_end) {
        return word == code.name ||
               (word.size() == 4 && word.substr(0, 2) == code.name &&
                word.substr(2).find_first_not_of("-NIDVUOREP") == std::string_view::npos);
    }
    if (code.name.find(' ') != std::string_view::npos) return false;
    const std::string folded = to_lower(word);
    return folded == to_lower(code.name) ||
           (code.kind == tls_alert && folded == "alert_" + std::string(code.name));
}

void add(std::vector<const Code*>& found, const Code& code) {
    const bool known = std::find(found.begin(), found.end(), &code) != found.end();
    if (!known && found.size() < found_max) found.push_back(&code);
}

bool is_filler(std::string_view word) {
    return std::find(filler.begin(), filler.end(), to_lower(word)) != filler.end();
}

const KindWord* hint_of(std::string_view word) {
    const std::string folded = to_lower(word);
    const auto hint = std::find_if(kind_hints.begin(), kind_hints.end(),
                                   [&](const KindWord& row) { return row.word == folded; });
    return hint == kind_hints.end() ? nullptr : &*hint;
}

// Every code that the word is, of the kind that was named before it; false: it is none.
bool add_codes(std::string_view word, const KindWord* hint, std::vector<const Code*>& found) {
    const size_t before = found.size();
    const auto number = parse_number(word);
    for (const Code& code : codes) {
        if (hint != nullptr && code.kind != hint->kind) continue;
        if (number ? fits(code, *number) : named(code, word)) add(found, code);
    }
    return found.size() > before;
}

}  // namespace

std::string_view words(CodeKind kind) noexcept {
    return kind_words[static_cast<size_t>(kind)];
}

const Code* find_code(CodeKind kind, int number) noexcept {
    const auto code = std::find_if(codes.begin(), codes.end(), [&](const Code& row) {
        return row.kind == kind && row.number == number;
    });
    return number < 0 || code == codes.end() ? nullptr : &*code;
}

std::string code_words(const Code& code) {
    if (code.number == -1) return std::string(code.name);
    std::string number = std::to_string(code.number);
    if (code.kind == http_status && number.size() < 3) return std::string(code.name);
    return number + " " + std::string(code.name);
}

std::vector<const Code*> find_codes(std::string_view text) {
    std::vector<const Code*> found;
    const KindWord* hint = nullptr;
    if (text.size() > 200) return found;
    for (const std::string_view word : split(text)) {
        if (const KindWord* named_kind = hint_of(word)) {
            hint = named_kind;
        } else if (!is_filler(word) && !add_codes(word, hint, found)) {
            return {};
        }
    }
    return found;
}

}  // namespace telltale::sniff::explain
