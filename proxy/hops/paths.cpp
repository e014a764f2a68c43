#include "proxy/hops/paths.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace telltale::proxy::hops {

using sniff::Confidence;
using sniff::HopPosition;

namespace {

// Looked at for one sighting and one kind of link: those next to it in time.
constexpr size_t candidates_max = 64;
constexpr size_t matches_max = 16;  // kept of those that fit: the best
constexpr size_t path_sightings_max = 32;
// What is nearly as good is as good.
constexpr int score_tie = 3;

struct Choice {
    size_t inner = 0;
    Match match;
    size_t others = 0;
};
using Chain = std::vector<size_t>;  // sightings, outermost first

// Sightings by a text, each bucket by time.
class Index final {
   public:
    explicit Index(const std::vector<Sighting>& sightings) : sightings_(sightings) {}

    void put(const std::string& key, size_t sighting) {
        if (!key.empty()) buckets_[key].push_back(sighting);
    }
    void sort() {
        for (auto& [key, bucket] : buckets_) {
            std::sort(bucket.begin(), bucket.end(),
                      [this](size_t one, size_t other) { return is_earlier(one, other); });
        }
    }
    void find(const std::string& key, UnixMillis at, std::vector<size_t>& found) const {
        const auto bucket = key.empty() ? buckets_.end() : buckets_.find(key);
        if (bucket == buckets_.end()) return;
        const std::vector<size_t>& all = bucket->second;
        const auto middle = std::lower_bound(
            all.begin(), all.end(), at,
            [this](size_t one, UnixMillis time) { return sightings_[one].at < time; });
        const auto half = static_cast<std::ptrdiff_t>(candidates_max / 2);
        const auto begin = middle - std::min(half, middle - all.begin());
        const auto end = middle + std::min(half, all.end() - middle);
        found.insert(found.end(), begin, end);
    }

   private:
    [[nodiscard]] bool is_earlier(size_t one, size_t other) const {
        return std::tie(sightings_[one].at, one) < std::tie(sightings_[other].at, other);
    }

    const std::vector<Sighting>& sightings_;
    std::unordered_map<std::string, std::vector<size_t>> buckets_;
};

// ---- records read twice, from a log and from /incidents

std::vector<Sighting> without_doubles(std::vector<Sighting> all) {
    std::map<std::pair<std::string, std::string>, size_t> known;
    std::vector<Sighting> out;
    for (Sighting& seen : all) {
        if (!seen.id.empty()) {
            const auto [place, is_new] = known.try_emplace({seen.node, seen.id}, out.size());
            if (!is_new) {
                Sighting& first = out[place->second];
                first.count = std::max(first.count, seen.count);
                first.first = std::min(first.first, seen.first);
                first.last = std::max(first.last, seen.last);
                continue;
            }
        }
        out.push_back(std::move(seen));
    }
    return out;
}

// ---- the next sidecar further in

class Chooser final {
   public:
    Chooser(const std::vector<Sighting>& sightings, const JoinOptions& options);
    // By sighting; nullopt: nobody saw it further in.
    [[nodiscard]] std::vector<std::optional<Choice>> choose();

   private:
    using Matches = std::vector<Choice>;

    [[nodiscard]] Matches matches(size_t outer) const;
    void claim_connections();
    [[nodiscard]] std::optional<Choice> best(size_t outer) const;
    [[nodiscard]] bool is_taken(size_t outer, size_t inner) const;
    void share_out();

