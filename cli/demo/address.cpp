#include "cli/demo/address.h"

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <stdexcept>

namespace telltale::cli::demo {

boost::asio::ip::tcp::endpoint endpoint_of(const std::string& address) {
    const size_t colon = address.rfind(':');
    const char* end = address.data() + address.size();
    uint16_t port = 0;
    boost::system::error_code error;
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto ip = boost::asio::ip::make_address(host, error);
    if (colon == std::string::npos || error ||
        std::from_chars(address.data() + colon + 1, end, port).ptr != end || port == 0)
        throw std::invalid_argument("\"" + address + "\" is not an address with a port");
    return {ip, port};
}

}  // namespace telltale::cli::demo
