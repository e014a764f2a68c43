// The commands of bench_load; main() fills in what the command line says. Each prints one JSON
// object as its last line and throws std::exception with a sentence when it can't do its work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/load/answer.h"
#include "bench/load/sockets.h"
#include "bench/load/wire.h"

namespace telltale::bench::load {

enum class Speaks : uint8_t { h2, http1 };

struct ServeOptions {
    Address listen;
    Speaks answer = Speaks::h2;
    size_t threads = 1;
};
void serve(const ServeOptions& options);

struct SetupOptions {
    Address to;
    size_t connections = 1;
    size_t concurrency = 1;
    Speaks expect = Speaks::h2;
    Close close = Close::reset;
};
void setup(const SetupOptions& options);

struct IdleOptions {
    Address to;
    size_t connections = 1;
    bool request = false;
};
void idle(const IdleOptions& options);

struct SlowOptions {
    Address to;
    std::string path;
    uint64_t bytes_per_second = 1;
    uint32_t window = window_max;
};
void slow(const SlowOptions& options);

struct PacedOptions {
    Address to;
    size_t connections = 1;
    size_t rounds = 1;
    bool hold = false;
};
void paced(const PacedOptions& options);

}  // namespace telltale::bench::load
