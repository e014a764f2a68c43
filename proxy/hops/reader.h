// Incident records back from text: what /incidents answers (an array of groups), or a log in which
// JSON lines of `telltale proxy` stand among others, as kubectl, Docker and CRI write them. Pure.
// The text may be hostile: sizes, depth and counts are bounded, unknown fields are passed over,
// missing ones stay empty, and what can't be read is counted and told, never thrown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/hops/sighting.h"

namespace telltale::proxy::hops {

struct ReadLimits {
    size_t object_bytes = 65536;  // a record has 8 KiB; room for its group, indented
    size_t sightings = 10000;     // the newest stay
    size_t text_bytes = 1024;     // of one field; longer ones are cut
};

struct Reading {
    std::vector<Sighting> sightings;
    size_t objects = 0;         // JSON objects of any kind
    size_t other_lines = 0;     // lines without one
    size_t unreadable = 0;      // looked like a record and was none
    size_t wrong_fields = 0;    // of another type than records have
    size_t passed_over = 0;     // records that were too many
    size_t first_bad_line = 0;  // of an unreadable one; 0: none
    bool blank = true;          // nothing but space, or an empty list
};

[[nodiscard]] Reading read_sightings(std::string_view text, size_t source,
                                     const ReadLimits& limits = {});

// "2026-11-22T22:01:37.396Z" in milliseconds since 1970; nullopt for anything else.
[[nodiscard]] std::optional<UnixMillis> parse_utc(std::string_view text) noexcept;

}  // namespace telltale::proxy::hops
