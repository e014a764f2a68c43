// The demo's world, all on loopback and in this process: a gRPC service, its metrics port, and the
// real sidecar in front of both, configured by the same text a user would write.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cli/demo/grpc_server.h"
#include "cli/demo/metrics_server.h"
#include "proxy/runtime.h"

namespace telltale::cli::demo {

class Stage final {
   public:
    // write_incident: one finished incident, on a thread of the sidecar. Throws std::runtime_error
    // (one clear sentence) when the stage can't be set.
    explicit Stage(const std::function<void(const std::string&)>& write_incident);
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    [[nodiscard]] const GrpcServer& grpc() const { return *grpc_; }
    [[nodiscard]] const MetricsServer& metrics() const { return *metrics_; }
    // Where the sidecar listens for the client: before the gRPC port and before the metrics port.
    [[nodiscard]] std::string right_address() const { return runtime_->listener_address(0); }
    [[nodiscard]] std::string wrong_address() const { return runtime_->listener_address(1); }
    [[nodiscard]] std::string admin_address() const { return runtime_->admin_address(); }
    [[nodiscard]] const std::string& configuration() const { return configuration_; }

   private:
    void bind_upstreams();
    void start_sidecar(const std::function<void(const std::string&)>& write_incident);

    boost::asio::io_context context_{1};
    std::unique_ptr<GrpcServer> grpc_;
    std::unique_ptr<MetricsServer> metrics_;
    std::string configuration_;
    std::unique_ptr<proxy::Runtime> runtime_;
    std::thread upstreams_;
};

inline constexpr const char* right_listener = "group-rpc";
inline constexpr const char* wrong_listener = "group-rpc-misled";

}  // namespace telltale::cli::demo
