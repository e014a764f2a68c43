#include "proxy/admin_client.h"

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>
#include <variant>

#include "config/load.h"
#include "proxy/endpoint.h"
#include "proxy/net.h"

namespace telltale::proxy {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

using Stream = beast::basic_stream<asio::generic::stream_protocol, Executor>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr uint32_t header_bytes_max = 16384;

std::string seconds_text(std::chrono::milliseconds time) {
    char buffer[32];
    static_cast<void>(
        std::snprintf(buffer, sizeof buffer, "%g s", static_cast<double>(time.count()) / 1000.0));
    return buffer;
}

std::string size_text(uint64_t bytes) {
    return bytes >> 20U != 0 ? std::to_string(bytes >> 20U) + " MiB"
                             : std::to_string(bytes >> 10U) + " KiB";
}

// One GET: looks the name up, tries each of its addresses, reads the answer.
class Get final : public std::enable_shared_from_this<Get> {
   public:
    struct Order {
        config::Address address;
        AdminQuestion question;
        std::chrono::milliseconds patience;
    };
    // over: called once.
    Get(asio::io_context& context, Order order, std::function<void()> over)
        : order_(std::move(order)),
          on_over_(std::move(over)),
          resolver_(context),
          timer_(context),
          stream_(context) {}

    void start();
    [[nodiscard]] AdminAnswer take() { return std::move(answer_); }
    [[nodiscard]] bool is_looking_up() const noexcept { return looking_up_; }

   private:
    void look_up();
    void connect(size_t next, const ErrorCode& before);
    void ask();
    void read();
    void end(std::string problem);

    const Order order_;
    const std::function<void()> on_over_;
    Resolver resolver_;
    Timer timer_;
    Stream stream_;
    std::vector<Endpoint> endpoints_;
    http::request<http::empty_body> request_;
    beast::flat_buffer buffer_;
    std::optional<http::response_parser<http::string_body>> parser_;
    AdminAnswer answer_;
    bool looking_up_ = false;
    bool over_ = false;
};

void Get::start() {
    timer_.expires_after(order_.patience);
    timer_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
        if (!cancelled) self->end("no answer within " + seconds_text(self->order_.patience));
    });
    if (const auto numeric = numeric_endpoint(order_.address)) {
        endpoints_.push_back(*numeric);
        return connect(0, {});
    }
    look_up();
}

void Get::look_up() {
    looking_up_ = true;
    resolver_.async_resolve(
        order_.address.host, std::to_string(order_.address.port),
        [self = shared_from_this()](const ErrorCode& error, const Resolver::results_type& found) {
            self->looking_up_ = false;
            if (error) return self->end("the name can't be resolved: " + error.message());
            for (const auto& entry : found) self->endpoints_.emplace_back(entry.endpoint());
            self->connect(0, {});
        });
}

void Get::connect(size_t next, const ErrorCode& before) {
    if (over_) return;
    if (next == endpoints_.size()) return end("can't be reached: " + before.message());
    ErrorCode ignored;  // nothing that is open is of use any more
    stream_.socket().close(ignored);
    stream_.async_connect(endpoints_[next],
                          [self = shared_from_this(), next](const ErrorCode& error) {
                              if (error) return self->connect(next + 1, error);
                              self->ask();
                          });
}

void Get::ask() {
    if (over_) return;
    request_ = {http::verb::get, order_.question.target, 11};
    request_.set(http::field::host, order_.address.is_unix() ? "localhost" : order_.address.text());
    request_.set(http::field::accept, order_.question.accept);
    request_.set(http::field::connection, "close");
    http::async_write(stream_, request_,
                      [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                          if (error) return self->end("hung up: " + error.message());
                          self->read();
                      });
}

void Get::read() {
    if (over_) return;
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(order_.question.body_bytes_max);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                         if (error == http::error::body_limit) {
                             return self->end("its answer is longer than " +
                                              size_text(self->order_.question.body_bytes_max));
                         }
                         if (error) return self->end("no answer in HTTP: " + error.message());
                         self->end("");
                     });
}

void Get::end(std::string problem) {
    if (over_) return;
    over_ = true;
    if (problem.empty()) {
        auto answer = parser_->release();
        answer_.status = answer.result_int();
        answer_.body = std::move(answer.body());
    }
    answer_.problem = std::move(problem);
    timer_.cancel();
    resolver_.cancel();
    stream_.close();
    on_over_();
}

}  // namespace

std::optional<config::Address> admin_address(const std::string& text) {
    constexpr std::string_view scheme = "http://";
    std::string rest = text;
    if (rest.starts_with(scheme)) {
        rest = rest.substr(scheme.size());
        rest = rest.substr(0, rest.find_first_of("/?#"));
    }
    for (const std::string& written : {rest, rest + ":" + std::to_string(admin_port)}) {
        auto parsed = config::parse_upstream_address(written);
        if (auto* address = std::get_if<config::Address>(&parsed)) return std::move(*address);
    }
    return std::nullopt;
}

std::vector<AdminAnswer> ask_admin(const std::vector<config::Address>& addresses,
                                   const AdminQuestion& question,
                                   std::chrono::milliseconds patience) {
    auto context = std::make_unique<asio::io_context>(1);
    std::vector<std::shared_ptr<Get>> gets;
    gets.reserve(addresses.size());
    size_t open = addresses.size();
    for (const config::Address& address : addresses) {
        gets.push_back(std::make_shared<Get>(
            *context, Get::Order{.address = address, .question = question, .patience = patience},
            [&open, &context] {
                if (--open == 0) context->stop();
            }));
    }
    for (const auto& get : gets) get->start();
    context->run();
    std::vector<AdminAnswer> out;
    out.reserve(gets.size());
    for (const auto& get : gets) out.push_back(get->take());
    if (std::any_of(gets.begin(), gets.end(),
                    [](const auto& get) { return get->is_looking_up(); })) {
        // getaddrinfo can't be broken off, and the end of the context would wait for it: where name
        // servers are dead, half a minute. It is left to the end of the process.
        static_cast<void>(context.release());
    }
    return out;
}

}  // namespace telltale::proxy
