// What the pages of the admin server say: JSON for programs, text for people. Pure: values in, a
// whole body out. Words from outside are escaped and cut here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin.h"
#include "proxy/incident_sink.h"
#include "proxy/stats.h"

namespace telltale::proxy {

// Columns as wide as their longest cell, the first line their names.
[[nodiscard]] std::string table_text(const std::vector<std::vector<std::string>>& lines);

[[nodiscard]] std::string incidents_json(const std::vector<IncidentSink::Entry>& entries);
[[nodiscard]] std::string incidents_text(const std::vector<IncidentSink::Entry>& entries);

// Open connections as they come, then those that have ended, newest first. names: of the listeners.
[[nodiscard]] std::string connections_json(std::vector<ConnectionRow> rows,
                                           const std::vector<std::string>& names);
[[nodiscard]] std::string connections_text(std::vector<ConnectionRow> rows,
                                           const std::vector<std::string>& names);

// "ready" or "not ready: REASON"; reason "": ready.
[[nodiscard]] std::string ready_line(std::string_view reason);
// One line per check: "upstream group-rpc 127.0.0.1:10260: speaks HTTP/2, 0.4 ms, checked 3 s ago".
[[nodiscard]] std::string checks_text(const std::vector<CheckState>& checks);
[[nodiscard]] std::string ready_json(std::string_view reason,
                                     const std::vector<CheckState>& checks);

// YAML comments before the configuration: since when it is in effect, and what was wrong with the
// one that should have replaced it.
[[nodiscard]] std::string config_comments(const ConfigStatus& status);

}  // namespace telltale::proxy
