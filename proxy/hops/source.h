// Where incidents come from: an admin address, a file, or standard input, by the way it is written;
// and what a source's text gave. fetch() asks several admin servers at once and blocks until each
// has answered, failed or used up its time.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/hops/reader.h"
#include "proxy/hops/render.h"

namespace telltale::proxy::hops {

inline constexpr size_t source_bytes_max = 64U << 20U;

struct Fetched {
    bool ok = false;
    std::string body;
    std::string problem;  // one sentence
};
// In the order of the addresses.
[[nodiscard]] std::vector<Fetched> fetch(const std::vector<config::Address>& addresses,
                                         std::chrono::milliseconds patience);

// What to tell of a source that was read; the problem is "" when there is none.
[[nodiscard]] SourceReport report_on(std::string name, const Reading& reading);
// A text that is not empty, and in which no JSON was.
[[nodiscard]] bool is_bad_input(const Reading& reading) noexcept;

}  // namespace telltale::proxy::hops
