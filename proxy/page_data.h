// What the page at / asks for beside incidents: /listeners and /history. Pure: values in, a whole
// body of JSON out. Words from outside are escaped and cut here.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "proxy/incident_history.h"
#include "proxy/stats.h"
#include "sniff/protocol.h"

namespace telltale::proxy {

struct NodeFacts {
    std::string name, space;  // space: of Kubernetes
    std::string version, commit;
    std::chrono::system_clock::time_point started;
};

// {client protocol, upstream protocol, verdict}: connections
using SpokenCounts =
    std::map<std::tuple<sniff::Protocol, sniff::Protocol, sniff::Verdict>, uint64_t>;

struct ListenerFacts {
    std::string name;
    sniff::Direction direction = sniff::Direction::inbound;
    sniff::Expect expect = sniff::Expect::any;
    std::string_view policy;  // on_mismatch
    std::string bound;        // with the real port
    std::string upstream;     // as configured
    ListenerStats stats;      // of all workers
    SpokenCounts open;        // of the open connections that were looked at
};

// What open connections speak now, by the slot of their listener: index of the result.
[[nodiscard]] std::vector<SpokenCounts> spoken_now(const std::vector<WorkerSnapshot>& snapshots,
                                                   size_t slots);

// reason: why it is not ready; "": ready. checks: of all listeners.
[[nodiscard]] std::string listeners_json(const NodeFacts& node, std::string_view reason,
                                         std::chrono::system_clock::time_point now,
                                         const std::vector<ListenerFacts>& listeners,
                                         const std::vector<CheckState>& checks);
[[nodiscard]] std::string history_json(const IncidentHistory& history);

}  // namespace telltale::proxy
