// A running Telltale inside the test process: real listeners, workers, sink and admin server on
// free loopback ports.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/runtime.h"

namespace telltale::test {

// One listener "default" on a free port of 127.0.0.1 towards `upstream`; the admin server on a free
// port; JSON records.
[[nodiscard]] config::Config config_for(const std::string& upstream);

class Sidecar final {
   public:
    explicit Sidecar(config::Config config);
    ~Sidecar();  // drains at once, and expects every gauge back at zero
    Sidecar(const Sidecar&) = delete;
    Sidecar& operator=(const Sidecar&) = delete;

    [[nodiscard]] std::string address(size_t listener = 0) const;
    [[nodiscard]] proxy::Runtime& runtime() { return *runtime_; }

    // The full records so far (not the summaries), parsed; waits until there are `count`, fails the
    // test after 10 s.
    [[nodiscard]] std::vector<boost::json::object> incidents(size_t count);
    [[nodiscard]] size_t incident_count();
    // A sample by its name and labels as written in the exposition text, 0 when it is not there.
    [[nodiscard]] double metric(const std::string& sample) const;
    [[nodiscard]] std::string get(
        const std::string& path) const;  // body of an admin route; status line in front
    bool wait_until(const std::function<bool()>& condition) const;

   private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
    std::unique_ptr<proxy::Runtime> runtime_;
};

}  // namespace telltale::test
