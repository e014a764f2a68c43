#include "cli/demo/http_get.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <stdexcept>

#include "cli/demo/address.h"

namespace telltale::cli::demo {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::chrono::seconds patience{10};

// Runs one asynchronous step to its end; the stream's deadline holds only for those.
template <class Future>
auto finish(asio::io_context& context, Future future) {
    context.restart();
    context.run();
    return future.get();
}

}  // namespace

std::string http_get(const std::string& address, const std::string& path) {
    try {
        asio::io_context context{1};
        beast::tcp_stream stream{context};
        stream.expires_after(patience);
        finish(context, stream.async_connect(endpoint_of(address), asio::use_future));
        http::request<http::empty_body> request{http::verb::get, path, 11};
        request.set(http::field::host, address);
        request.set(http::field::connection, "close");
        finish(context, http::async_write(stream, request, asio::use_future));
        beast::flat_buffer buffer;
        http::response<http::string_body> response;
        finish(context, http::async_read(stream, buffer, response, asio::use_future));
        if (response.result() != http::status::ok)
            throw std::runtime_error("it answered " + std::to_string(response.result_int()));
        return std::move(response).body();
    } catch (const std::exception& error) {
        throw std::runtime_error("GET http://" + address + path + " failed: " + error.what());
    }
}

}  // namespace telltale::cli::demo
