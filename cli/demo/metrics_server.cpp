#include "cli/demo/metrics_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace telltale::cli::demo {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr size_t request_bytes_max = 16384;
constexpr std::chrono::seconds patience{10};

constexpr std::string_view page =
    "# HELP group_rpc_requests_total Calls answered by the service.\n"
    "# TYPE group_rpc_requests_total counter\n"
    "group_rpc_requests_total 42\n";

std::string response(std::string_view status, std::string_view type, std::string_view body) {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\n");
    if (!type.empty()) text.append("Content-Type: ").append(type).append("\r\n");
    text.append("Connection: close\r\nContent-Length: ").append(std::to_string(body.size()));
    return text.append("\r\n\r\n").append(body);
}

// One request, one response, then the end.
class Visit final : public std::enable_shared_from_this<Visit> {
   public:
    explicit Visit(asio::ip::tcp::socket socket) : stream_(std::move(socket)) {}

    void start() {
        stream_.expires_after(patience);
        beast::http::async_read(stream_, buffer_, request_,
                                [self = shared_from_this()](const beast::error_code& error,
                                                            size_t) { self->on_request(error); });
    }

   private:
    void on_request(const beast::error_code& error) {
        if (error && error.category() !=
                         beast::http::make_error_code(beast::http::error::bad_version).category())
            return;
        // Beast says end_of_stream when nothing came before the end.
        if (error == beast::http::error::end_of_stream) return;
        if (error)
            response_ = response("400 Bad Request", "", "");
        else if (request_.get().target() == "/metrics")
            response_ = response("200 OK", "text/plain; version=0.0.4; charset=utf-8", page);
        else
            response_ =
                response("404 Not Found", "text/plain; charset=utf-8", "404 page not found\n");
        asio::async_write(stream_, asio::buffer(response_),
                          [self = shared_from_this()](const beast::error_code& failed, size_t) {
                              if (!failed) self->hang_up();
                          });
    }

    // Closing with unread bytes resets the connection, and the reset may overtake the response.
    void hang_up() {
        beast::error_code ignored;  // the peer may be gone, which is as good
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        discard();
    }
    void discard() {
        stream_.async_read_some(
            asio::buffer(discarded_),
            [self = shared_from_this()](const beast::error_code& error, size_t) {
                if (!error) self->discard();
            });
    }

    beast::tcp_stream stream_;
    beast::flat_buffer buffer_{request_bytes_max};
    beast::http::request_parser<beast::http::empty_body> request_;
    std::string response_;
    std::array<char, 4096> discarded_{};
};

}  // namespace

MetricsServer::MetricsServer(asio::io_context& context, uint16_t port)
    : acceptor_(context, {asio::ip::address_v4::loopback(), port}) {
    accept();
}

void MetricsServer::accept() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (!error) std::make_shared<Visit>(std::move(socket))->start();
            accept();
        });
}

}  // namespace telltale::cli::demo
