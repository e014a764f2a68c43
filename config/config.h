// What can be configured, with its defaults. Plain values, immutable after load; no behaviour here:
// config/load.h fills it, proxy/ reads it. A new key is a field here, a row in config/keys.cpp, a
// test and a line in docs/configuration.md.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/protocol.h"

namespace telltale::config {

// An address as written: "0.0.0.0:15260", "[::1]:15260", ":15260" (all addresses, v4 and v6),
// "group-rpc-service:10260", "unix:/run/app.sock", "unix:@abstract".
struct Address {
    std::string host;            // empty: all addresses (listen only)
    uint16_t port = 0;           // 0: any free port (listen only)
    std::string unix_path = {};  // not empty: a Unix socket; '@' first: abstract name

    [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Address&, const Address&) = default;
};

// What is done when the two sides do not speak the same protocol.
enum class Policy : uint8_t { observe, answer, reroute, reset };
inline constexpr std::array<std::string_view, 4> policy_names = {"observe", "answer", "reroute",
                                                                 "reset"};

enum class Balance : uint8_t { round_robin, least_connections };
inline constexpr std::array<std::string_view, 2> balance_names = {"round_robin",
                                                                  "least_connections"};

inline constexpr size_t upstreams_max = 64;  // of one listener; each may be a metric series

// Where a listener's connections go: every address of every name is an endpoint.
struct Upstream {
    std::vector<Address> addresses;  // at least one
    Balance balance = Balance::round_robin;
    std::chrono::milliseconds resolve{5000};  // names are looked up again after this
    std::chrono::milliseconds check{0};       // active check at this interval; 0: none

    // As a reader wants it: the address, or all of them with commas.
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Upstream&, const Upstream&) = default;
};

struct Listener {
    std::string name;
    Address listen;
    sniff::Direction direction = sniff::Direction::inbound;
    sniff::Expect expect = sniff::Expect::any;
    Upstream upstream;
    Policy on_mismatch = Policy::observe;
    friend bool operator==(const Listener&, const Listener&) = default;
};

// on_mismatch: answer
struct Answer {
    bool show_addresses = true;
    // How long a client of HTTP/2 is answered before GOAWAY makes it connect anew: so long it may
    // take to notice an upstream that was mended.
    std::chrono::milliseconds linger{1000};
    friend bool operator==(const Answer&, const Answer&) = default;
};

// on_mismatch: reroute
struct Reroute {
    uint32_t attempts = 1;      // further endpoints that one connection may be sent to
    uint32_t eject_s = 30;      // how long an endpoint that spoke the wrong protocol is left out;
                                // doubles each time, at most 32 times as long
    bool correct_port = false;  // a metrics port of the registry: try the gRPC port beside it
    friend bool operator==(const Reroute&, const Reroute&) = default;
};

struct Service {  // one row of the registry
    std::string name;
    uint16_t grpc = 0;                     // 0: none
    uint16_t metrics = 0;                  // 0: none
    std::vector<std::string> addresses;    // IP addresses known to belong to it; may be empty
    std::string source = "configuration";  // who says so: also "openim data set"
    friend bool operator==(const Service&, const Service&) = default;
};

// How the address at fault gets a name after an incident, where the registry has none.
struct Names {
    bool dns = true;                         // ask for PTR records
    std::chrono::milliseconds timeout{300};  // a record waits no longer for its name
    uint32_t per_second = 20;                // questions; more go without
    friend bool operator==(const Names&, const Names&) = default;
};

// Active confirmation: after an incident, what else the address seen can speak.
struct Confirm {
    bool enabled = false;
    std::vector<uint16_t> ports;                   // asked besides those of the registry
    std::chrono::milliseconds timeout{1500};       // a record waits no longer for what it adds
    std::chrono::milliseconds again_after{60000};  // until then the answer for an address stands
    uint32_t per_minute = 30;                      // addresses asked; more go without
    friend bool operator==(const Confirm&, const Confirm&) = default;
};

struct Timeouts {
    std::chrono::milliseconds connect{5000};
    std::chrono::milliseconds idle{0};  // 0: never; a gRPC connection may be idle for days
    std::chrono::milliseconds half_closed{900000};  // one side ended, the other silent
    std::chrono::milliseconds drain{30000};         // SIGTERM: how long open connections may go on
    std::chrono::milliseconds drain_delay{0};       // SIGTERM: how long to accept while not ready
    friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct Sniff {
    uint32_t window_bytes = 16384;                // kept per side while undecided
    std::chrono::milliseconds preface_hold{500};  // how long a begun preface waits to be whole
    std::chrono::milliseconds settle{100};  // after a mismatch: for the rest of the answer's head
    std::chrono::milliseconds silent_after{5000};  // the client spoke and nothing came back
    friend bool operator==(const Sniff&, const Sniff&) = default;
};

struct Limits {
    uint32_t connections = 0;             // 0: derived from RLIMIT_NOFILE
    uint32_t connections_per_client = 0;  // from one client address; 0: no limit
    uint32_t accept_rate = 20000;         // connections a second; 0: no limit
    uint32_t incident_queue = 1024;  // records waiting for the log; more are dropped and counted
    uint32_t incidents_kept = 200;   // shown by /incidents
    uint64_t buffered_bytes = 64U << 20U;  // lent to slow readers, all connections together
    // What a policy keeps of a client's first bytes until the upstream has spoken. A client of
    // HTTP/2 may send 64 KiB of data before it hears SETTINGS (RFC 9113 §6.9.2), and the frames
    // around them.
    uint32_t first_flight_bytes = 80U << 10U;
    friend bool operator==(const Limits&, const Limits&) = default;
};

// automatic: plain on a terminal, JSON otherwise.
enum class LogFormat : uint8_t { automatic, plain, json };
enum class LogLevel : uint8_t { debug, info, warning, error };
inline constexpr std::array<std::string_view, 3> log_format_names = {"automatic", "plain", "json"};
inline constexpr std::array<std::string_view, 4> log_level_names = {"debug", "info", "warning",
                                                                    "error"};

struct Log {
    LogFormat format = LogFormat::automatic;
    LogLevel level = LogLevel::info;
    friend bool operator==(const Log&, const Log&) = default;
};

struct Node {
    std::string name;        // default: $POD_NAME; empty: the caller puts the host name in
    std::string namespace_;  // default: $POD_NAMESPACE
    friend bool operator==(const Node&, const Node&) = default;
};

struct Config {
    Node node;
    Address admin{.host = "127.0.0.1", .port = 15970, .unix_path = {}};
    bool admin_enabled = true;  // admin: {listen: none}
    uint32_t workers = 0;       // 0: one per processor, at most 2
    Address handover;           // a Unix socket on which a successor gets the sockets; port 0: none
    std::vector<Listener> listeners;
    Answer answer;
    Reroute reroute;
    std::vector<Service> services;
    Names names;
    Confirm confirm;
    Timeouts timeouts;
    Sniff sniff;
    Limits limits;
    Log log;
    std::string runbook_url =
        "https://github.com/telltale-proxy/telltale/blob/main/docs/runbook.md";
    friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace telltale::config
