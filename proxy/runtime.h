// A running sidecar: listeners, workers, sink, admin, reloads, and the orderly end, also in favour
// of a successor. `telltale proxy` and `telltale demo` are this with a configuration. Start and
// stop on the thread that owns it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "config/config.h"

namespace telltale::proxy {

class Runtime final {
   public:
    struct Options {
        config::Config config;
        std::string version, commit;
        // One finished incident line; default: stdout.
        std::function<void(const std::string&)> write_incident = {};
        // Reads the configuration again, for reloads: the new one, or every error. Called on the
        // control thread. Absent: nothing is ever reloaded.
        std::function<std::variant<config::Config, std::vector<std::string>>()> load = {};
        std::string watched_file = {};  // reloads when its content changes; "": none
        std::string watched_text = {};  // its content as `config` was read from it
    };
    enum class Exit : uint8_t { clean, connections_cut };

    // Takes over the sockets of a predecessor, if config.handover leads to one; binds every other
    // listener and the admin address. Throws StartError (one clear sentence) when one can't be had.
    explicit Runtime(Options options);
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    void start();  // threads run after this
    // New connections use the new configuration, old ones finish with theirs; one with errors
    // changes nothing. Any thread; returns at once.
    void reload();
    // Readiness goes false, accepting goes on for timeouts.drain_delay, then ends; open connections
    // may finish until timeouts.drain; the rest is cut (recorded as proxy_shutdown). Call from any
    // thread; returns at once.
    void drain();
    void abort();               // cut everything now; any thread
    [[nodiscard]] Exit wait();  // until drain() or abort() has finished

    [[nodiscard]] std::string admin_address() const;  // "" when disabled
    [[nodiscard]] std::string listener_address(
        size_t index) const;  // as bound at the start, with the real port

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct StartError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace telltale::proxy
