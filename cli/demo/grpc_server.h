// The demo's healthy upstream: a gRPC server on a loopback port. Answers
// grpc.health.v1.Health/Check with SERVING and any other method with UNIMPLEMENTED, as any gRPC
// tool can see for itself.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>

namespace telltale::cli::demo {

class GrpcServer final {
   public:
    // port 0: any free one. Throws boost::system::system_error when it can't be had.
    GrpcServer(boost::asio::io_context& context, uint16_t port);

    [[nodiscard]] uint16_t port() const { return acceptor_.local_endpoint().port(); }
    [[nodiscard]] uint64_t calls_answered() const { return calls_answered_; }

   private:
    void accept();

    boost::asio::ip::tcp::acceptor acceptor_;
    std::atomic<uint64_t> calls_answered_ = 0;
};

}  // namespace telltale::cli::demo
