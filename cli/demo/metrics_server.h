// The demo's wrong port: an HTTP/1.1 server for metrics, as services have one beside their gRPC
// port. GET /metrics is answered in Prometheus' text format; what is not HTTP/1 (the preface of
// HTTP/2, say) with 400 and no more, which is what Go's net/http does.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>

namespace telltale::cli::demo {

class MetricsServer final {
   public:
    // port 0: any free one. Throws boost::system::system_error when it can't be had.
    MetricsServer(boost::asio::io_context& context, uint16_t port);

    [[nodiscard]] uint16_t port() const { return acceptor_.local_endpoint().port(); }

   private:
    void accept();

    boost::asio::ip::tcp::acceptor acceptor_;
};

}  // namespace telltale::cli::demo
