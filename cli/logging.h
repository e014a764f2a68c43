// The lifecycle log: start, stop, pauses, configuration; on stderr, through spdlog's default
// logger, asynchronously. Incidents are not here: they go to stdout by proxy/incident_sink.h.
#pragma once

#include <spdlog/formatter.h>

#include <memory>

#include "config/config.h"

namespace telltale::cli {

enum class LineFormat : uint8_t { plain, json };

// One line per message. json: {"ts":…,"level":…,"event":"log","message":…}, with whatever the
// message holds escaped.
[[nodiscard]] std::unique_ptr<spdlog::formatter> make_line_formatter(LineFormat format);

// As long as it lives the default logger is ours; its end writes what is queued.
class Logging final {
   public:
    explicit Logging(const config::Log& log);
    ~Logging();
    Logging(const Logging&) = delete;
    Logging& operator=(const Logging&) = delete;
};

}  // namespace telltale::cli
