#include "cli/demo/stage.h"

#include <boost/system/system_error.hpp>
#include <stdexcept>
#include <utility>

#include "cli/version.h"
#include "config/load.h"

namespace telltale::cli::demo {

namespace {

// The ports of group-rpc-service in an OpenIM deployment, and Telltale's own.
constexpr uint16_t usual_grpc_port = 10260;
constexpr uint16_t usual_metrics_port = 12260;
constexpr uint16_t usual_admin_port = 15970;

std::string loopback(uint16_t port) {
    return "127.0.0.1:" + std::to_string(port);
}

// The built-in data set knows the usual ports; others have to be told.
std::string registry_text(uint16_t grpc, uint16_t metrics) {
    if (grpc == usual_grpc_port && metrics == usual_metrics_port)
        return "registry:\n  include: [openim]\n";
    return "registry:\n  services:\n    - {name: group-rpc-service, grpc: " + std::to_string(grpc) +
           ", metrics: " + std::to_string(metrics) + "}\n";
}

std::string listener_text(const std::string& name, uint16_t upstream) {
    return "  - name: " + name +
           "\n    listen: 127.0.0.1:0\n    direction: outbound\n    expect: grpc\n" +
           "    upstream: {address: \"" + loopback(upstream) + "\"}\n";
}

config::Config parse(const std::string& text) {
    auto loaded = config::load(
        {.file = "demo.yaml", .text = text}, {}, [](const std::string&) { return std::nullopt; },
        config::built_in_data_set);
    if (const auto* errors = std::get_if<config::Errors>(&loaded))
        throw std::runtime_error("the demo's own configuration is wrong: " +
                                 errors->front().message());
    return std::get<config::Config>(std::move(loaded));
}

}  // namespace

Stage::Stage(const std::function<void(const std::string&)>& write_incident) {
    bind_upstreams();
    start_sidecar(write_incident);
    upstreams_ = std::thread([this] { context_.run(); });
}

Stage::~Stage() {
    runtime_->abort();
    (void)runtime_->wait();  // nobody asks a demo whether its connections were cut
    context_.stop();
    upstreams_.join();
}

// The usual ports when both are free, so that the story is the one of the guide; else any two.
void Stage::bind_upstreams() {
    try {
        grpc_ = std::make_unique<GrpcServer>(context_, usual_grpc_port);
        metrics_ = std::make_unique<MetricsServer>(context_, usual_metrics_port);
    } catch (const boost::system::system_error&) {
        grpc_ = std::make_unique<GrpcServer>(context_, uint16_t{0});
        metrics_ = std::make_unique<MetricsServer>(context_, uint16_t{0});
    }
}

void Stage::start_sidecar(const std::function<void(const std::string&)>& write_incident) {
    const std::string common = "node: {name: demo}\nlog: {format: plain}\nlisteners:\n" +
                               listener_text(right_listener, grpc_->port()) +
                               listener_text(wrong_listener, metrics_->port()) +
                               registry_text(grpc_->port(), metrics_->port());
    const auto start = [&](uint16_t admin_port) {
        configuration_ = "admin: {listen: \"" + loopback(admin_port) + "\"}\n" + common;
        proxy::Runtime::Options options;
        options.config = parse(configuration_);
        options.version = version();
        options.commit = commit();
        options.write_incident = write_incident;
        runtime_ = std::make_unique<proxy::Runtime>(std::move(options));
    };
    try {
        start(usual_admin_port);
    } catch (const proxy::StartError&) {
        start(0);
    }
    runtime_->start();
}

}  // namespace telltale::cli::demo
