#include "proxy/hops/story.h"

#include <algorithm>
#include <chrono>

#include "proxy/incident.h"

namespace telltale::proxy::hops {

using sniff::Confidence;

namespace {

constexpr size_t shown_max = 1024;

std::string joined_words(const std::vector<std::string>& words, const std::string& between) {
    std::string out;
    for (const std::string& word : words) {
        if (word.empty()) continue;
        if (!out.empty()) out += between;
        out += word;
    }
    return out;
}

std::string software_label(const Place& place) {
    if (place.kind == PlaceKind::client) return {};
    return place.software;
}

std::string telltale_label(const Joined& joined, const Place& place) {
    const Sighting& seen = joined.sightings[*place.sighting];
    return joined_words({shown(seen.node), shown(seen.listener)}, "/");
}

// What a proxy or an application is called: its name where one is known, or its software.
std::string plain_label(const Place& place) {
    if (place.kind == PlaceKind::client && !place.name.empty()) return shown(place.name);
    const std::string& called = place.name.empty() ? software_label(place) : place.name;
    return joined_words({shown(called), shown(place.address)}, " ");
}

std::string short_label(const Place& place) {
    if (!place.name.empty()) return shown(place.name);
    if (!software_label(place).empty()) return shown(place.software);
    return shown(place.address);
}

// On the node of the sidecar that dialled it, where an address says nothing elsewhere.
std::string on_node(const Joined& joined, const Path& path) {
    const Place& last = path.places.back();
    const Sighting& seen = first_sighting(joined, path);
    const bool local = is_loopback(host_part(last.address)) || last.address.starts_with("unix:");
    if (!local || seen.node.empty() || path.guilty + 1 != path.places.size()) return {};
    return " on " + shown(seen.node);
}

std::string chain_text(const Joined& joined, const Path& path) {
    std::vector<std::string> labels;
    for (size_t i = 0; i < path.places.size(); ++i) {
        if (path.places[i].kind == PlaceKind::telltale && i != path.guilty) continue;
        labels.push_back(place_label(joined, path, i));
    }
    return joined_words(labels, " → ") + on_node(joined, path);
}

std::string is_word(Confidence confidence) {
    switch (confidence) {
        case Confidence::certain:
            return "is";
        case Confidence::likely:
            return "is probably";
        case Confidence::possible:
            break;
    }
    return "may be";
}

std::string where_text(const Joined& joined, const Path& path) {
    const Place& guilty = path.places[path.guilty];
    switch (guilty.kind) {
        case PlaceKind::client:
            return "at the client";
        case PlaceKind::telltale:
            return "at the Telltale " + telltale_label(joined, guilty);
        case PlaceKind::hop:
            return "at " + plain_label(guilty);
        case PlaceKind::unread:
            return "at or behind the Telltale " + shown(guilty.address) +
                   ", whose incidents were not given";
        case PlaceKind::upstream:
            break;
    }
    const auto position = first_sighting(joined, path).hop.position;
    return position == sniff::HopPosition::upstream_leg ? "on the way to the last hop"
                                                        : "at the last hop";
}

// "nginx only passed it on as 502."
std::string passed_on_text(const Path& path) {
    std::string out;
    for (const size_t i : path.passed_on) {
        const Place& place = path.places[i];
        if (place.kind != PlaceKind::hop) continue;
        out += " " + short_label(place) + " only passed it on";
        if (place.status != 0) out += " as " + std::to_string(place.status);
        out += ".";
    }
    return out;
}

std::string doubt_text(const Path& path) {
    const bool others = std::any_of(path.links.begin(), path.links.end(),
                                    [](const Link& link) { return link.others != 0; });
    std::string out;
    if (others) out += " Other incidents fit as well: this path is one of several possible ones.";
    if (path.returns) out += " The path leads back to a Telltale that it had passed.";
    return out;
}

std::string as_sentence(const std::string& text) {
    if (text.empty() || text.ends_with('.') || text.ends_with("…")) return text;
    return text + ".";
}

}  // namespace

std::string shown(const std::string& text) {
    return clean_text(text, shown_max);
}

std::string time_text(UnixMillis at) {
    if (at == 0) return {};
    return utc_text(std::chrono::system_clock::time_point(std::chrono::milliseconds(at)));
}

const Sighting& first_sighting(const Joined& joined, const Path& path) {
    return joined.sightings[*path.places[path.first_seen].sighting];
}

std::string place_label(const Joined& joined, const Path& path, size_t place) {
    const Place& one = path.places[place];
    switch (one.kind) {
        case PlaceKind::telltale:
            return telltale_label(joined, one);
        case PlaceKind::unread:
            return "Telltale " + shown(one.address);
        case PlaceKind::client:
        case PlaceKind::hop:
        case PlaceKind::upstream:
            break;
    }
    return plain_label(one);
}

std::string verdict_sentence(const Joined& joined, const Path& path) {
    const Sighting& seen = first_sighting(joined, path);
    const std::string why = seen.explanation.empty() ? seen.cause : seen.explanation;
    return chain_text(joined, path) + ": the fault " + is_word(path.confidence) + " " +
           where_text(joined, path) + ": " + as_sentence(shown(why)) + passed_on_text(path) +
           doubt_text(path);
}

}  // namespace telltale::proxy::hops
