// bench_load idle: HTTP/2 connections that are open and do nothing.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "bench/load/commands.h"
#include "bench/load/dialer.h"
#include "bench/load/ending.h"
#include "bench/load/report.h"

namespace telltale::bench::load {

namespace {

// What was held was less than it seemed when the peer has ended connections meanwhile.
bool lost(const Connection& connection) {
    pollfd watched{connection.socket.number(), POLLRDHUP, 0};
    return poll(&watched, 1, 0) != 0;
}

}  // namespace

void idle(const IdleOptions& options) {
    Plan plan;
    plan.to = options.to;
    plan.connections = options.connections;
    if (options.request) {
        plan.awaited = Awaited::response;
        plan.first_flight = first_flight(window_max);  // whatever the size of the answer
        plan.second_flight += get_request(1, options.to.text, "/");
    }
    const Opened opened = open_all(plan);
    Ending ending;
    Report{}
        .count("connections", options.connections)
        .count("failed", opened.failed)
        .flag("ready", true)
        .print();
    ending.wait();
    const auto gone = std::count_if(opened.connections.begin(), opened.connections.end(), lost);
    Report{}
        .count("connections", options.connections)
        .count("failed", opened.failed)
        .count("lost", static_cast<uint64_t>(gone))
        .print();
}

}  // namespace telltale::bench::load
