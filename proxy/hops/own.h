// This process's own incidents as paths: for /hops of the admin server. Listeners of one process
// may be chained, or stand before and behind a proxy. Pure.
#pragma once

#include <string>
#include <vector>

#include "proxy/incident_sink.h"

namespace telltale::proxy::hops {

// Of the newest so many; a join of more would keep the control thread busy.
inline constexpr size_t own_incidents_max = 1000;

[[nodiscard]] std::string own_paths_json(const std::vector<IncidentSink::Entry>& entries);
[[nodiscard]] std::string own_paths_text(const std::vector<IncidentSink::Entry>& entries);

}  // namespace telltale::proxy::hops
