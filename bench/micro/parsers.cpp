// What reads the kept first bytes once there is something to tell, and the walker that reads all.
#include <benchmark/benchmark.h>

#include <iterator>
#include <string>

#include "bench/micro/inputs.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/tls.h"

namespace telltale::bench {

namespace {

constexpr size_t stream_bytes = size_t{1} << 20U;

void http1_response(benchmark::State& state) {
    const std::string bytes = capture("upstream/nginx_plain_400");
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(sniff::parse_http1_response(sniff::as_bytes(bytes)));
    }
    state.SetBytesProcessed(state.iterations() * std::ssize(bytes));
}
BENCHMARK(http1_response)->Name("parse/http1_response");

void client_hello(benchmark::State& state) {
    const std::string bytes = capture("client/go_client_hello");
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(sniff::parse_client_hello(sniff::as_bytes(bytes)));
    }
    state.SetBytesProcessed(state.iterations() * std::ssize(bytes));
}
BENCHMARK(client_hello)->Name("parse/client_hello");

void frame_walker(benchmark::State& state) {
    const std::string stream = data_frames(static_cast<size_t>(state.range(0)), stream_bytes);
    sniff::FrameWalker walker(sniff::Side::upstream);
    walker.feed(sniff::as_bytes(grpc_answer()));
    for ([[maybe_unused]] auto _ : state) walker.feed(sniff::as_bytes(stream));
    if (!walker.sane()) state.SkipWithError("the walker lost the frames");
    state.SetBytesProcessed(state.iterations() * std::ssize(stream));
}
BENCHMARK(frame_walker)->Name("frame_walker/payload")->Arg(200)->Arg(16384);

}  // namespace

}  // namespace telltale::bench
