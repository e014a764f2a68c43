#include "proxy/hops/links.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace telltale::proxy::hops {

using sniff::Confidence;

namespace {

// Of one TCP connection the ports agree, so clocks may differ more; after that a port may have been
// used again.
constexpr UnixMillis connection_window_ms = 300'000;

constexpr int connection_score = 100;
constexpr int trail_score = 80;
constexpr int listener_score = 60;
constexpr int host_score = 40;
constexpr int same_path = 8, other_path = -8;
constexpr int same_agent = 4, other_agent = -4;
constexpr int fitting_status = 2, other_status = -10;
constexpr int translated = -10;

// The gap between the times of two groups; 0 where they overlap. nullopt: a time is missing.
std::optional<UnixMillis> gap(const Sighting& one, const Sighting& other) {
    if (one.at == 0 || other.at == 0) return std::nullopt;
    return std::max<UnixMillis>({0, one.first - other.last, other.first - one.last});
}

std::optional<UnixMillis> apart(const Sighting& one, const Sighting& other) {
    if (one.at == 0 || other.at == 0) return std::nullopt;
    const UnixMillis records = std::abs(one.at - other.at);
    return std::min(records, std::abs(one.last - other.last));
}

std::string seconds_text(UnixMillis ms) {
    char buffer[32];
    static_cast<void>(
        std::snprintf(buffer, sizeof buffer, "%.1f s", static_cast<double>(ms) / 1e3));
    return buffer;
}

std::string apart_text(UnixMillis ms) {
    return ms < 1000 ? std::to_string(ms) + " ms apart" : seconds_text(ms) + " apart";
}

// One connection each, with ports that differ: two connections, whatever the hosts.
bool are_two_connections(const Sighting& outer, const Sighting& inner) {
    return outer.count == 1 && inner.count == 1 && is_socket(outer.upstream.from) &&
           is_socket(inner.client.address) &&
           host_part(outer.upstream.from) == host_part(inner.client.address) &&
           outer.upstream.from != inner.client.address;
}

// Each machine has such addresses; only within one node they name one place.
bool is_local(const std::string& address) {
    return address.starts_with("unix:") || is_loopback(host_part(address));
}

bool same_host(const std::string& one, const std::string& other, const JoinOptions& options) {
    const std::string host = known_host(one, options);
    return !host.empty() && host == known_host(other, options);
}

// ---- by the sockets of one connection

std::optional<Match> by_connection(const Sighting& outer, const Sighting& inner,
                                   UnixMillis tolerance) {
    const std::string& from = outer.upstream.from;
    if (!is_socket(from) || from != inner.client.address) return std::nullopt;
    const std::string& dialled_address = outer.upstream.address;
    const std::string& reached = inner.client.reached;
    const bool same_place = dialled_address == reached;
    // Each machine has this address, and gives out its own ports.
    if (is_local(from) && !reached.empty() && !same_place) return std::nullopt;
    Match found;
    found.kind = LinkKind::connection;
    found.score = connection_score;
    found.apart_ms = apart(outer, inner);
    found.reasons.push_back("one TCP connection: " + from + " to " +
                            (reached.empty() ? dialled_address : reached));
    if (!reached.empty() && !same_place) {
        found.reasons.push_back("dialled as " + dialled_address + ": the address was translated");
    }
    if (!found.apart_ms) {
        found.confidence = Confidence::possible;
        found.reasons.emplace_back("a time is missing: the port may have been used twice");
    } else if (*found.apart_ms <= tolerance) {
        found.confidence = Confidence::certain;
        found.reasons.push_back(apart_text(*found.apart_ms));
    } else if (*found.apart_ms <= connection_window_ms) {
        found.confidence = Confidence::likely;
        found.reasons.push_back(apart_text(*found.apart_ms) +
                                ": the clocks differ, or the port was used twice");
    } else {
        return std::nullopt;
    }
    return found;
}

// ---- what tells similar requests from each other

struct Weighed {
    int score = 0;
    bool fits = false;    // something of the request is the same
    bool spoils = false;  // something differs that a proxy seldom changes
};

Weighed weigh_request(const Sighting& outer, const Sighting& inner,
                      std::vector<std::string>& reasons) {
    Weighed out;
    const SeenClient& asked = outer.client;
    const SeenClient& passed = inner.client;
    if (!asked.path.empty() && !passed.path.empty()) {
        const bool same = asked.path == passed.path;
        out.score += same ? same_path : other_path;
        (same ? out.fits : out.spoils) = true;
        reasons.push_back(same ? "the same path " + asked.path
                               : "other paths: " + asked.path + " and " + passed.path);
    }
    if (!asked.user_agent.empty() && !passed.user_agent.empty()) {
        const bool same = asked.user_agent == passed.user_agent;
        out.score += same ? same_agent : other_agent;
        (same ? out.fits : out.spoils) = true;
        reasons.push_back(same ? "the same user agent" : "other user agents");
    }
    return out;
}

bool blames_its_client(const Sighting& seen) {
    return seen.hop.position == sniff::HopPosition::client ||
           seen.hop.position == sniff::HopPosition::client_leg;
}

// A proxy whose own upstream failed says 5xx; what its client did wrong, or what an application
// answered to a request that it could read, it passes on as 4xx.
Weighed weigh_status(const Sighting& outer, const Sighting& inner,
                     std::vector<std::string>& reasons) {
    const int64_t status = outer.upstream.status;
    if (status >= 500 || (status >= 400 && blames_its_client(inner))) {
        reasons.push_back("it answered " + std::to_string(status));
        return {.score = fitting_status, .fits = true, .spoils = false};
    }
    if (status < 100) return {};
    reasons.push_back("but it answered " + std::to_string(status));
    return {.score = other_status, .fits = false, .spoils = true};
}

Confidence at_most(Confidence one, Confidence limit) {
    return std::max(one, limit);  // certain, likely, possible: in this order
}

// ---- by the listener, the trail, the host

std::optional<Match> by_trail(const Sighting& outer, const Sighting& inner,
                              const JoinOptions& options) {
    const bool told = !outer.attributed_by.empty() &&
                      (inner.action == "answered" || !inner.attributed_by.empty());
    if (!told || outer.cause != inner.cause) return std::nullopt;
    // Without addresses (answer.show_addresses) the trail does not tell it.
    const std::string& hop = outer.hop.address;
    if (!hop.empty() && !inner.hop.address.empty() && hop != inner.hop.address &&
        hop != outer.upstream.address) {
        return std::nullopt;
    }
    const bool at_listener = outer.upstream.address == inner.client.reached;
    const bool through_proxy = same_host(outer.upstream.address, inner.client.address, options);
    if (!at_listener && !through_proxy && hop != inner.hop.address) return std::nullopt;
    if (at_listener && are_two_connections(outer, inner)) return std::nullopt;
    Match found;
    found.kind = LinkKind::trail;
    found.score = trail_score + (at_listener ? 10 : 0);
    found.confidence = at_listener || through_proxy ? Confidence::likely : Confidence::possible;
    found.direct = at_listener || (!through_proxy &&
                                   same_host(outer.upstream.from, inner.client.address, options));
    found.reasons.push_back("x-telltale-cause named " + inner.cause +
                            (hop.empty() ? "" : " at " + hop));
    return found;
}

std::optional<Match> by_listener(const Sighting& outer, const Sighting& inner) {
    const std::string& address = outer.upstream.address;
    if (address.empty() || address != inner.client.reached) return std::nullopt;
    if (is_local(address) && outer.node != inner.node) return std::nullopt;
    if (are_two_connections(outer, inner)) return std::nullopt;
    const std::string from = host_part(outer.upstream.from);
    const std::string client = host_part(inner.client.address);
    Match found;
    found.kind = LinkKind::listener;
    found.score = listener_score;
    found.confidence = Confidence::likely;
    found.reasons.push_back("it dialled " + address + ", where the next one accepts");
    if (!from.empty() && !client.empty() && from != client) {
        found.score += translated;
        found.confidence = Confidence::possible;
        found.reasons.push_back("but from " + from + ", and the next one saw " + client);
    }
    return found;
}

bool is_proxy(const std::string& role) {
    return role == "ingress" || role == "proxy" || role == "load_balancer" || role == "mesh";
}

// Who passes a request on has understood it.
bool understood(const Sighting& outer) {
    const std::string& asked = outer.client.protocol;
    const std::string& answered = outer.upstream.protocol;
    return asked == answered || (asked == "http/2" && answered == "http/2-goaway");
}

std::optional<Match> by_host(const Sighting& outer, const Sighting& inner,
                             const JoinOptions& options) {
    const std::string& proxy = outer.upstream.address;
    if (!same_host(proxy, inner.client.address, options) || proxy == inner.client.reached ||
        !understood(outer) || (is_local(proxy) && outer.node != inner.node)) {
        return std::nullopt;
    }
    Match found;
    found.kind = LinkKind::host;
    found.score = host_score;
    found.direct = false;
    found.reasons.push_back("it dialled " + proxy + ", and the next one's client was " +
                            inner.client.address);
    const Weighed request = weigh_request(outer, inner, found.reasons);
    const Weighed status = weigh_status(outer, inner, found.reasons);
    if (request.spoils && outer.count == 1 && inner.count == 1) return std::nullopt;
    found.score += request.score + status.score;
    const bool by_proxy = status.fits && is_proxy(outer.hop.role) && !is_local(proxy);
    const bool fits = (request.fits || by_proxy) && !request.spoils && !status.spoils;
    found.confidence = fits ? Confidence::likely : Confidence::possible;
    return found;
}

}  // namespace

