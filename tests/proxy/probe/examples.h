// Observations as real ports give them, made by hand: for the tests of verdicts and reports.
#pragma once

#include <cerrno>
#include <string>

#include "proxy/probe/observations.h"
#include "sniff/http1.h"

namespace telltale::proxy::probe::examples {

using sniff::Protocol;

inline Observations reached() {
    Observations seen;
    seen.address = "10.0.0.1:80";
    seen.attempts = {{.address = seen.address, .reach = Reach::connected, .took = Micros(200)}};
    return seen;
}

inline Observations failed(Reach reach, int error) {
    Observations seen;
    seen.attempts = {
        {.address = "10.0.0.1:80", .reach = reach, .error = error, .took = Micros(200)}};
    return seen;
}

template <typename Answer>
Answer wordless(Protocol protocol, End end) {
    Answer answer;
    answer.end = end;
    answer.said.protocol = protocol;
    return answer;
}

template <typename Answer>
Answer says(Protocol protocol, const std::string& bytes) {
    Answer answer = wordless<Answer>(protocol, End::finished);
    answer.said.bytes = bytes.size();
    answer.said.first_bytes = bytes;
    answer.first_byte = Micros(400);
    if (protocol == Protocol::http1) {
        answer.said.http1_response = sniff::parse_http1_response(sniff::as_bytes(bytes));
    } else {
        answer.said.greeting = bytes;
    }
    return answer;
}

inline Http2Answer http2(int http_status) {
    Http2Answer answer = says<Http2Answer>(Protocol::http2, std::string("\0\0\0\4\0\0\0\0\0", 9));
    answer.said.greeting.clear();
    answer.grpc.http_status = http_status;
    return answer;
}

inline Http2Answer grpc(int status = 12, const std::string& message = "unknown service") {
    Http2Answer answer = http2(200);
    answer.grpc.grpc_status = status;
    answer.grpc.grpc_message = message;
    answer.grpc.content_type = "application/grpc";
    return answer;
}

inline TlsAnswer tls(const std::string& alpn) {
    TlsAnswer answer;
    answer.end = End::finished;
    answer.is_tls = true;
    answer.handshake = true;
    answer.version = "TLSv1.3";
    answer.alpn = alpn;
    answer.checked_name = "name";
    answer.name_matches = true;
    answer.outer.protocol = Protocol::tls;
    answer.certificate = Certificate{.subject = "CN = name",
                                     .issuer = "CN = roots",
                                     .names = {"name"},
                                     .not_before = "2026-01-01T00:00:00Z",
                                     .not_after = "2027-01-01T00:00:00Z",
                                     .days_left = 40};
    return answer;
}

inline TlsAnswer tls_alert(uint8_t description) {
    TlsAnswer answer;
    answer.end = End::finished;
    answer.is_tls = true;
    answer.alert = sniff::TlsAlert{.level = 2, .description = description};
    answer.outer.protocol = Protocol::tls_alert;
    return answer;
}

// Go's metrics port.
inline Observations metrics_port() {
    Observations seen = reached();
    seen.h2c = says<Http2Answer>(Protocol::http1,
                                 "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nDate: Mon, 23 "
                                 "Nov 2026 10:00:00 GMT\r\nContent-Length: 0\r\n\r\n");
    seen.get = says<Http1Answer>(Protocol::http1, "HTTP/1.1 404 Not Found\r\n\r\n");
    seen.metrics = says<Http1Answer>(Protocol::http1, "HTTP/1.1 200 OK\r\n\r\n");
    seen.metrics.prometheus = true;
    seen.tls.end = End::fin;
    seen.tls.outer.protocol = Protocol::http1;
    return seen;
}

}  // namespace telltale::proxy::probe::examples
