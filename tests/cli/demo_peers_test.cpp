// The demo's client and servers against each other, without the sidecar: what the story is built on
// must hold alone.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>
#include <thread>

#include "cli/demo/address.h"
#include "cli/demo/grpc_client.h"
#include "cli/demo/grpc_message.h"
#include "cli/demo/grpc_server.h"
#include "cli/demo/http_get.h"
#include "cli/demo/metrics_server.h"

namespace telltale::cli::demo {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;

class DemoPeers : public testing::Test {
   protected:
    DemoPeers() : grpc_(context_, 0), metrics_(context_, 0), thread_([this] { context_.run(); }) {}
    ~DemoPeers() override {
        context_.stop();
        thread_.join();
    }
    [[nodiscard]] tcp::endpoint grpc() const {
        return endpoint_of("127.0.0.1:" + std::to_string(grpc_.port()));
    }
    [[nodiscard]] std::string metrics() const {
        return "127.0.0.1:" + std::to_string(metrics_.port());
    }

    // Everything the metrics server says to these bytes, until it ends.
    [[nodiscard]] std::string say_to_metrics(const std::string& bytes) const {
        boost::asio::io_context context;
        tcp::socket socket{context};
        socket.connect(endpoint_of(metrics()));
        boost::asio::write(socket, boost::asio::buffer(bytes));
        std::string answer;
        boost::system::error_code end;
        boost::asio::read(socket, boost::asio::dynamic_buffer(answer), end);
        EXPECT_EQ(end, boost::asio::error::eof) << "a reset could overtake the answer";
        return answer;
    }

    boost::asio::io_context context_{1};
    GrpcServer grpc_;
    MetricsServer metrics_;
    std::thread thread_;
};

TEST_F(DemoPeers, a_health_check_is_answered_serving) {
    const CallResult result = call_unary(grpc(), health_check_path, health_check_request, 10s);
    EXPECT_EQ(result.http_status, 200);
    EXPECT_EQ(result.grpc_status, 0);
    EXPECT_EQ(result.message, health_check_serving);
    EXPECT_EQ(result.library_error, "");
    EXPECT_GT(result.took.count(), 0);
    EXPECT_LT(result.took, 9s) << "the call ended by itself, not by its timeout";
    EXPECT_EQ(grpc_.calls_answered(), 1U);
}

TEST_F(DemoPeers, an_unknown_method_is_unimplemented) {
    const CallResult result = call_unary(grpc(), "/none.Such/Method", "", 10s);
    EXPECT_EQ(result.http_status, 200);
    EXPECT_EQ(result.grpc_status, 12);
    EXPECT_FALSE(result.message);
}

TEST_F(DemoPeers, every_call_gets_its_own_answer) {
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(call_unary(grpc(), health_check_path, health_check_request, 10s).grpc_status, 0);
    EXPECT_EQ(grpc_.calls_answered(), 20U);
}

TEST_F(DemoPeers, a_grpc_client_at_the_metrics_port_reads_http1) {
    const CallResult result =
        call_unary(endpoint_of(metrics()), health_check_path, health_check_request, 10s);
    EXPECT_FALSE(result.grpc_status);
    EXPECT_FALSE(result.message);
    EXPECT_TRUE(result.first_bytes.starts_with("HTTP/1.1 400 Bad Request\r\n"))
        << result.first_bytes;
    EXPECT_NE(result.library_error, "");
}

TEST_F(DemoPeers, the_metrics_port_answers_a_scrape) {
    EXPECT_NE(http_get(metrics(), "/metrics").find("group_rpc_requests_total 42\n"),
              std::string::npos);
    EXPECT_THROW((void)http_get(metrics(), "/else"), std::runtime_error);
}

TEST_F(DemoPeers, the_metrics_port_answers_the_preface_as_go_does) {
    EXPECT_EQ(say_to_metrics(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33)),
              "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST(Address, needs_a_numeric_address_and_a_port) {
    EXPECT_EQ(endpoint_of("127.0.0.1:15970").port(), 15970);
    EXPECT_TRUE(endpoint_of("[::1]:1").address().is_v6());
    for (const char* wrong : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000",
                              "name:1", "1.2.3.4:5x"})
        EXPECT_THROW((void)endpoint_of(wrong), std::invalid_argument) << wrong;
}

}  // namespace
}  // namespace telltale::cli::demo