    const std::vector<Sighting>& sightings_;
    const JoinOptions options_;
    Index by_client_{sightings_}, by_reached_{sightings_}, by_host_{sightings_},
        by_trail_{sightings_};
    std::vector<Matches> matches_;
    std::vector<std::optional<size_t>> claimed_by_;  // whose one connection it is
    std::vector<std::optional<Choice>> chosen_;
};

Chooser::Chooser(const std::vector<Sighting>& sightings, const JoinOptions& options)
    : sightings_(sightings),
      options_(options),
      claimed_by_(sightings.size()),
      chosen_(sightings.size()) {
    for (size_t i = 0; i < sightings_.size(); ++i) {
        const Sighting& seen = sightings_[i];
        by_client_.put(seen.client.address, i);
        by_reached_.put(seen.client.reached, i);
        by_host_.put(known_host(seen.client.address, options_), i);
        const bool tells = seen.action == "answered" || !seen.attributed_by.empty();
        if (tells) by_trail_.put(seen.cause, i);
    }
    for (Index* index : {&by_client_, &by_reached_, &by_host_, &by_trail_}) index->sort();
}

std::vector<std::optional<Choice>> Chooser::choose() {
    matches_.reserve(sightings_.size());
    for (size_t i = 0; i < sightings_.size(); ++i) matches_.push_back(matches(i));
    claim_connections();
    for (size_t i = 0; i < sightings_.size(); ++i) {
        if (!chosen_[i]) chosen_[i] = best(i);
    }
    share_out();
    return std::move(chosen_);
}

Chooser::Matches Chooser::matches(size_t outer) const {
    const Sighting& seen = sightings_[outer];
    std::vector<size_t> candidates;
    by_client_.find(seen.upstream.from, seen.at, candidates);
    by_reached_.find(seen.upstream.address, seen.at, candidates);
    by_host_.find(known_host(seen.upstream.address, options_), seen.at, candidates);
    if (!seen.attributed_by.empty()) by_trail_.find(seen.cause, seen.at, candidates);
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    Matches found;
    for (const size_t inner : candidates) {
        if (inner == outer) continue;
        if (auto fits = match(seen, sightings_[inner], options_)) {
            found.push_back({.inner = inner, .match = std::move(*fits), .others = 0});
        }
    }
    // Times order what is equal otherwise.
    std::stable_sort(found.begin(), found.end(), [](const Choice& one, const Choice& other) {
        const auto apart = [](const Choice& c) { return c.match.apart_ms.value_or(INT64_MAX); };
        if (one.match.score != other.match.score) return one.match.score > other.match.score;
        return apart(one) < apart(other);
    });
    if (found.size() > matches_max) found.resize(matches_max);
    return found;
}

void Chooser::claim_connections() {
    for (size_t i = 0; i < sightings_.size(); ++i) {
        if (matches_[i].empty() || matches_[i].front().match.kind != LinkKind::connection) continue;
        chosen_[i] = matches_[i].front();
        claimed_by_[chosen_[i]->inner] = i;
    }
}

// The only incident of the inner one is somebody else's; or somebody stands between the two.
bool Chooser::is_taken(size_t outer, size_t inner) const {
    const auto claimer = claimed_by_[inner];
    if (!claimer || *claimer == outer) return false;
    if (sightings_[inner].count == 1) return true;
    return std::any_of(matches_[outer].begin(), matches_[outer].end(),
                       [&](const Choice& choice) { return choice.inner == *claimer; });
}

std::optional<Choice> Chooser::best(size_t outer) const {
    std::optional<Choice> chosen;
    std::vector<size_t> others;  // one of each group
    for (const Choice& choice : matches_[outer]) {
        if (is_taken(outer, choice.inner)) continue;
        if (!chosen) {
            chosen = choice;
            continue;
        }
        if (choice.match.score < chosen->match.score - score_tie) break;
        const Sighting& seen = sightings_[choice.inner];
        const auto is_same = [&](size_t other) { return same_group(sightings_[other], seen); };
        if (is_same(chosen->inner) || std::any_of(others.begin(), others.end(), is_same)) continue;
        others.push_back(choice.inner);
    }
    if (chosen && !others.empty()) {
        chosen->others = others.size();
        chosen->match.confidence = Confidence::possible;
        chosen->match.reasons.push_back(std::to_string(others.size()) +
                                        (others.size() == 1 ? " other fits" : " others fit") +
                                        " as well");
    }
    return chosen;
}

// Where more of them lead to one than it has counted, nobody knows which of them are right.
void Chooser::share_out() {
    std::map<size_t, std::vector<size_t>> users;
    for (size_t i = 0; i < chosen_.size(); ++i) {
        if (chosen_[i]) users[chosen_[i]->inner].push_back(i);
    }
    for (const auto& [inner, outer] : users) {
        if (outer.size() <= sightings_[inner].count) continue;
        for (const size_t one : outer) {
            Match& match = chosen_[one]->match;
            if (match.kind == LinkKind::connection) continue;
            match.confidence = Confidence::possible;
            match.reasons.push_back(std::to_string(outer.size()) + " may have caused the " +
                                    std::to_string(sightings_[inner].count) + " seen there");
        }
    }
}

// ---- chains

std::string key_of(const std::vector<Sighting>& sightings, const Chain& chain, bool returns) {
    std::string key = std::to_string(chain.size()) + (returns ? 'r' : '-');
    for (const size_t i : chain) {
        const Sighting& seen = sightings[i];
        for (const std::string* part : {&seen.node, &seen.listener, &seen.cause, &dialled(seen)}) {
            key += *part + '\0';
        }
    }
    return key;
}

struct Found {
    Chain chain;
    bool returns = false;
    Confidence confidence = Confidence::certain;  // of its links
};

class Chains final {
   public:
    Chains(const std::vector<Sighting>& sightings, const std::vector<std::optional<Choice>>& chosen)
        : sightings_(sightings), chosen_(chosen), covered_(sightings.size()) {}

