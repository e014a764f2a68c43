// bench_load setup: how fast connections are made, answered and dropped.
#include "bench/load/commands.h"
#include "bench/load/dialer.h"
#include "bench/load/latencies.h"
#include "bench/load/report.h"

namespace telltale::bench::load {

void setup(const SetupOptions& options) {
    need_files(options.concurrency + files_of_its_own);
    Plan plan;
    plan.to = options.to;
    plan.connections = options.connections;
    plan.at_a_time = options.concurrency;
    plan.awaited = options.expect == Speaks::h2 ? Awaited::settings : Awaited::http1;
    plan.second_flight.clear();
    plan.socket.close = options.close;
    plan.socket.send_at_once = false;

    Latencies latencies{options.connections};
    Dialer dialer{plan,
                  [&latencies](const Connection& answered) { latencies.add(answered.latency); }};
    const auto begun = Clock::now();
    dialer.run();
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    tell_failures(dialer.failed(), options.connections, dialer.complaint());
    Report{}
        .count("connections", options.connections)
        .count("failed", dialer.failed())
        .number("seconds", seconds, 6)
        .number("per_second", static_cast<double>(latencies.size()) / seconds, 1)
        .object("latency_us", json_us(latencies.summary()))
        .print();
}

}  // namespace telltale::bench::load
