// The incident record: one connection whose cause is not "fine", as plain values, and its two
// renderings. Pure: made by the worker, rendered by the sink. Wire bytes are escaped and cut here;
// a record is one line of valid JSON of at most record_bytes_max bytes.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sniff/diagnosis.h"
#include "sniff/escape.h"
#include "sniff/evidence.h"

namespace telltale::proxy {

inline constexpr size_t record_bytes_max = 8192;

// Measured more finely than evidence needs; from the accept on.
struct Timing {
    std::optional<double> connect_ms;     // until the upstream leg was up
    std::optional<double> first_byte_ms;  // until the first byte from the upstream
    double total_ms = 0;
};

// What is known only when a connection that was reported while it was open has ended.
struct IncidentEnd {
    std::string id;
    sniff::Ending ended_by;
    std::array<uint64_t, 2> bytes{};  // by Side: read from that side
    double total_ms = 0;
};

struct Incident {
    std::string id;  // unique per process: "<start>-<worker>-<count>"
    std::chrono::system_clock::time_point at;
    std::string node;
    sniff::Evidence evidence;
    sniff::Diagnosis diagnosis;
    std::string runbook;  // URL with the anchor of the cause
    std::string policy = "observe";
    std::string action = "forwarded";
    std::string rerouted_to;  // the endpoint that the client was sent to instead; "" mostly
    std::optional<Timing> timing;
    bool open = false;  // the connection went on after this was diagnosed
};

// Equal incidents (same listener, upstream, cause) of a short time as one: the newest of them
// stands for all.
struct IncidentRun {
    Incident newest;
    uint64_t count = 1;
    std::chrono::system_clock::time_point first = newest.at;
};

// Of a group of equal incidents (same listener, upstream, cause): how many were not printed since
// the last line.
struct Repeats {
    uint64_t count = 0;
    std::chrono::system_clock::time_point first;
    std::chrono::system_clock::time_point last;
};

// The record of design §7.
[[nodiscard]] std::string to_json(const Incident& incident);
// The summary line: {"event":"incident_repeated", …, "count":N}, with cause, listener, upstream,
// explanation and fix.
[[nodiscard]] std::string to_json(const Incident& incident, const Repeats& repeats);
// For a terminal: a few lines, the explanation and the fix first.
enum class Colour : uint8_t { off, on };
[[nodiscard]] std::string to_text(const Incident& incident, Colour colour);
[[nodiscard]] std::string to_text(const Incident& incident, const Repeats& repeats, Colour colour);
// The group key of "repeats are counted, not repeated", and whether two have the same.
[[nodiscard]] std::string group_key(const Incident& incident);
[[nodiscard]] bool same_group(const Incident& one, const Incident& other) noexcept;

// ---- text

using sniff::escape_wire;  // bytes from the wire
// For text of ours and of the configuration: valid UTF-8 without control characters stays, other
// bytes become \xNN; cut to `max` bytes of input, at a character, with a final "…".
[[nodiscard]] std::string clean_text(std::string_view text, size_t max);
// "2026-11-22T22:01:37.396Z"
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point at);

}  // namespace telltale::proxy