std::string known_host(const std::string& address, const JoinOptions& options) {
    std::string host = host_part(address);
    const auto alias = options.aliases.find(host);
    return alias == options.aliases.end() ? host : alias->second;
}

std::optional<Match> match(const Sighting& outer, const Sighting& inner,
                           const JoinOptions& options) {
    const UnixMillis tolerance = options.window_ms + options.skew_ms;
    if (auto found = by_connection(outer, inner, tolerance)) return found;
    if (same_group(outer, inner)) return std::nullopt;
    const auto between = gap(outer, inner);
    if (between && *between > tolerance) return std::nullopt;
    auto found = by_trail(outer, inner, options);
    if (!found) found = by_listener(outer, inner);
    if (!found) found = by_host(outer, inner, options);
    if (!found) return std::nullopt;
    found->apart_ms = apart(outer, inner);
    if (!found->apart_ms) {
        found->confidence = Confidence::possible;
        found->reasons.emplace_back("a time is missing");
    } else {
        found->reasons.push_back(apart_text(*found->apart_ms));
        // Groups that overlap, but the last of which are not the same.
        if (*found->apart_ms > tolerance) {
            found->confidence = at_most(found->confidence, Confidence::possible);
        }
    }
    return found;
}

}  // namespace telltale::proxy::hops
