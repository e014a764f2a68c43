// Asks admin servers over HTTP: `telltale hops` for incidents, `telltale health` whether the
// sidecar is well. Several are asked at once; returns when each has answered, failed or used up its
// time. An answer is anybody's: bounded here, cleaned by who prints it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace telltale::proxy {

inline constexpr uint16_t admin_port = 15970;

// "http://10.0.0.1:15970", "10.0.0.1", "[fd00::1]:15970", "unix:/run/admin.sock"; nullopt: not an
// address. The path of a URL does not matter.
[[nodiscard]] std::optional<config::Address> admin_address(const std::string& text);

struct AdminQuestion {
    std::string target;  // "/incidents"
    std::string accept;  // "application/json"
    uint64_t body_bytes_max = 0;
};
struct AdminAnswer {
    unsigned status = 0;  // 0: no answer
    std::string body;
    std::string problem;  // one sentence, when there is no answer
};
// In the order of the addresses. patience: for all of it, looking up names included.
[[nodiscard]] std::vector<AdminAnswer> ask_admin(const std::vector<config::Address>& addresses,
                                                 const AdminQuestion& question,
                                                 std::chrono::milliseconds patience);

}  // namespace telltale::proxy
