// What an incident costs: the diagnosis and the line that tells it.
#include <benchmark/benchmark.h>

#include <stdexcept>

#include "bench/micro/inputs.h"
#include "proxy/incident.h"
#include "sniff/conversation.h"
#include "sniff/diagnosis.h"

namespace telltale::bench {

namespace {

// A gRPC client that nginx answers with `400 Bad Request`.
sniff::Evidence mismatch() {
    using sniff::Side;
    sniff::Conversation conversation(sniff::Expect::grpc, {});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, sniff::as_bytes(grpc_request()), 0);
    conversation.on_bytes(Side::upstream, sniff::as_bytes(capture("upstream/nginx_plain_400")), 1);
    conversation.on_end(Side::upstream, sniff::StreamEnd::fin, 2);
    sniff::Evidence evidence;
    evidence.listener = "group";
    evidence.expect = sniff::Expect::grpc;
    evidence.client_address = "10.244.1.5:43210";
    evidence.upstream_address = "10.244.2.9:12260";
    evidence.upstream_port = 12260;
    evidence.requested = "group-rpc-service:12260";
    evidence.outcome = sniff::Outcome::connected;
    evidence.connected_at = 0;
    evidence.ended_by = {.side = Side::upstream,
                         .operation = sniff::Operation::read,
                         .kind = sniff::EndKind::eof,
                         .error = 0,
                         .phase = sniff::Phase::relaying};
    evidence.ended = true;
    evidence.now = 2;
    conversation.describe(evidence);
    if (sniff::diagnose(evidence).cause == sniff::Cause::fine) {
        throw std::runtime_error("an answer of HTTP/1.1 is not seen as a fault");
    }
    return evidence;
}

void diagnosis(benchmark::State& state) {
    const sniff::Evidence evidence = mismatch();
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(sniff::diagnose(evidence));
    }
}
BENCHMARK(diagnosis)->Name("incident/diagnose");

void record(benchmark::State& state) {
    proxy::Incident incident;
    incident.id = "6a1b2c3d-0-1";
    incident.node = "default/sidecar";
    incident.evidence = mismatch();
    incident.diagnosis = sniff::diagnose(incident.evidence);
    incident.runbook = "https://example.org/runbook#http1_proxy";
    incident.timing = proxy::Timing{.connect_ms = 0.2, .first_byte_ms = 0.9, .total_ms = 1.4};
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(proxy::to_json(incident));
    }
}
BENCHMARK(record)->Name("incident/to_json");

}  // namespace

}  // namespace telltale::bench