    // Equal ones in one list, the best known first.
    [[nodiscard]] std::vector<std::vector<Found>> find();

   private:
    void follow(size_t root);

    const std::vector<Sighting>& sightings_;
    const std::vector<std::optional<Choice>>& chosen_;
    std::vector<bool> covered_;
    std::map<std::string, std::vector<Found>> equal_;
};

std::vector<std::vector<Found>> Chains::find() {
    std::vector<bool> is_inner(sightings_.size());
    for (const auto& choice : chosen_) {
        if (choice) is_inner[choice->inner] = true;
    }
    for (size_t i = 0; i < sightings_.size(); ++i) {
        if (!is_inner[i]) follow(i);
    }
    // What is left leads in a circle.
    for (size_t i = 0; i < sightings_.size(); ++i) {
        if (!covered_[i]) follow(i);
    }
    std::vector<std::vector<Found>> out;
    for (auto& [key, chains] : equal_) {
        std::stable_sort(chains.begin(), chains.end(), [this](const Found& one, const Found& two) {
            if (one.confidence != two.confidence) return one.confidence < two.confidence;
            return sightings_[one.chain.front()].last > sightings_[two.chain.front()].last;
        });
        out.push_back(std::move(chains));
    }
    return out;
}

void Chains::follow(size_t root) {
    Found found;
    for (std::optional<size_t> at = root; at && found.chain.size() < path_sightings_max;) {
        found.chain.push_back(*at);
        covered_[*at] = true;
        const auto& choice = chosen_[*at];
        if (!choice) break;
        const bool again =
            std::find(found.chain.begin(), found.chain.end(), choice->inner) != found.chain.end();
        if (again) {
            found.returns = true;
            break;
        }
        found.confidence = std::max(found.confidence, choice->match.confidence);
        at = choice->inner;
    }
    equal_[key_of(sightings_, found.chain, found.returns)].push_back(std::move(found));
}

// ---- paths

std::string name_unless(const std::string& name, const std::string& address) {
    return name == address ? std::string() : name;
}

class PathMaker final {
   public:
    PathMaker(const std::vector<Sighting>& sightings,
              const std::vector<std::optional<Choice>>& chosen, const std::vector<Found>& equal)
        : sightings_(sightings), chosen_(chosen), equal_(equal), chain_(equal.front().chain) {}

    [[nodiscard]] Path make();

   private:
    [[nodiscard]] const Sighting& seen(size_t i) const { return sightings_[chain_[i]]; }
    void put_client();
    void put_telltale(size_t i);
    void put_hop(const Sighting& outer);
    void put_link(size_t i, size_t from);
    void put_end();
    void find_guilty();
    void judge();

