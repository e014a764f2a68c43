#include <algorithm>
#include <string_view>

#include "proxy/hops/render.h"
#include "proxy/hops/story.h"
#include "sniff/paint.h"

namespace telltale::proxy::hops {

namespace {

using sniff::Paint;

constexpr size_t kind_width = 10;

std::string padded(std::string_view word) {
    return std::string(word) + std::string(kind_width - std::min(word.size(), kind_width), ' ');
}

std::string times(uint64_t count) {
    return count == 1 ? "once" : std::to_string(count) + " times";
}

std::string span_text(UnixMillis first, UnixMillis last) {
    if (last == 0) return {};
    if (first == last) return ", " + time_text(last);
    return ", first " + time_text(first) + ", last " + time_text(last);
}

std::string kind_word(const Path& path, size_t place) {
    switch (path.places[place].kind) {
        case PlaceKind::client:
            return "client";
        case PlaceKind::telltale:
        case PlaceKind::unread:
            return "telltale";
        case PlaceKind::hop:
            return "hop";
        case PlaceKind::upstream:
            break;
    }
    return "upstream";
}

void add_part(std::string& line, const std::string& part) {
    if (!part.empty()) line += ", " + part;
}

std::string place_facts(const Joined& joined, const Path& path, size_t index) {
    const Place& place = path.places[index];
    std::string out;
    if (place.sighting) {
        const Sighting& seen = joined.sightings[*place.sighting];
        add_part(out, place.address.empty() ? "" : "reached at " + shown(place.address));
        add_part(out, shown(seen.cause) + " (" + std::string(sniff::name(seen.confidence)) + ")");
        add_part(out, shown(seen.action));
        add_part(out, times(place.count));
        return out;
    }
    if (place.kind == PlaceKind::client && !place.name.empty()) add_part(out, shown(place.address));
    add_part(out, shown(place.role == "unknown" ? "" : place.role));
    const bool in_label = place.name.empty() && place.kind != PlaceKind::client;
    if (!in_label) add_part(out, shown(place.software));
    add_part(out, shown(place.version));
    add_part(out, place.protocol == "undecided" ? "" : shown(place.protocol));
    if (place.status != 0) add_part(out, "answered " + std::to_string(place.status));
    if (place.kind == PlaceKind::unread) add_part(out, "its incidents were not given");
    return out;
}

std::string mark_of(const Path& path, size_t place) {
    if (place == path.guilty) return "   ◀ THE FAULT";
    if (place == path.first_seen) return "   saw it first";
    const auto& passed = path.passed_on;
    return std::find(passed.begin(), passed.end(), place) != passed.end() ? "   passed it on" : "";
}

const Link* link_from(const Path& path, size_t place) {
    const auto found = std::find_if(path.links.begin(), path.links.end(),
                                    [&](const Link& link) { return link.from == place; });
    return found == path.links.end() ? nullptr : &*found;
}

std::string link_text(const Link& link) {
    std::string out(name(link.match.kind));
    out += " (" + std::string(sniff::name(link.match.confidence)) + "): ";
    for (size_t i = 0; i < link.match.reasons.size(); ++i) {
        out += (i == 0 ? "" : "; ") + shown(link.match.reasons[i]);
    }
    return out;
}

// Between the guilty place and the one that saw it first the line is broken.
bool is_broken_after(const Path& path, size_t place) {
    return (path.guilty == place + 1 && path.first_seen <= place) ||
           (path.guilty == place && path.first_seen > place);
}

std::string picture(const Joined& joined, const Path& path, const Paint& paint) {
    std::string out;
    for (size_t i = 0; i < path.places.size(); ++i) {
        std::string line = padded(kind_word(path, i)) + place_label(joined, path, i) +
                           place_facts(joined, path, i);
        line += mark_of(path, i);
        out += "  " + (i == path.guilty ? paint.bold_red(line) : line) + "\n";
        if (i + 1 == path.places.size()) break;
        const Link* link = link_from(path, i);
        const std::string rail = is_broken_after(path, i) ? paint.bold_red("    ✗") : "    │";
        out += rail + (link == nullptr ? "" : paint.dim("       " + link_text(*link))) + "\n";
    }
    return out;
}

std::string who_saw_what(const Joined& joined, const Path& path, const Paint& paint) {
    std::string out;
    for (size_t i = 0; i < path.places.size(); ++i) {
        const Place& place = path.places[i];
        if (!place.sighting) continue;
        const Sighting& seen = joined.sightings[*place.sighting];
        out += "  " + paint.bold(place_label(joined, path, i)) + " saw it " + times(place.count) +
               span_text(place.first, place.last) + ": " + shown(seen.explanation) + "\n";
        for (const std::string& reason : seen.hop.evidence) {
            out += paint.dim("      " + shown(reason)) + "\n";
        }
        if (!seen.rerouted_to.empty()) {
            out += "      the client was sent to " + shown(seen.rerouted_to) + " instead\n";
        }
    }
    return out;
}

std::string path_text(const Joined& joined, const Path& path, const Paint& paint) {
    const Sighting& seen = first_sighting(joined, path);
    std::string out = paint.bold(verdict_sentence(joined, path)) + "\n";
    out += "  " + times(path.count) + span_text(path.first, path.last) + "; " +
           std::string(sniff::name(path.confidence)) + "\n\n";
    out += picture(joined, path, paint) + "\n";
    out += who_saw_what(joined, path, paint);
    if (!seen.fix.empty()) out += "  " + paint.green("fix: ") + shown(seen.fix) + "\n";
    if (!seen.runbook.empty()) out += "  " + paint.dim("runbook: ") + shown(seen.runbook) + "\n";
    return out;
}

std::string seconds_text(UnixMillis ms) {
    std::string text = std::to_string(ms / 1000);
    if (ms % 1000 == 0) return text + " s";
    std::string fraction = std::to_string(ms % 1000);
    fraction.insert(0, 3 - fraction.size(), '0');
    fraction.erase(fraction.find_last_not_of('0') + 1);
    return text + "." + fraction + " s";
}

}  // namespace

std::string problems_text(const std::vector<SourceReport>& sources) {
    std::string out;
    for (const SourceReport& source : sources) {
        if (!source.problem.empty()) {
            out += shown(source.name) + ": " + shown(source.problem) + "\n";
        }
    }
    return out;
}

std::string paths_text(const Joined& joined, const std::vector<SourceReport>& sources,
                       Colour colour) {
    const Paint paint(colour == Colour::on);
    const auto read = static_cast<size_t>(
        std::count_if(sources.begin(), sources.end(),
                      [](const SourceReport& source) { return source.was_read; }));
    const std::string from = std::to_string(read) + " of " + std::to_string(sources.size()) +
                             (sources.size() == 1 ? " source" : " sources");
    if (joined.paths.empty()) return "no incidents in " + from + "\n";
    std::string out;
    for (const Path& path : joined.paths) out += path_text(joined, path, paint) + "\n";
    return out + std::to_string(joined.paths.size()) +
           (joined.paths.size() == 1 ? " path" : " paths") + " from " + from +
           "; what two sidecars saw of one fault may be " + seconds_text(joined.options.window_ms) +
           " apart, and their clocks " + seconds_text(joined.options.skew_ms) + "\n";
}

}  // namespace telltale::proxy::hops
