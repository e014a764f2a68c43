// What a probe saw on its connections to one port, as plain values: what judge() (verdict.h) reads
// and what `telltale probe` prints. Texts that came from the wire are raw here (bounded, not
// escaped): whoever prints them escapes them. Durations are microseconds since that connection was
// begun.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sniff/evidence.h"

namespace telltale::proxy::probe {

using Micros = std::chrono::microseconds;

// ---- the way there

enum class Reach : uint8_t {  // of one address
    connected,
    refused,      // RST to the SYN
    timed_out,    // no answer to the SYN
    unreachable,  // no route, or a router said so
    local_limit,  // this host has no descriptor or port left
    cut,          // the probe's own time was over
};

struct Attempt {
    std::string address;  // "10.244.2.9:12260", "[::1]:80"
    Reach reach = Reach::cut;
    int error = 0;  // errno; 0: connected, or cut
    Micros took{0};
};

// ---- what was said on one connection

enum class End : uint8_t {
    none,      // there was no such connection
    finished,  // everything that was asked was answered
    fin,
    reset,
    timeout,     // the connection was open and the time was over
    limit,       // it said more than is read
    no_connect,  // this connection was not made, though an earlier one was
};

struct Answer {
    End end = End::none;
    sniff::SideEvidence said;  // protocol, head, settings, greeting, first bytes
    Micros connect{0};
    std::optional<Micros> first_byte;

    [[nodiscard]] bool asked() const { return end != End::none; }
};

enum class Health : uint8_t { not_asked, unknown, serving, not_serving, service_unknown, absent };
enum class Reflection : uint8_t { not_asked, absent, listed, failed };

// gRPC inside HTTP/2, asked without touching data.
struct GrpcFacts {
    int http_status = 0;             // of the answer to the unknown method; 0: no answer
    std::optional<int> grpc_status;  // 12 (unimplemented) is the proof
    std::string grpc_message;        // as sent, percent-encoded
    std::string content_type;
    std::string server;
    uint32_t reset_code = 0;  // RST_STREAM in place of an answer
    bool reset = false;
    Health health = Health::not_asked;  // of the whole server
    Reflection reflection = Reflection::not_asked;
    std::vector<std::string> services;  // by reflection; at most services_max
    bool services_cut = false;

    // Something there speaks gRPC, whatever it answered.
    [[nodiscard]] bool proven() const { return grpc_status.has_value(); }
};
inline constexpr size_t services_max = 64;

struct Http2Answer : Answer {
    GrpcFacts grpc;
};

struct Http1Answer : Answer {
    bool prometheus = false;  // 200, in the Prometheus text format
};

struct Certificate {  // the leaf
    std::string subject, issuer;
    std::vector<std::string> names;     // DNS names and addresses of the SAN extension, at most 16
    std::string not_before, not_after;  // "2026-11-22T22:01:37Z"
    std::optional<int64_t> days_left;   // negative: expired
};

struct TlsAnswer {
    End end = End::none;
    bool is_tls = false;                   // a ServerHello or an alert came
    bool handshake = false;                // complete
    std::string version;                   // "TLSv1.3"
    std::string alpn;                      // "h2", "http/1.1"; empty: the server selected none
    std::string server_name;               // the SNI that was sent; empty: none
    std::string checked_name;              // what the certificate was compared with
    bool certificate_asked = false;        // the server asked for a client certificate
    std::optional<sniff::TlsAlert> alert;  // that the server sent
    std::optional<Certificate> certificate;
    std::string not_trusted;  // why the chain does not lead to a trusted root; empty: it does
    bool name_matches = false;
    sniff::SideEvidence outer;  // what came before any decryption: a hello, an alert, or no TLS
    std::string error;          // of the handshake, in OpenSSL's words; or why there is no TLS here
    Micros connect{0};
    std::optional<Micros> first_byte;
    Http2Answer http2;               // inside, where ALPN selected h2
    Http1Answer http1;               // inside, where it did not: GET /
    Http2Answer http2_without_alpn;  // inside a connection of its own, where it selected nothing

    [[nodiscard]] bool asked() const { return end != End::none; }
};

struct Observations {
    std::string resolve_error;      // the name has no address: why
    std::vector<Attempt> attempts;  // in the order of the answer of the resolver
    std::string address;            // the first that connected; all that follows is of it
    Http2Answer h2c;                // preface and SETTINGS, then the unknown method
    TlsAnswer tls;
    Http1Answer get;               // GET /
    Http1Answer metrics;           // GET /metrics
    bool cut = false;              // the time for the whole probe was over
    bool still_resolving = false;  // the resolver had not answered when the time was over

    [[nodiscard]] bool connected() const { return !address.empty(); }
};

}  // namespace telltale::proxy::probe
