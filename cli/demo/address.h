// "127.0.0.1:15970" as an endpoint.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace telltale::cli::demo {

// Throws std::invalid_argument when it is not a numeric address with a port.
[[nodiscard]] boost::asio::ip::tcp::endpoint endpoint_of(const std::string& address);

}  // namespace telltale::cli::demo
