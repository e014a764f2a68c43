#include "cli/demo/http_get.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <stdexcept>

#include "cli/demo/address.h"

namespace telltale::cli::demo {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::chrono::seconds patience{10};

// One asynchronous step run to its end; the stream's deadline holds only for those.
class Step final {
   public:
    explicit Step(asio::io_context& context) : context_(context) { context_.restart(); }
    // To be called by the step when it is over.
    [[nodiscard]] auto handler() {
        return [this](const beast::error_code& error, auto&&...) { error_ = error; };
    }
    void finish() {
        context_.run();
        if (error_) throw boost::system::system_error(error_);
    }

   private:
    asio::io_context& context_;
    beast::error_code error_;
};

}  // namespace

std::string http_get(const std::string& address, const std::string& path) {
    try {
        asio::io_context context{1};
        beast::tcp_stream stream{context};
        stream.expires_after(patience);
        Step connect{context};
        stream.async_connect(endpoint_of(address), connect.handler());
        connect.finish();

        http::request<http::empty_body> request{http::verb::get, path, 11};
        request.set(http::field::host, address);
        request.set(http::field::connection, "close");
        Step write{context};
        http::async_write(stream, request, write.handler());
        write.finish();

        beast::flat_buffer buffer;
        http::response<http::string_body> response;
        Step read{context};
        http::async_read(stream, buffer, response, read.handler());
        read.finish();
        if (response.result() != http::status::ok)
            throw std::runtime_error("it answered " + std::to_string(response.result_int()));
        return std::move(response).body();
    } catch (const std::exception& error) {
        throw std::runtime_error("GET http://" + address + path + " failed: " + error.what());
    }
}

}  // namespace telltale::cli::demo