    const std::vector<Sighting>& sightings_;
    const std::vector<std::optional<Choice>>& chosen_;
    const std::vector<Found>& equal_;
    const Chain& chain_;
    std::vector<size_t> places_;  // of the sightings of the chain
    Path path_;
};

Path PathMaker::make() {
    path_.returns = equal_.front().returns;
    path_.places.emplace_back();  // the client's; who it was depends on the count
    for (size_t i = 0; i < chain_.size(); ++i) {
        put_telltale(i);
        if (i + 1 == chain_.size()) break;
        if (!chosen_[chain_[i]]->match.direct) put_hop(seen(i));
    }
    for (size_t i = 0; i + 1 < chain_.size(); ++i) put_link(i, places_[i]);
    put_end();
    put_client();
    find_guilty();
    judge();
    return std::move(path_);
}

void PathMaker::put_client() {
    const Sighting& first = seen(0);
    Place& client = path_.places.front();
    client.kind = PlaceKind::client;
    client.address = first.client.address;
    // Each of several connections had a port of its own.
    const std::string host = host_part(client.address);
    if (path_.places[places_[0]].count > 1 && !host.empty()) client.address = host;
    client.protocol = first.client.protocol;
    client.software = first.client.user_agent;
    if (first.direction == "outbound") client.name = first.node;
}

void PathMaker::put_telltale(size_t i) {
    const Sighting& one = seen(i);
    Place place;
    place.kind = PlaceKind::telltale;
    place.sighting = chain_[i];
    place.name = one.node;
    place.address = one.client.reached;
    std::set<size_t> counted;
    std::map<size_t, uint64_t> by_source;  // a log and /incidents tell the same ones
    for (const Found& found : equal_) {
        const Sighting& each = sightings_[found.chain[i]];
        if (!counted.insert(found.chain[i]).second) continue;
        by_source[each.source] += each.count;
        if (place.first == 0 || (each.first != 0 && each.first < place.first)) {
            place.first = each.first;
        }
        place.last = std::max(place.last, each.last);
    }
    for (const auto& [source, count] : by_source) place.count = std::max(place.count, count);
    places_.push_back(path_.places.size());
    path_.places.push_back(std::move(place));
}

void PathMaker::put_hop(const Sighting& outer) {
    Place place;
    place.kind = PlaceKind::hop;
    place.address = outer.upstream.address;
    place.protocol = outer.upstream.protocol;
    place.status = outer.upstream.status;
    // What a trail named stands further in.
    if (outer.attributed_by.empty() && outer.hop.position == HopPosition::upstream) {
        place.name = name_unless(outer.hop.name, place.address);
        place.role = outer.hop.role;
        place.software = outer.hop.software;
        place.version = outer.hop.version;
    }
    path_.places.push_back(std::move(place));
}

void PathMaker::put_link(size_t i, size_t from) {
    const Choice& choice = *chosen_[chain_[i]];
    path_.links.push_back(
        {.from = from, .to = places_[i + 1], .match = choice.match, .others = choice.others});
}

void PathMaker::put_end() {
    const Sighting& last = seen(chain_.size() - 1);
    const bool named = last.hop.position == HopPosition::upstream ||
                       last.hop.position == HopPosition::upstream_leg;
    Place place;
    place.kind = PlaceKind::upstream;
    place.address = dialled(last);
    place.protocol = last.upstream.protocol;
    place.status = last.upstream.status;
    if (!last.attributed_by.empty()) {
        place.kind = PlaceKind::unread;
        path_.places.push_back(place);
        if (!named || last.hop.address.empty() || last.hop.address == place.address) return;
        place = {};
        place.kind = PlaceKind::upstream;
        place.address = last.hop.address;
    }
    if (named) {
        place.name = name_unless(last.hop.name, place.address);
        place.role = last.hop.role;
        place.software = last.hop.software;
        place.version = last.hop.version;
    }
    path_.places.push_back(std::move(place));
}

// The innermost sidecar stands next to the fault, if that is further in. If it is further out,
// sidecars hand on what came from there, and a proxy between them makes something of its own.
void PathMaker::find_guilty() {
    size_t i = chain_.size() - 1;
    const auto position = seen(i).hop.position.value_or(HopPosition::upstream);
    path_.first_seen = places_[i];
    switch (position) {
        case HopPosition::upstream:
        case HopPosition::upstream_leg:
            path_.guilty = path_.places.size() - 1;
            return;
        case HopPosition::proxy:
            path_.guilty = places_[i];
            return;
        case HopPosition::client:
        case HopPosition::client_leg:
            break;
    }
    while (i > 0 && chosen_[chain_[i - 1]]->match.direct) --i;
    path_.first_seen = places_[i];
    path_.guilty = places_[i] - 1;
}

void PathMaker::judge() {
    for (size_t i = 0; i < path_.places.size(); ++i) {
        const PlaceKind kind = path_.places[i].kind;
        const bool between = kind == PlaceKind::telltale || kind == PlaceKind::hop ||
                             (kind == PlaceKind::unread && i + 1 < path_.places.size());
        if (between && i != path_.guilty && i != path_.first_seen) path_.passed_on.push_back(i);
    }
    const Place& outermost = path_.places[places_[0]];
    path_.count = outermost.count;
    path_.first = outermost.first;
    path_.last = outermost.last;
    path_.confidence = sightings_[*path_.places[path_.first_seen].sighting].confidence;
    for (const Link& link : path_.links) {
        path_.confidence = std::max(path_.confidence, link.match.confidence);
    }
}

}  // namespace

Joined join(std::vector<Sighting> sightings, const JoinOptions& options) {
    Joined out;
    out.options = options;
    out.sightings = without_doubles(std::move(sightings));
    const auto chosen = Chooser(out.sightings, options).choose();
    for (const auto& equal : Chains(out.sightings, chosen).find()) {
        out.paths.push_back(PathMaker(out.sightings, chosen, equal).make());
    }
    std::stable_sort(out.paths.begin(), out.paths.end(),
                     [](const Path& one, const Path& other) { return one.last > other.last; });
    return out;
}

}  // namespace telltale::proxy::hops
