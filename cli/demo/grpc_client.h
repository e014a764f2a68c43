// The demo's gRPC client: one unary call on a connection of its own, and what came of it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::cli::demo {

struct CallResult {
    int http_status = 0;
    std::optional<int> grpc_status;
    std::optional<std::string> message;  // the one response message
    std::string first_bytes;             // what the server sent first, at most 64 bytes
    std::string library_error;           // what nghttp2 said of them
    std::chrono::duration<double, std::milli> took{};
};

// Blocks until the call is over or the time is up. Throws boost::system::system_error when nothing
// listens there.
[[nodiscard]] CallResult call_unary(const boost::asio::ip::tcp::endpoint& server,
                                    std::string_view path, std::string_view message,
                                    std::chrono::milliseconds timeout);

}  // namespace telltale::cli::demo
