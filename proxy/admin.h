// The admin server (Boost.Beast): one table {path, handler}. GET or HEAD / /metrics /live /ready
// /incidents /connections /config; anything else 404, another method 405. Runs on the control
// thread's io_context; never touches a worker's data: it asks through AdminSources and answers when
// the values come.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/incident_sink.h"
#include "proxy/net.h"
#include "proxy/stats.h"

namespace telltale::proxy {

// Each asks for something and calls back later, on the admin's io_context.
struct AdminSources {
    // Metrics text (Prometheus exposition format).
    std::function<void(std::function<void(std::string)>)> metrics;
    // Rows of open connections, at most max.
    std::function<void(size_t max, std::function<void(std::vector<ConnectionRow>)>)> connections;
    std::function<void(std::function<void(std::vector<IncidentSink::Entry>)>)> incidents;
    std::function<std::string()> config_yaml;
    std::function<std::string()> not_ready_reason;  // empty: ready
    std::vector<std::string> listener_names;
};

class Admin final {
   public:
    // Binds at once; throws boost::system::system_error with one clear sentence when it can't.
    Admin(asio::io_context& context, const config::Address& listen, AdminSources sources);
    ~Admin();
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;

    [[nodiscard]] std::string address() const;  // the bound address, "127.0.0.1:15970"
    // Closes the listening socket and every connection. On the thread that runs the context, or
    // when none runs it.
    void stop();

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
