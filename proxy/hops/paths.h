// The join: what several sidecars saw, made into paths from a client to the upstream that was
// dialled last, each with the place at fault, who saw it first and who only passed it on. Pure and
// bounded: any sightings give paths, each sighting stands in at least one, and no path visits one
// twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/hops/links.h"
#include "proxy/hops/sighting.h"

namespace telltale::proxy::hops {

enum class PlaceKind : uint8_t {
    client,    // who started it, as far as the sightings tell
    telltale,  // a sidecar whose sighting is here
    hop,       // what stands between two sidecars and has none of its own
    unread,    // a sidecar that named the fault, and whose incidents were not given
    upstream,  // whom the last sidecar dialled
};

struct Place {
    PlaceKind kind = PlaceKind::client;
    std::string address;
    std::string name, role, software, version;  // as the sidecar before it found
    std::string protocol;
    int64_t status = 0;              // that it answered; 0: none is known
    std::optional<size_t> sighting;  // of a telltale: the newest of its group
    uint64_t count = 0;              // of a telltale: incidents of that group
    UnixMillis first = 0, last = 0;  // of a telltale
};

struct Link {
    size_t from = 0, to = 0;  // places, both telltales
    Match match;
    size_t others = 0;  // groups that would fit as well
};

struct Path {
    std::vector<Place> places;
    std::vector<Link> links;
    size_t guilty = 0;              // a place
    size_t first_seen = 0;          // a place: the telltale next to the guilty one
    std::vector<size_t> passed_on;  // places between the fault and the other end, outermost first
    sniff::Confidence confidence = sniff::Confidence::possible;
    bool returns = false;  // it leads back to a sidecar that it had passed
    uint64_t count = 0;    // what the outermost sidecar counted
    UnixMillis first = 0, last = 0;
};

struct Joined {
    std::vector<Sighting> sightings;  // one for each record, without those read twice
    std::vector<Path> paths;          // newest first
    JoinOptions options;
};

[[nodiscard]] Joined join(std::vector<Sighting> sightings, const JoinOptions& options = {});

}  // namespace telltale::proxy::hops
