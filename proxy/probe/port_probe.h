// Asks one port of one host everything, on a few connections: first the HTTP/2 preface alone (a
// port that greets like a database or SSH is left alone after that, and servers of one connection
// at a time stay free), then TLS, GET / and GET /metrics together, then TLS without ALPN where
// there was none.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/net.h"
#include "proxy/probe/exchange.h"
#include "proxy/probe/probe.h"

namespace telltale::proxy::probe {

inline constexpr size_t addresses_max = 8;  // of one name

class PortProbe final : public std::enable_shared_from_this<PortProbe> {
   public:
    using Done = std::function<void(const Observations& seen)>;

    // endpoints: not empty. target: how the port is named in requests and certificates.
    PortProbe(asio::io_context& context, std::vector<Endpoint> endpoints, Target target,
              const Options& options, Depth depth);

    void start(Done done);  // once; `done` is never called from within
    void cut();             // ends what is under way; `done` comes from within
    void cancel();          // `done` is not called any more

   private:
    using Heard = std::function<void(const Exchange::Result& result)>;

    void ask_first();
    void on_first(const Exchange::Result& result);
    void ask_rest();
    void ask_rest_in_tls();
    void finish();

    void run(const Endpoint& endpoint, std::shared_ptr<Talk> talk, Heard heard);
    void ask_grpc(const Endpoint& endpoint, Heard heard);
    void ask_tls(const Endpoint& endpoint, bool always_http2, Heard heard);
    void ask_http(std::string_view path, Http1Answer Observations::*where);
    void check_address(size_t index);
    // Counts an answer of the second round.
    void answered();
    [[nodiscard]] bool may_be_http() const;

    asio::io_context& context_;
    std::vector<Endpoint> endpoints_;
    Target target_;
    Options options_;
    Depth depth_;
    Observations seen_;
    Done done_;
    std::vector<std::weak_ptr<Exchange>> exchanges_;
    size_t address_ = 0;  // of the endpoints: the one in use
    size_t pending_ = 0;
    bool over_ = false;
};

}  // namespace telltale::proxy::probe
