#include "proxy/hops/source.h"

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

namespace telltale::proxy::hops {

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

// One GET /incidents: looks the name up, tries each of its addresses, reads the answer. The time is
// for all of it.
class Get final : public std::enable_shared_from_this<Get> {
   public:
    Get(asio::io_context& context, config::Address address, std::chrono::milliseconds patience)
        : address_(std::move(address)),
          patience_(patience),
          resolver_(context),
          timer_(context),
          stream_(context) {}

    void start();
    [[nodiscard]] Fetched take() { return std::move(result_); }

   private:
    void connect(size_t next, const ErrorCode& before);
    void ask();
    void read();
    void take_answer();
    void end(std::string problem);

    const config::Address address_;
    const std::chrono::milliseconds patience_;
    Resolver resolver_;
    Timer timer_;
    Stream stream_;
    std::vector<Endpoint> endpoints_;
    http::request<http::empty_body> request_;
    beast::flat_buffer buffer_;
    std::optional<http::response_parser<http::string_body>> parser_;
    Fetched result_;
    bool over_ = false;
};

void Get::start() {
    timer_.expires_after(patience_);
    timer_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
        if (!cancelled) self->end("no answer within " + seconds_text(self->patience_));
    });
    if (const auto numeric = numeric_endpoint(address_)) {
        endpoints_.push_back(*numeric);
        return connect(0, {});
    }
    resolver_.async_resolve(
        address_.host, std::to_string(address_.port),
        [self = shared_from_this()](const ErrorCode& error, const Resolver::results_type& found) {
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
    request_ = {http::verb::get, "/incidents", 11};
    request_.set(http::field::host, address_.is_unix() ? "localhost" : address_.text());
    request_.set(http::field::accept, "application/json");
    request_.set(http::field::connection, "close");
    http::async_write(stream_, request_,
                      [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                          if (error) return self->end("hung up: " + error.message());
                          self->read();
                      });
}

void Get::read() {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(source_bytes_max);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                         if (error == http::error::body_limit) {
                             return self->end("its answer is longer than 64 MiB");
                         }
                         if (error) return self->end("no answer in HTTP: " + error.message());
                         self->take_answer();
                     });
}

void Get::take_answer() {
    auto answer = parser_->release();
    if (answer.result() != http::status::ok) {
        return end("answered " + std::to_string(answer.result_int()) +
                   " to GET /incidents: is it the admin address of a Telltale?");
    }
    if (over_) return;
    result_.ok = true;
    result_.body = std::move(answer.body());
    end("");
}

void Get::end(std::string problem) {
    if (over_) return;
    over_ = true;
    result_.problem = std::move(problem);
    timer_.cancel();
    resolver_.cancel();
    stream_.close();
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

std::vector<Fetched> fetch(const std::vector<config::Address>& addresses,
                           std::chrono::milliseconds patience) {
    asio::io_context context{1};
    std::vector<std::shared_ptr<Get>> gets;
    for (const config::Address& address : addresses) {
        gets.push_back(std::make_shared<Get>(context, address, patience));
        gets.back()->start();
    }
    context.run();
    std::vector<Fetched> out;
    for (const auto& get : gets) out.push_back(get->take());
    return out;
}

bool is_bad_input(const Reading& reading) noexcept {
    return !reading.blank && reading.objects == 0;
}

SourceReport report_on(std::string name, const Reading& reading) {
    SourceReport report{.name = std::move(name),
                        .was_read = !is_bad_input(reading),
                        .incidents = reading.sightings.size(),
                        .problem = {}};
    std::string& problem = report.problem;
    const auto add = [&problem](const std::string& text) {
        problem += (problem.empty() ? "" : "; ") + text;
    };
    if (is_bad_input(reading)) {
        add("no JSON in it: it needs what /incidents answers, or a log with log.format json");
    }
    if (reading.unreadable != 0) {
        add(std::to_string(reading.unreadable) +
            (reading.unreadable == 1 ? " record is" : " records are") +
            " broken and left out, the first in line " + std::to_string(reading.first_bad_line));
    }
    if (reading.wrong_fields != 0) {
        add(std::to_string(reading.wrong_fields) +
            (reading.wrong_fields == 1 ? " field has" : " fields have") +
            " another type than records have, and counts as missing");
    }
    if (reading.passed_over != 0) {
        add(std::to_string(reading.passed_over) + " older records were passed over");
    }
    return report;
}

}  // namespace telltale::proxy::hops
