// Asks a port what can be spoken there: makes connections of its own and sends what changes no data
// (the HTTP/2 preface, a gRPC method that no server has, GET / and /metrics, a TLS hello). Used by
// `telltale probe` and, in a light form, by the sidecar after an incident.
//
// Runs on the thread of the io_context, never blocks it (names by the asynchronous resolver), and
// is bounded: time per connection and in all, bytes read per connection, connections at once. Loads
// OpenSSL when it first tries TLS, not before.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net.h"
#include "proxy/probe/observations.h"
#include "proxy/probe/target.h"
#include "proxy/probe/verdict.h"

namespace telltale::proxy::probe {

inline constexpr size_t bytes_read_max = 128U << 10U;  // per connection
inline constexpr size_t connections_max = 10;          // at once, of one probe
inline constexpr size_t siblings_max = 64;

// Light: h2c with the unknown method, TLS with the same, GET /metrics where HTTP/1 answered; no
// health, no reflection. Siblings are always probed so.
enum class Depth : uint8_t { light, full };

enum class TrySiblings : uint8_t { never, without_grpc, always };

struct Sibling {
    uint16_t port = 0;
    std::string why;  // "gRPC port of group-rpc-service by the openim data set"; empty: asked for
};

struct Options {
    Depth depth = Depth::full;
    bool plaintext = true;
    bool tls = true;
    std::chrono::milliseconds timeout{3000};  // each of: the name, a connect, a conversation
    std::chrono::milliseconds total{30000};   // everything
    std::string server_name;  // SNI and the name the certificate must have; empty: the host
    std::string ca_file;      // PEM roots in place of the system's
    TrySiblings try_siblings = TrySiblings::never;
    std::vector<Sibling> siblings;  // at most siblings_max are tried, in this order
};

struct PortReport {  // of a sibling
    uint16_t port = 0;
    std::string why;
    Observations seen;
    Verdict verdict;
};

struct Report {
    Target target;
    Observations seen;
    Verdict verdict;                   // of the target's own port
    std::vector<PortReport> siblings;  // in the order of the options; empty where none was tried
    std::chrono::microseconds took{0};
};

// What the incident record keeps of a port.
[[nodiscard]] sniff::ConfirmedPort confirmed(uint16_t port, const Observations& seen,
                                             const Verdict& verdict);

class Probe final {
   public:
    using Done = std::function<void(const Report& report)>;

    Probe(asio::io_context& context, Target target, Options options);
    ~Probe();  // cancels
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    // Once. `done` is called once, on the context's thread, never from within start(); the Probe
    // may be destroyed in it.
    void start(Done done);
    // Closes everything; `done` is not called any more. On the context's thread.
    void cancel();

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy::probe
