// Everything known about one connection, as plain values: what diagnose() judges and what the
// incident record shows. The conversation fills the wire part, the session the socket part, the
// registry look-up the names. No pointers into buffers; strings that came from the wire are raw
// here (bounded, not escaped): whoever prints them escapes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/protocol.h"

namespace telltale::sniff {

using Millis = int64_t;  // since the connection was accepted

// ---- what was read on the wire

struct Http1Request {  // RFC 9112 §3; every string at most 256 bytes
    std::string method;
    std::string target;
    std::string version;  // "HTTP/1.1"; empty when the line was cut
    std::string host, user_agent, via, content_type, upgrade;
    std::vector<std::string>
        forwarded;  // names present of Via, Forwarded, X-Forwarded-*, X-Real-IP, …, lower case
    bool head_complete = false;
};

struct Http1Response {    // RFC 9112 §4
    std::string version;  // "HTTP/1.1", "HTTP/1.0", "HTTP/2.0" (as text); empty for HTML without a
                          // status line
    int status = 0;       // 0 when there was no status line
    std::string reason;
    std::string server, via, content_type, location, content_length, connection;
    std::vector<std::pair<std::string, std::string>>
        headers;                               // in wire order, at most 32, names as sent
    std::string body;                          // the first 512 bytes seen
    std::string telltale_cause, telltale_hop;  // of a Telltale that answered itself
    bool head_complete = false;
};

struct Http2Setting {  // RFC 9113 §6.5.1
    uint16_t id = 0;
    uint32_t value = 0;
};

inline constexpr size_t http2_names_max = 16;

struct Http2Headers {           // the first header block that a side sent, by nghttp2's HPACK
    int status = -1;            // -1: no :status; nginx really sends 000
    uint8_t server_fields = 0;  // more than one: somebody claims to be several programs
    std::array<uint32_t, http2_names_max>
        names{};  // header_name_hash() of each name in wire order, pseudo headers left out; 0: none
    std::string method, path, content_type, user_agent, server, via, grpc_status, grpc_message;
    std::vector<std::string> forwarded;
    std::string telltale_cause, telltale_hop;  // of a Telltale that answered itself
    bool end_stream = false;
};

struct Http2Goaway {  // RFC 9113 §6.8
    uint32_t error_code = 0;
    uint32_t last_stream = 0;
    std::string debug;  // at most 256 bytes
};

struct TlsHello {  // ClientHello or ServerHello (RFC 8446 §4.1)
    std::string sni;
    std::vector<std::string> alpn;  // client: offered; server: selected (TLS 1.2 and older only)
    std::vector<uint16_t>
        versions;  // client: supported_versions or legacy_version; server: the negotiated one
    bool complete = false;
    bool hello_retry = false;
};

struct TlsAlert {  // RFC 8446 §6
    uint8_t level = 0;
    uint8_t description = 0;
};

enum class EndKind : uint8_t { none, eof, reset, error, timeout, aborted };

struct SideEvidence {
    Protocol protocol = Protocol::undecided;
    std::string first_bytes;  // raw, at most first_bytes_max, of the innermost layer
    std::optional<Http1Request> http1_request;
    std::optional<Http1Response> http1_response;
    std::vector<Http2Setting> settings;
    std::optional<Http2Headers> first_headers;
    std::optional<Http2Goaway> goaway;
    std::optional<TlsHello> tls_hello;
    std::optional<TlsAlert> tls_alert;
    std::string greeting;  // ssh, mysql, redis, smtp: the first line or the version text
    uint64_t bytes = 0;
    std::optional<Millis> first_byte_at;
    EndKind end = EndKind::none;  // of the upstream: eof or reset when it had ended by then
};
inline constexpr size_t first_bytes_max = 256;

enum class Layer : uint8_t { none, proxy_header, connect_tunnel, upgrade_h2c, upgrade_other };

// ---- what the sockets said

enum class Outcome : uint8_t {  // of the way to the upstream
    connecting,
    connected,
    refused,
    timed_out,
    unreachable,
    dns_failure,
    no_endpoints,
    loop,         // the upstream is this process
    local_limit,  // EMFILE, EADDRNOTAVAIL, … on this host
};

struct ConnectAttempt {
    std::string address;
    int error = 0;  // errno, 0 when it connected
};

enum class Operation : uint8_t {
    none,
    accept,
    resolve,
    connect,
    read,
    write,
    deadline,
    drain,
    policy,  // on_mismatch: answer or reset
    limit,   // one of the configuration's, or what this host has of descriptors, ports and memory
};
enum class Phase : uint8_t { connecting, before_verdict, relaying, closing };

struct Ending {                // the first cause of an ending wins
    std::optional<Side> side;  // nullopt: Telltale
    Operation operation = Operation::none;
    EndKind kind = EndKind::none;
    int error = 0;  // errno
    Phase phase = Phase::connecting;
};

// ---- what the configuration knows about an address

enum class PortRole : uint8_t { unknown, grpc, metrics };

struct RegistryFacts {
    std::string service;  // whose port the dialled port is, or who is registered at the address
    PortRole port_role = PortRole::unknown;
    uint16_t grpc_port = 0;         // of that service
    std::string requested_service;  // the service whose name was asked for
    uint16_t requested_grpc_port = 0;
    std::string source;  // "openim data set", "configuration"
};

// ---- what was asked after the incident: nothing unless the configuration wants it

// What a port speaks, found by connecting to it (proxy/probe). One word each in records.
enum class Spoken : uint8_t {
    unknown,   // not asked, or the answer did not come in time
    grpc,      // an unknown method was answered by grpc-status 12
    http2,     // SETTINGS, but no gRPC
    tls_h2,    // TLS whose ALPN selects h2
    tls,       // TLS without h2
    http1,     // a status line of HTTP/1, or a page without one
    other,     // other bytes
    nothing,   // connected; no byte, or hung up
    refused,   // RST to the SYN
    no_reply,  // no answer to the SYN, or unreachable
};
inline constexpr std::array<std::string_view, 10> spoken_names = {
    "unknown", "grpc",  "http2",   "tls_h2",  "tls",
    "http1",   "other", "nothing", "refused", "no_reply"};

struct ConfirmedPort {  // of the address of the incident
    uint16_t port = 0;
    Spoken spoken = Spoken::unknown;
    bool metrics = false;  // answered GET /metrics in the Prometheus text format
};

struct Evidence {
    std::string listener;
    Direction direction = Direction::inbound;
    Expect expect = Expect::any;
    std::string client_address;  // "10.244.1.5:43210", "unix:/run/x.sock"
    std::string
        listener_address;        // where the client reached this Telltale: its side's local address
    std::string upstream_local;  // this Telltale's own address towards the upstream
    std::string upstream_address;  // the address dialled last; empty when there was none
    uint16_t upstream_port = 0;
    std::string requested;  // the upstream as configured: "group-rpc-service:12260"

    SideEvidence client;
    SideEvidence upstream;
    std::vector<Layer> layers;   // outermost first: PROXY header, CONNECT tunnel, Upgrade
    std::string connect_target;  // of CONNECT
    Verdict verdict = Verdict::undecided;

    Outcome outcome = Outcome::connecting;
    std::vector<ConnectAttempt> attempts;
    std::string resolve_error;
    Ending ended_by;
    bool ended = false;
    std::optional<Millis> connected_at;
    std::optional<Millis> silent_for;  // since the client had spoken and the upstream had not
    Millis now = 0;

    RegistryFacts registry;

    std::string dns_name;         // PTR of the upstream's IP address, without a final dot
    std::string client_dns_name;  // the same of the client's
    // What the host of `requested` is called at the end of its aliases:
    // "group-rpc-service.openim.svc.cluster.local"; empty: not asked
    std::string requested_dns_name;
    std::vector<ConfirmedPort> confirmed;  // the dialled port first, then its siblings
};

}  // namespace telltale::sniff
