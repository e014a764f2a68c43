// bench_load paced: PINGs in turn on every connection, so that all carry exactly the same load.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>

#include "bench/load/commands.h"
#include "bench/load/dialer.h"
#include "bench/load/ending.h"
#include "bench/load/latencies.h"
#include "bench/load/report.h"

namespace telltale::bench::load {

namespace {

void make_blocking(int socket) {
    const timeval limit{patience.count(), 0};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK) < 0)
        throw_errno("can't make a socket block");
}

std::array<uint8_t, 8> payload_of(uint64_t number) {
    std::array<uint8_t, 8> payload{};
    for (uint8_t& byte : payload) {
        byte = static_cast<uint8_t>(number);
        number >>= 8;
    }
    return payload;
}

// False: the connection has ended, or there was no acknowledgement in time.
bool ping_once(Connection& connection, uint64_t number) {
    const std::array<uint8_t, 8> payload = payload_of(number);
    if (!send_whole(connection.socket.number(), ping(payload))) return false;
    std::array<char, 4096> buffer{};
    bool acknowledged = false;
    while (!acknowledged) {
        const ssize_t size = recv(connection.socket.number(), buffer.data(), buffer.size(), 0);
        if (size <= 0) return false;
        connection.frames.read({buffer.data(), static_cast<size_t>(size)}, [&](const Frame& frame) {
            if (frame.type == FrameType::ping && frame.has(flag_ack))
                acknowledged = frame.head == payload;
        });
        if (connection.frames.broken()) return false;
    }
    return true;
}

}  // namespace

void paced(const PacedOptions& options) {
    Plan plan;
    plan.to = options.to;
    plan.connections = options.connections;
    Opened opened = open_all(plan);
    for (const Connection& connection : opened.connections)
        make_blocking(connection.socket.number());
    if (options.hold) {
        Report{}.flag("ready", true).print();
        if (!wait_for_line()) throw std::runtime_error("stdin ended before the line to begin at");
    }

    size_t lost = 0;
    Latencies latencies{opened.connections.size() * options.rounds};
    const auto begun = Clock::now();
    for (size_t round = 0; round < options.rounds; ++round) {
        for (Connection& connection : opened.connections) {
            if (!connection.socket.open()) continue;
            const auto sent = Clock::now();
            if (ping_once(connection, round)) {
                latencies.add(Clock::now() - sent);
            } else {
                ++lost;
                connection.socket.close();
            }
        }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    if (latencies.size() == 0 && options.rounds != 0)
        throw std::runtime_error(options.to.text + " acknowledged no PING");
    if (lost != 0) std::fprintf(stderr, "warning: %zu connections stopped answering\n", lost);
    Report{}
        .count("connections", options.connections)
        .count("rounds", options.rounds)
        .count("failed", opened.failed + lost)
        .number("seconds", seconds, 6)
        .object("latency_us", json_us(latencies.summary()))
        .print();
    if (options.hold) Ending{}.wait();
}

}  // namespace telltale::bench::load
