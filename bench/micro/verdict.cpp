// The verdict on one side: every row of the probe table asked about the first 512 bytes.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/micro/inputs.h"
#include "sniff/sniffer.h"

namespace telltale::bench {

namespace {

using sniff::Protocol;
using sniff::Side;

constexpr uint32_t window_max = 16384;

// Bytes that no row knows stay undecided while one may still hope: then the end decides.
void verdict(benchmark::State& state, Side speaker, const std::string& bytes) {
    const sniff::Bytes prefix = sniff::as_bytes(bytes);
    Protocol protocol = Protocol::undecided;
    for ([[maybe_unused]] auto _ : state) {
        sniff::Sniffer sniffer(speaker, window_max);
        protocol = sniffer.look(prefix);
        if (protocol == Protocol::undecided) protocol = sniffer.finish(prefix);
        benchmark::DoNotOptimize(protocol);
    }
    state.SetLabel(std::string(sniff::name(protocol)));
}

// Both sides of a gRPC connection.
void verdict_of_pair(benchmark::State& state) {
    const std::string request = grpc_request();
    const std::string answer = grpc_answer();
    for ([[maybe_unused]] auto _ : state) {
        sniff::Sniffer client(Side::client, window_max);
        sniff::Sniffer upstream(Side::upstream, window_max);
        benchmark::DoNotOptimize(client.look(sniff::as_bytes(request)));
        benchmark::DoNotOptimize(upstream.look(sniff::as_bytes(answer)));
    }
}
BENCHMARK(verdict_of_pair)->Name("verdict/grpc_pair");

const bool registered = [] {
    for (const Side speaker : {Side::client, Side::upstream}) {
        for (const Input& input : prefixes()) {
            const std::string name = "verdict/" + std::string(sniff::name(speaker)) + "/";
            benchmark::RegisterBenchmark((name + std::string(input.name)).c_str(),
                                         [speaker, &input](benchmark::State& state) {
                                             verdict(state, speaker, input.bytes);
                                         });
        }
    }
    return true;
}();

}  // namespace

}  // namespace telltale::bench
