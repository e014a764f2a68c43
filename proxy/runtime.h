// A running sidecar: listeners, workers, sink, admin, and the orderly end. `telltale proxy` and
// `telltale demo` are this with a configuration. Start and stop on the thread that owns it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/config.h"

namespace telltale::proxy {

class Runtime final {
   public:
    struct Options {
        config::Config config;
        std::string version, commit;
        // One finished incident line; default: stdout through spdlog.
        std::function<void(const std::string&)> write_incident;
    };
    enum class Exit : uint8_t { clean, connections_cut };

    // Binds every listener and the admin address; throws StartError (one clear sentence) when one
    // can't be had.
    explicit Runtime(Options options);
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    void start();  // threads run after this
    // Readiness goes false, accepting goes on for timeouts.drain_delay, then ends; open connections
    // may finish until timeouts.drain; the rest is cut (recorded as proxy_shutdown). Call from any
    // thread; returns at once.
    void drain();
    void abort();               // cut everything now; any thread
    [[nodiscard]] Exit wait();  // until drain() or abort() has finished

    [[nodiscard]] std::string admin_address() const;                 // "" when disabled
    [[nodiscard]] std::string listener_address(size_t index) const;  // as bound, with the real port

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct StartError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace telltale::proxy
