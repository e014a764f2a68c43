#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_from.hpp>

#include "proxy/hops/render.h"
#include "proxy/hops/story.h"

namespace telltale::proxy::hops {

namespace json = boost::json;

namespace {

constexpr std::string_view kind_names[] = {"client", "telltale", "hop", "unread", "upstream"};

json::value text_or_null(const std::string& text) {
    if (text.empty()) return nullptr;
    return json::string(shown(text));
}

json::array texts(const std::vector<std::string>& all) {
    json::array out;
    for (const std::string& text : all) out.emplace_back(shown(text));
    return out;
}

void put_sighting(json::object& to, const Sighting& seen) {
    to["listener"] = shown(seen.listener);
    to["direction"] = shown(seen.direction);
    to["source"] = seen.source;
    to["id"] = text_or_null(seen.id);
    to["dialled"] = text_or_null(dialled(seen));
    to["cause"] = shown(seen.cause);
    to["confidence"] = sniff::name(seen.confidence);
    to["action"] = text_or_null(seen.action);
    to["attributed_by"] = text_or_null(seen.attributed_by);
    to["rerouted_to"] = text_or_null(seen.rerouted_to);
    to["explanation"] = shown(seen.explanation);
    to["evidence"] = texts(seen.hop.evidence);
}

json::object place_object(const Joined& joined, const Path& path, size_t index) {
    const Place& place = path.places[index];
    json::object out{{"kind", kind_names[static_cast<size_t>(place.kind)]},
                     {"label", place_label(joined, path, index)},
                     {"address", text_or_null(place.address)},
                     {"name", text_or_null(place.name)}};
    if (place.sighting) {
        put_sighting(out, joined.sightings[*place.sighting]);
        out["count"] = place.count;
        out["first"] = text_or_null(time_text(place.first));
        out["last"] = text_or_null(time_text(place.last));
        return out;
    }
    out["role"] = text_or_null(place.role);
    out["software"] = text_or_null(place.software);
    out["version"] = text_or_null(place.version);
    out["protocol"] = text_or_null(place.protocol);
    out["status"] = nullptr;
    if (place.status != 0) out["status"] = place.status;
    return out;
}

json::object link_object(const Link& link) {
    json::object out{
        {"from", link.from},           {"to", link.to},
        {"by", name(link.match.kind)}, {"confidence", sniff::name(link.match.confidence)},
        {"direct", link.match.direct}, {"apart_ms", nullptr},
        {"others", link.others},       {"reasons", texts(link.match.reasons)}};
    if (link.match.apart_ms) out["apart_ms"] = *link.match.apart_ms;
    return out;
}

json::object path_object(const Joined& joined, const Path& path) {
    const Sighting& seen = first_sighting(joined, path);
    json::array places;
    for (size_t i = 0; i < path.places.size(); ++i) {
        places.emplace_back(place_object(joined, path, i));
    }
    json::array links;
    for (const Link& link : path.links) links.emplace_back(link_object(link));
    json::value position = nullptr;
    if (seen.hop.position) position = sniff::name(*seen.hop.position);
    return {{"verdict", verdict_sentence(joined, path)},
            {"confidence", sniff::name(path.confidence)},
            {"cause", shown(seen.cause)},
            {"position", std::move(position)},
            {"fault", path.guilty},
            {"first_seen_by", path.first_seen},
            {"passed_on_by", json::value_from(path.passed_on)},
            {"returns", path.returns},
            {"count", path.count},
            {"first", text_or_null(time_text(path.first))},
            {"last", text_or_null(time_text(path.last))},
            {"fix", text_or_null(seen.fix)},
            {"runbook", text_or_null(seen.runbook)},
            {"places", std::move(places)},
            {"links", std::move(links)}};
}

}  // namespace

std::string paths_json(const Joined& joined, const std::vector<SourceReport>& sources) {
    json::array read;
    for (const SourceReport& source : sources) {
        read.emplace_back(json::object{{"source", shown(source.name)},
                                       {"read", source.was_read},
                                       {"incidents", source.incidents},
                                       {"problem", text_or_null(source.problem)}});
    }
    const json::object head{{"window_ms", joined.options.window_ms},
                            {"skew_ms", joined.options.skew_ms},
                            {"sources", std::move(read)}};
    std::string out = json::serialize(head);
    out.pop_back();
    out += ",\"paths\":[";
    for (size_t i = 0; i < joined.paths.size(); ++i) {
        out += (i == 0 ? "\n" : ",\n") + json::serialize(path_object(joined, joined.paths[i]));
    }
    return out + "]}\n";
}

}  // namespace telltale::proxy::hops
