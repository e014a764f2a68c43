// What one sidecar saw of one fault: an incident record as the join needs it, read back from JSON.
// Plain values; texts came from a file or a socket and are raw here (bounded by the reader, not
// escaped): whoever prints them cleans them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sniff/cause.h"

namespace telltale::proxy::hops {

using UnixMillis = int64_t;

struct SeenClient {
    std::string address;  // who connected: "10.244.1.5:43210"
    std::string reached;  // this sidecar's own address on that leg; "" when it was not told
    std::string protocol;
    std::string path, user_agent;  // of its first request
};

struct SeenUpstream {
    std::string address;  // dialled; "" when there was none
    std::string from;     // this sidecar's own address on that leg; "" when it was not told
    std::string requested;
    std::string protocol;
    int64_t status = 0;  // of its first answer; 0: none
};

struct SeenHop {
    std::optional<sniff::HopPosition> position;  // nullopt: missing, or no word of ours
    std::string address, name, role, software, version;
    std::vector<std::string> evidence;
};

// A group of equal incidents (count), or one; the rest is of the newest that has its own record.
struct Sighting {
    size_t source = 0;  // whose: an index into the sources that were read
    std::string id;     // unique within its sidecar; "" when only a summary was there
    std::string node, listener, direction;
    UnixMillis at = 0;  // of the record; 0: it has no time, and no link can be found by time
    UnixMillis first = 0, last = 0;
    uint64_t count = 1;
    SeenClient client;
    SeenUpstream upstream;
    std::string cause;  // a word of sniff/cause.h, or of a newer release
    sniff::Confidence confidence = sniff::Confidence::possible;
    SeenHop hop;
    std::string attributed_by, action, rerouted_to;
    std::string explanation, fix, runbook;
};

// The same fault for the same sidecar, as `telltale proxy` groups them.
[[nodiscard]] bool same_group(const Sighting& one, const Sighting& other) noexcept;
// Where it dialled: the address, or what was asked for when there was none.
[[nodiscard]] const std::string& dialled(const Sighting& seen) noexcept;

// ---- addresses as records write them

// "10.0.0.7" of "10.0.0.7:80", "[::1]" of "[::1]:80"; "" of a Unix socket and of what is none.
[[nodiscard]] std::string host_part(const std::string& address);
// 127.0.0.0/8 and ::1: the same address on every machine.
[[nodiscard]] bool is_loopback(const std::string& host) noexcept;
// Has a port, so that it names one side of one connection.
[[nodiscard]] bool is_socket(const std::string& address) noexcept;

}  // namespace telltale::proxy::hops
