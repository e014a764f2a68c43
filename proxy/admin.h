// The admin server (Boost.Beast): one table {path, methods, handler}. To look: GET or HEAD /
// /metrics /live /ready /incidents /connections /listeners /history /config /log-level, and the
// parts of the page at / (page_files.h), which is for browsers; others get the list of pages there.
// Parts and what the page asks for again and again have an ETag. To change something: POST or
// PUT /log-level /drain /reload, from this host only and not from another site's page
// (admin_guard.h). Anything else 404, another method 405. Runs on the control thread's io_context;
// never touches a worker's data: it asks through AdminSources and answers when the values come.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/incident_sink.h"
#include "proxy/net.h"
#include "proxy/page_data.h"
#include "proxy/stats.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// Which configuration is in effect, and what became of the attempt to replace it.
struct ConfigStatus {
    std::chrono::system_clock::time_point loaded_at;  // the one in effect
    // The last reload, when it failed.
    std::optional<std::chrono::system_clock::time_point> failed_at;
    std::vector<std::string> errors;  // of that reload: one message each
};

// Each asks for something and calls back later, or answers at once; on the admin's io_context.
struct AdminSources {
    // Metrics text (Prometheus exposition format).
    std::function<void(std::function<void(std::string)>)> metrics;
    // Rows of open connections and of those that ended a short while ago, at most max.
    std::function<void(size_t max, std::function<void(std::vector<ConnectionRow>)>)> connections;
    std::function<void(std::function<void(std::vector<IncidentSink::Entry>)>)> incidents;
    std::function<std::string()> config_yaml;
    std::function<std::string()> not_ready_reason;             // empty: ready
    std::function<std::vector<std::string>()> listener_names;  // index = ConnectionRow::listener

    // ---- those that may be absent: then there is no such page, or it says less
    std::function<ConfigStatus()> config_status;                // comments of /config
    std::function<std::vector<CheckState>()> checks;            // /ready?verbose
    std::function<std::string()> log_level;                     // a word of config::LogLevel
    std::function<bool(std::string_view level)> set_log_level;  // false: no such level
    std::function<void()> drain;                                // called after the answer
    std::function<NodeFacts()> node;                            // /listeners, with the next one
    // At most max open connections of each worker are looked at.
    std::function<void(size_t max, std::function<void(std::vector<ListenerFacts>)>)> listeners;
    std::function<void(std::function<void(IncidentHistory)>)> history;  // /history
    // ok: the new configuration is in effect. text: what happened, or every error, a line each.
    std::function<void(std::function<void(bool ok, std::string text)>)> reload;
};

class Admin final {
   public:
    // Binds at once; throws boost::system::system_error with one clear sentence when it can't.
    // handed: a socket that listens already, a predecessor's; nothing is bound then.
    Admin(asio::io_context& context, const config::Address& listen, AdminSources sources,
          UniqueFd handed = {});
    ~Admin();
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;

    [[nodiscard]] std::string address() const;  // the bound address, "127.0.0.1:15970"
    // Another descriptor of the listening socket, for a successor; empty when there is none left.
    [[nodiscard]] UniqueFd duplicate() const;
    // A successor has the socket: accepts no more, and leaves its queue and its path alone. Open
    // connections go on.
    void give_away();
    // Closes the listening socket and every connection. On the thread that runs the context, or
    // when none runs it.
    void stop();

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
