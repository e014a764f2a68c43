#include "sniff/words.h"

#include "sniff/escape.h"
#include "sniff/facts.h"
#include "sniff/tls.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace telltale::sniff {
namespace {

constexpr size_t quoted_bytes_max = 48;
constexpr size_t attempts_max = 4;

struct ErrnoText {
    int number;
    std::string_view name;
    std::string_view text;
};
// strerror() depends on the locale and is not thread-safe; these are the ones that connecting and
// relaying bring.
constexpr std::array<ErrnoText, 22> errnos = {{
    {ECONNREFUSED, "ECONNREFUSED", "connection refused"},
    {ETIMEDOUT, "ETIMEDOUT", "timed out"},
    {EHOSTUNREACH, "EHOSTUNREACH", "no route to host"},
    {ENETUNREACH, "ENETUNREACH", "network is unreachable"},
    {ENETDOWN, "ENETDOWN", "network is down"},
    {EHOSTDOWN, "EHOSTDOWN", "host is down"},
    {ECONNRESET, "ECONNRESET", "connection reset by peer"},
    {ECONNABORTED, "ECONNABORTED", "connection aborted"},
    {EPIPE, "EPIPE", "broken pipe"},
    {EADDRNOTAVAIL, "EADDRNOTAVAIL", "no local port is free"},
    {EADDRINUSE, "EADDRINUSE", "address in use"},
    {EMFILE, "EMFILE", "too many open files in this process"},
    {ENFILE, "ENFILE", "too many open files in the system"},
    {ENOBUFS, "ENOBUFS", "no buffer space"},
    {ENOMEM, "ENOMEM", "out of memory"},
    {EAGAIN, "EAGAIN", "the listen queue of the Unix socket is full"},
    {EACCES, "EACCES", "permission denied"},
    {EPERM, "EPERM", "not permitted, often by a local firewall rule"},
    {ENOENT, "ENOENT", "no such file"},
    {EINVAL, "EINVAL", "invalid argument"},
    {EAFNOSUPPORT, "EAFNOSUPPORT", "address family not supported"},
    {EPROTOTYPE, "EPROTOTYPE", "not a stream socket"},
}};

constexpr std::array<std::string_view, 14> http2_errors = {  // RFC 9113 §7
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED"};

std::string bytes_words(std::string_view bytes) {
    const bool readable = std::all_of(bytes.begin(), bytes.end(), [](char c) {
        return (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' || c == '\t';
    });
    const std::string quoted = quote_wire(bytes, quoted_bytes_max);
    return readable ? "the text " + quoted : "bytes of no known protocol (" + quoted + ")";
}

std::string greeting_or(const SideEvidence& side, std::string_view what) {
    if (side.greeting.empty()) return std::string(what);
    return std::string(what) + " " + quote_wire(side.greeting, quoted_bytes_max);
}

}  // namespace

std::string shown(std::string_view text) {
    return escape_wire(text, shown_bytes_max);
}

bool has_layer(const Evidence& e, Layer layer) {
    return std::find(e.layers.begin(), e.layers.end(), layer) != e.layers.end();
}

std::string upstream_words(const Evidence& e) {
    if (has_layer(e, Layer::connect_tunnel) && !e.connect_target.empty())
        return shown(e.connect_target);
    if (!e.upstream_address.empty()) return shown(e.upstream_address);
    return e.requested.empty() ? "the upstream" : shown(e.requested);
}

std::string requested_words(const Evidence& e) {
    return e.requested.empty() ? upstream_words(e) : shown(e.requested);
}

std::string host_of(std::string_view address) {
    const size_t colon = address.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon > 0 &&
                          (address[colon - 1] == ']' || address.find(':') == colon);
    return shown(has_port ? address.substr(0, colon) : address);
}

std::string client_words(const Evidence& e) {
    switch (e.client.protocol) {
        case Protocol::http2: {
            const auto& headers = e.client.first_headers;
            const bool other = headers && !is_grpc_content_type(headers->content_type) &&
                               !headers->user_agent.starts_with("grpc-");
            return other ? "an HTTP/2 client" : "a gRPC client";
        }
        case Protocol::tls:
            return "a TLS client";
        case Protocol::http1: {
            const bool known = e.client.http1_request && !e.client.http1_request->version.empty();
            return "an " + (known ? shown(e.client.http1_request->version) : "HTTP/1") + " client";
        }
        default:
            return "the client";
    }
}

std::string opening_words(const Evidence& e) {
    switch (e.client.protocol) {
        case Protocol::http2:
            return "the HTTP/2 preface";
        case Protocol::tls:
            return "the TLS hello";
        case Protocol::http1: {
            if (!e.client.http1_request || e.client.http1_request->method.empty())
                return "the HTTP/1 request";
            return shown(e.client.http1_request->method) + " " +
                   shown(e.client.http1_request->target);
        }
        default:
            return "the client's bytes";
    }
}

std::string http1_answer_words(const Http1Response& answer) {
    if (answer.version.empty()) return "an HTML page without a status line";
    std::string words = shown(answer.version) + " " + std::to_string(answer.status);
    // Some HTTP/1 servers repeat the version they were asked with; it does not make them HTTP/2.
    if (answer.version.starts_with("HTTP/2")) words += " as plain text";
    return words;
}

std::string answer_words(const Evidence& e) {
    const SideEvidence& upstream = e.upstream;
    switch (upstream.protocol) {
        case Protocol::http1:
            return upstream.http1_response ? http1_answer_words(*upstream.http1_response)
                                           : "HTTP/1";
        case Protocol::http2:
            return "HTTP/2 SETTINGS";
        case Protocol::http2_goaway:
            return "HTTP/2 frames that do not begin with SETTINGS";
        case Protocol::tls:
            return "a TLS ServerHello";
        case Protocol::tls_alert:
            return upstream.tls_alert ? "the TLS alert " + alert_words(*upstream.tls_alert)
                                      : "a TLS alert";
        case Protocol::ssh:
            return greeting_or(upstream, "an SSH greeting");
        case Protocol::mysql:
            return greeting_or(upstream, "a MySQL handshake");
        case Protocol::postgres:
            return greeting_or(upstream, "a PostgreSQL message");
        case Protocol::redis:
            return greeting_or(upstream, "a Redis reply");
        case Protocol::smtp:
            return greeting_or(upstream, "an SMTP or FTP greeting");
        case Protocol::other:
            return bytes_words(upstream.first_bytes);
        case Protocol::closed:
            return "the end of the connection (FIN), without a byte";
        case Protocol::reset:
            return "a reset (RST), without a byte";
        case Protocol::undecided:
            if (upstream.bytes > 0) return "too few bytes to tell the protocol";
            break;
        case Protocol::none:
        case Protocol::silent:
            break;
    }
    return "nothing";
}

std::string duration_words(Millis ms) {
    if (ms < 1000) return std::to_string(std::max<Millis>(ms, 0)) + " ms";
    return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

std::string errno_words(int error) {
    for (const ErrnoText& known : errnos) {
        if (known.number == error)
            return std::string(known.name) + " (" + std::string(known.text) + ")";
    }
    return "error " + std::to_string(error);
}

std::string attempts_words(const Evidence& e) {
    std::string words;
    for (size_t i = 0; i < std::min(e.attempts.size(), attempts_max); ++i) {
        if (i > 0) words += "; ";
        words += shown(e.attempts[i].address) + ": " + errno_words(e.attempts[i].error);
    }
    if (e.attempts.size() > attempts_max) {
        words += "; and " + std::to_string(e.attempts.size() - attempts_max) + " more";
    }
    return words;
}

std::string alert_words(const TlsAlert& alert) {
    const std::string_view known = alert_name(alert.description);
    const std::string number = std::to_string(alert.description);
    return known.empty() ? "number " + number : std::string(known) + " (" + number + ")";
}

std::string_view http2_error_name(uint32_t code) {
    return code < http2_errors.size() ? http2_errors[code] : std::string_view();
}

std::string http2_error_words(uint32_t code) {
    if (code >= http2_errors.size()) return "error " + std::to_string(code);
    constexpr std::string_view digits = "0123456789abcdef";
    return std::string(http2_errors[code]) + " (0x" + digits[code] + ")";
}

}  // namespace telltale::sniff
