#include "tests/support/sidecar.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <boost/json/parse.hpp>
#include <chrono>
#include <utility>

#include "config/load.h"
#include "tests/support/sockets.h"

namespace telltale::test {

config::Config config_for(const std::string& upstream) {
    config::Config config;
    config.admin.port = 0;
    config.node.name = "test";
    config.log.format = config::LogFormat::json;
    config::Listener listener;
    listener.name = "default";
    listener.listen = {.host = "127.0.0.1", .port = 0, .unix_path = {}};
    listener.upstream.addresses = {
        std::get<config::Address>(config::parse_upstream_address(upstream))};
    config.listeners.push_back(listener);
    return config;
}

Sidecar::Sidecar(config::Config config) {
    runtime_ = std::make_unique<proxy::Runtime>(
        proxy::Runtime::Options{.config = std::move(config),
                                .version = "test",
                                .commit = "test",
                                .write_incident = [this](const std::string& line) {
                                    const std::lock_guard lock(mutex_);
                                    lines_.push_back(line);
                                }});
    runtime_->start();
}

Sidecar::~Sidecar() {
    EXPECT_TRUE(wait_until([this] {
        return metric("telltale_connections_active{listener=\"default\"}") == 0;
    })) << "connections left behind:\n"
        << get("/connections");
    runtime_->drain();
    EXPECT_EQ(runtime_->wait(), proxy::Runtime::Exit::clean);
}

std::string Sidecar::address(size_t listener) const {
    return runtime_->listener_address(listener);
}

size_t Sidecar::incident_count() {
    const std::lock_guard lock(mutex_);
    return lines_.size();
}

std::vector<boost::json::object> Sidecar::incidents(size_t count) {
    if (!wait_until([&] { return incident_count() >= count; })) {
        throw std::runtime_error("no " + std::to_string(count) + " incident(s) in time, but " +
                                 std::to_string(incident_count()));
    }
    const std::lock_guard lock(mutex_);
    std::vector<boost::json::object> parsed;
    for (const std::string& line : lines_) {
        auto record = boost::json::parse(line).as_object();
        if (record.at("event") == "incident") parsed.push_back(std::move(record));
    }
    return parsed;
}

std::string Sidecar::get(const std::string& path) const {
    Connection admin = connect_to(runtime_->admin_address());
    admin.send("GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    return admin.receive_to_end().bytes;
}

double Sidecar::metric(const std::string& sample) const {
    const std::string text = "\n" + get("/metrics");
    const size_t at = text.find("\n" + sample + " ");
    if (at == std::string::npos) return 0;
    return std::stod(text.substr(at + sample.size() + 2));
}

bool Sidecar::wait_until(const std::function<bool()>& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 5);
    }
    return true;
}

}  // namespace telltale::test
