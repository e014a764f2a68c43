// The observer of a whole connection: what it costs per byte once the verdict is there, and per
// connection.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

#include "bench/micro/inputs.h"
#include "sniff/conversation.h"

namespace telltale::bench {

namespace {

using sniff::Conversation;
using sniff::Side;

constexpr size_t stream_bytes = size_t{1} << 20U;

void talk(Conversation& conversation, const std::string& request, const std::string& answer) {
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, sniff::as_bytes(request), 0);
    conversation.on_bytes(Side::upstream, sniff::as_bytes(answer), 1);
}

// Chunks of a healthy gRPC connection in the direction given by the third argument.
void after_verdict(benchmark::State& state) {
    const auto chunk_bytes = static_cast<size_t>(state.range(0));
    const std::string stream = data_frames(static_cast<size_t>(state.range(1)), stream_bytes);
    const auto side = static_cast<Side>(state.range(2));
    Conversation conversation(sniff::Expect::any, {});
    talk(conversation, grpc_request(), grpc_answer());
    if (!conversation.decided() || conversation.verdict() != sniff::Verdict::match) {
        state.SkipWithError("this conversation is not healthy");
    }
    int64_t total = 0;
    const sniff::Bytes all = sniff::as_bytes(stream);
    sniff::Bytes rest = all;
    for ([[maybe_unused]] auto _ : state) {
        const size_t size = std::min(chunk_bytes, rest.size());
        conversation.on_bytes(side, rest.first(size), 2);
        total += static_cast<int64_t>(size);
        rest = size == rest.size() ? all : rest.subspan(size);
    }
    state.SetBytesProcessed(total);
}
BENCHMARK(after_verdict)
    ->Name("after_verdict")
    ->ArgNames({"chunk", "frame", "side"})
    ->ArgsProduct({{100, 1024, 16384, 262144},
                   {200, 16384},
                   {static_cast<int64_t>(Side::client), static_cast<int64_t>(Side::upstream)}});

void life(benchmark::State& state, const std::string& request, const std::string& answer) {
    for ([[maybe_unused]] auto _ : state) {
        Conversation conversation(sniff::Expect::any, {});
        talk(conversation, request, answer);
        conversation.on_end(Side::client, sniff::StreamEnd::fin, 2);
        conversation.on_end(Side::upstream, sniff::StreamEnd::fin, 2);
        conversation.on_close(2);
        benchmark::DoNotOptimize(conversation.verdict());
    }
}

void healthy_life(benchmark::State& state) {
    life(state, grpc_request(), grpc_answer());
}
BENCHMARK(healthy_life)->Name("life/healthy_grpc");

void mismatched_life(benchmark::State& state) {
    life(state, grpc_request(), capture("upstream/nginx_plain_400"));
}
BENCHMARK(mismatched_life)->Name("life/answered_by_http1");

void construction(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        Conversation conversation(sniff::Expect::any, {});
        benchmark::DoNotOptimize(&conversation);
    }
}
BENCHMARK(construction)->Name("life/nothing_said");

}  // namespace

}  // namespace telltale::bench
