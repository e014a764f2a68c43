#include "proxy/hops/own.h"

#include <algorithm>
#include <utility>

#include "proxy/admin_pages.h"
#include "proxy/hops/paths.h"
#include "proxy/hops/reader.h"
#include "proxy/hops/render.h"
#include "proxy/hops/source.h"

namespace telltale::proxy::hops {

namespace {

struct Own {
    Joined joined;
    std::vector<SourceReport> sources;
};

// By way of the records, so that a process tells of itself what `telltale hops` tells of it.
Own own_paths(const std::vector<IncidentSink::Entry>& entries) {
    const size_t count = std::min(entries.size(), own_incidents_max);
    const std::vector<IncidentSink::Entry> newest(
        entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count));
    Reading reading = read_sightings(incidents_json(newest), 0);
    Own own;
    own.sources.push_back(report_on("this process", reading));
    if (count < entries.size()) {
        own.sources.front().problem =
            std::to_string(entries.size() - count) + " older groups were passed over";
    }
    own.joined = join(std::move(reading.sightings));
    return own;
}

}  // namespace

std::string own_paths_json(const std::vector<IncidentSink::Entry>& entries) {
    const Own own = own_paths(entries);
    return paths_json(own.joined, own.sources);
}

std::string own_paths_text(const std::vector<IncidentSink::Entry>& entries) {
    const Own own = own_paths(entries);
    return problems_text(own.sources) + paths_text(own.joined, own.sources, Colour::off);
}

}  // namespace telltale::proxy::hops
