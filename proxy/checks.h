// The active checks of all listeners, over reloads. On the control thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/stats.h"
#include "proxy/upstream_check.h"

namespace telltale::proxy {

class Checks final {
   public:
    explicit Checks(asio::io_context& context) : context_(context) {}

    // Checks what this configuration wants checked. A check that it leaves as it was goes on.
    void apply(const config::Config& config);
    void stop();
    [[nodiscard]] std::vector<CheckState> states() const;
    // By name of the listener; also of those that are gone.
    [[nodiscard]] std::map<std::string, CheckCounts> done() const;

   private:
    struct Entry {
        std::string listener;
        config::Address upstream;
        std::chrono::milliseconds interval, timeout;
        std::unique_ptr<UpstreamCheck> check;
    };
    void retire(const Entry& entry);

    asio::io_context& context_;
    std::vector<Entry> entries_;
    std::map<std::string, CheckCounts> retired_;
};

}  // namespace telltale::proxy
