#include "proxy/hops/paths.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/proxy/hops_sightings.h"

namespace telltale::proxy::hops {
namespace {

using sniff::Confidence;

std::vector<PlaceKind> kinds_of(const Path& path) {
    std::vector<PlaceKind> kinds;
    for (const Place& place : path.places) kinds.push_back(place.kind);
    return kinds;
}

constexpr auto client = PlaceKind::client, telltale = PlaceKind::telltale, hop = PlaceKind::hop,
               unread = PlaceKind::unread, upstream = PlaceKind::upstream;
using Kinds = std::vector<PlaceKind>;

TEST(HopsJoin, of_nothing_is_nothing) {
    EXPECT_TRUE(join({}).paths.empty());
}

TEST(HopsJoin, makes_a_path_of_one_sighting) {
    const Joined joined = join({inner_sighting()});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, upstream}));
    EXPECT_EQ(path.guilty, 2U);
    EXPECT_EQ(path.first_seen, 1U);
    EXPECT_TRUE(path.passed_on.empty());
    EXPECT_EQ(path.confidence, Confidence::certain);
    EXPECT_EQ(path.places[2].name, "group-rpc-service");
}

TEST(HopsJoin, puts_two_sidecars_of_one_connection_in_a_row) {
    const Joined joined = join({inner_sighting(), outer_sighting()});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, telltale, upstream}));
    EXPECT_EQ(path.places[1].name, "openim-api");
    EXPECT_EQ(path.places[2].name, "group-rpc-0");
    EXPECT_EQ(path.guilty, 3U);
    EXPECT_EQ(path.first_seen, 2U) << "the innermost";
    EXPECT_EQ(path.passed_on, std::vector<size_t>{1});
    EXPECT_EQ(path.confidence, Confidence::certain);
    ASSERT_EQ(path.links.size(), 1U);
    EXPECT_EQ(path.links[0].from, 1U);
    EXPECT_EQ(path.links[0].to, 2U);
}

TEST(HopsJoin, puts_an_ingress_between_two_sidecars) {
    const Joined joined = join({outer_of_ingress(), inner_of_ingress()});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, hop, telltale, upstream}));
    EXPECT_EQ(path.places[2].address, "10.244.3.7:80");
    EXPECT_EQ(path.places[2].software, "ingress-nginx");
    EXPECT_EQ(path.places[2].status, 502);
    EXPECT_EQ(path.guilty, 4U);
    EXPECT_EQ(path.first_seen, 3U);
    EXPECT_EQ(path.passed_on, (std::vector<size_t>{1, 2}));
    EXPECT_EQ(path.confidence, Confidence::likely);
}

TEST(HopsJoin, blames_the_proxy_between_that_the_inner_sidecar_blames) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    outer.upstream.status = 415;
    inner.cause = "downgraded_by_proxy";
    inner.hop = {};
    inner.hop.position = sniff::HopPosition::client;
    const Joined joined = join({outer, inner});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, hop, telltale, upstream}));
    EXPECT_EQ(path.guilty, 2U);
    EXPECT_EQ(path.first_seen, 3U);
    EXPECT_EQ(path.passed_on, std::vector<size_t>{1});
    EXPECT_EQ(path.places[4].name, "") << "the upstream is innocent";
}

TEST(HopsJoin, blames_the_client_itself_where_sidecars_only_handed_on_what_it_said) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    for (Sighting* seen : {&outer, &inner}) {
        seen->cause = "tls_client";
        seen->hop.position = sniff::HopPosition::client;
    }
    const Joined joined = join({outer, inner});
    ASSERT_EQ(joined.paths.size(), 1U);
    EXPECT_EQ(joined.paths[0].guilty, 0U);
    EXPECT_EQ(joined.paths[0].first_seen, 1U) << "the outermost";
    EXPECT_EQ(joined.paths[0].passed_on, std::vector<size_t>{2});
}

TEST(HopsJoin, blames_a_sidecar_that_blames_itself) {
    Sighting inner = inner_sighting();
    inner.cause = "proxy_limit";
    inner.hop.position = sniff::HopPosition::proxy;
    const Joined joined = join({outer_sighting(), inner});
    ASSERT_EQ(joined.paths.size(), 1U);
    EXPECT_EQ(joined.paths[0].guilty, 2U);
    EXPECT_EQ(joined.paths[0].first_seen, 2U);
    EXPECT_EQ(joined.paths[0].passed_on, std::vector<size_t>{1});
}

TEST(HopsJoin, shows_a_sidecar_that_told_of_the_fault_and_was_not_given) {
    Sighting outer = outer_sighting();
    outer.attributed_by = outer.upstream.address;
    outer.cause = "metrics_port";
    outer.hop = inner_sighting().hop;
    const Joined joined = join({outer});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, unread, upstream}));
    EXPECT_EQ(path.places[2].address, "10.244.2.9:15260");
    EXPECT_EQ(path.places[3].address, "127.0.0.1:12260");
    EXPECT_EQ(path.guilty, 3U);
    EXPECT_EQ(path.passed_on, std::vector<size_t>{2});
}

TEST(HopsJoin, keeps_faults_apart_that_have_nothing_to_do_with_each_other) {
    Sighting other = inner_sighting();
    other.id = "other-0-1";
    other.node = "friend-rpc-0";
    other.client.address = "10.244.7.7:1000";
    other.client.reached = "10.244.7.8:15260";
    const Joined joined = join({outer_sighting(), other});
    EXPECT_EQ(joined.paths.size(), 2U);
    for (const Path& path : joined.paths) EXPECT_TRUE(path.links.empty());
}

TEST(HopsJoin, gives_two_clients_of_one_ingress_their_own_paths_by_what_they_asked) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    Sighting other_outer = outer;
    Sighting other_inner = inner;
    other_outer.id = "outer-0-2";
    other_outer.node = "openim-chat";
    other_inner.id = "inner-0-2";
    other_inner.node = "friend-rpc-0";
    other_inner.client.reached = "10.244.2.10:15260";
    other_outer.client.path = other_inner.client.path = "/openim.relation.friend/getFriends";
    const Joined joined = join({outer, other_outer, inner, other_inner});
    ASSERT_EQ(joined.paths.size(), 2U);
    std::map<std::string, std::string> found;
    for (const Path& path : joined.paths) {
        ASSERT_EQ(path.places.size(), 5U);
        found[path.places[1].name] = path.places[3].name;
        EXPECT_EQ(path.confidence, Confidence::likely);
        EXPECT_EQ(path.links[0].others, 0U);
    }
    EXPECT_EQ(found["openim-api"], "group-rpc-0");
    EXPECT_EQ(found["openim-chat"], "friend-rpc-0");
}

TEST(HopsJoin, says_possible_where_two_fit_as_well) {
    Sighting other = inner_of_ingress();
    other.id = "inner-0-2";
    other.node = "group-rpc-1";
    other.client.reached = "10.244.2.10:15260";
    set_times(other, noon + 2);
    const Joined joined = join({outer_of_ingress(), inner_of_ingress(), other});
    ASSERT_EQ(joined.paths.size(), 2U) << "the one that was not taken stands alone";
    const auto joined_path = std::find_if(joined.paths.begin(), joined.paths.end(),
                                          [](const Path& path) { return !path.links.empty(); });
    ASSERT_NE(joined_path, joined.paths.end());
    EXPECT_EQ(joined_path->confidence, Confidence::possible);
    EXPECT_EQ(joined_path->links[0].others, 1U);
    EXPECT_EQ(joined_path->places[3].name, "group-rpc-1") << "the nearer in time";
}

TEST(HopsJoin, says_possible_where_two_clients_may_have_caused_the_one_incident) {
    Sighting other = outer_of_ingress();
    other.id = "outer-0-2";
    other.node = "openim-chat";
    const Joined joined = join({outer_of_ingress(), other, inner_of_ingress()});
    ASSERT_EQ(joined.paths.size(), 2U);
    for (const Path& path : joined.paths) EXPECT_EQ(path.confidence, Confidence::possible);
}

TEST(HopsJoin, leaves_an_incident_alone_whose_connection_is_known_to_be_anothers) {
    Sighting other = outer_sighting();
    other.id = "outer-0-2";
    other.node = "openim-chat";
    other.count = 2;
    other.upstream.from = "10.244.1.6:40000";
    const Joined joined = join({outer_sighting(), other, inner_sighting()});
    ASSERT_EQ(joined.paths.size(), 2U);
    for (const Path& path : joined.paths) {
        EXPECT_EQ(path.links.size(), path.places[1].name == "openim-api" ? 1U : 0U);
    }
}

TEST(HopsJoin, folds_equal_paths_and_counts_them) {
    std::vector<Sighting> all;
    for (int i = 0; i < 3; ++i) {
        Sighting outer = outer_sighting();
        Sighting inner = inner_sighting();
        const std::string number = std::to_string(i);
        outer.id += number;
        inner.id += number;
        outer.upstream.from = inner.client.address = "10.244.1.5:5000" + number;
        set_times(outer, noon + i * 60000 + 3);
        set_times(inner, noon + i * 60000);
        all.push_back(outer);
        all.push_back(inner);
    }
    const Joined joined = join(all);
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(path.count, 3U);
    EXPECT_EQ(path.first, noon + 3);
    EXPECT_EQ(path.last, noon + 120003);
    EXPECT_EQ(path.places[2].count, 3U);
    EXPECT_EQ(path.places[0].address, "127.0.0.1") << "each had a port of its own";
    EXPECT_EQ(joined.sightings[*path.places[1].sighting].id, "outer-0-12") << "the newest";
}

TEST(HopsJoin, joins_groups_as_groups) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.count = 40;
    inner.count = 41;
    set_times(outer, noon + 3, noon - 600'000, noon + 3);
    set_times(inner, noon, noon - 600'010, noon);
    const Joined joined = join({outer, inner});
    ASSERT_EQ(joined.paths.size(), 1U);
    EXPECT_EQ(joined.paths[0].count, 40U);
    EXPECT_EQ(joined.paths[0].places[2].count, 41U);
    EXPECT_EQ(joined.paths[0].confidence, Confidence::certain);
}

TEST(HopsJoin, counts_what_a_log_and_a_page_both_tell_once) {
    const Sighting inner = inner_sighting();
    Sighting from_log = inner;
    from_log.source = 5;
    EXPECT_EQ(join({inner, from_log}).sightings.size(), 1U) << "the same record";
    from_log.id = "inner-0-0";  // the first of the group, the page has the newest
    from_log.count = 3;
    Sighting from_page = inner;
    from_page.count = 3;
    const Joined joined = join({from_page, from_log});
    ASSERT_EQ(joined.paths.size(), 1U);
    EXPECT_EQ(joined.paths[0].count, 3U);
}

TEST(HopsJoin, follows_three_sidecars_and_is_not_misled_by_the_trail) {
    Sighting outer = outer_sighting();
    Sighting middle = outer_sighting();
    Sighting inner = inner_sighting();
    outer.node = "edge";
    outer.upstream.address = middle.client.reached = "10.244.1.4:15971";
    outer.upstream.from = middle.client.address = "10.244.1.1:1111";
    middle.id = "middle-0-1";
    for (Sighting* seen : {&outer, &middle}) {
        seen->cause = inner.cause;
        seen->attributed_by = seen->upstream.address;
        seen->hop = inner.hop;
    }
    inner.action = "answered";
    const Joined joined = join({inner, outer, middle});
    ASSERT_EQ(joined.paths.size(), 1U);
    const Path& path = joined.paths[0];
    EXPECT_EQ(kinds_of(path), (Kinds{client, telltale, telltale, telltale, upstream}));
    EXPECT_EQ(path.confidence, Confidence::certain);
    EXPECT_EQ(path.places[1].name, "edge");
    EXPECT_EQ(path.places[2].name, "openim-api");
}

TEST(HopsJoin, does_not_go_round_in_circles) {
    Sighting one = outer_sighting();
    Sighting other = inner_sighting();
    other.upstream.from = one.client.address = "10.244.2.9:777";
    other.upstream.address = one.client.reached = "10.244.1.5:15971";
    const Joined joined = join({one, other});
    ASSERT_EQ(joined.paths.size(), 1U);
    EXPECT_TRUE(joined.paths[0].returns);
    EXPECT_EQ(joined.paths[0].links.size(), 1U);
}

TEST(HopsJoin, sorts_paths_by_the_newest) {
    std::vector<Sighting> all;
    for (int i = 0; i < 5; ++i) {
        Sighting seen = inner_sighting();
        seen.id += std::to_string(i);
        seen.listener += std::to_string(i);
        set_times(seen, noon + (i * 7 % 5) * 10000);
        all.push_back(seen);
    }
    const Joined joined = join(all);
    ASSERT_EQ(joined.paths.size(), 5U);
    for (size_t i = 1; i < 5; ++i) EXPECT_GT(joined.paths[i - 1].last, joined.paths[i].last);
}

// ---- worlds in which it is known who caused what

struct World {
    std::vector<Sighting> sightings;
    std::map<std::string, std::string> inner_of;  // by id
};

std::string text_of(const char* start, uint64_t number) {
    return start + std::to_string(number);
}

// A minute with calls of a few clients to a few servers, some directly, some through one of two
// ingresses; every call fails, and every sidecar tells of it. NAT and clocks are as they should be.
World make_world(std::mt19937& random) {
    World world;
    const auto any = [&random](uint64_t count) { return random() % count; };
    const uint64_t calls = 1 + any(40);
    for (uint64_t i = 0; i < calls; ++i) {
        const bool through = any(2) == 0;
        Sighting outer = through ? outer_of_ingress() : outer_sighting();
        Sighting inner = inner_sighting();
        const uint64_t from = any(3);
        const uint64_t to = any(3);
        const UnixMillis at = noon + static_cast<UnixMillis>(any(60'000));
        outer.id = text_of("outer", i);
        inner.id = text_of("inner", i);
        outer.node = text_of("client-", from);
        inner.node = text_of("server-", to);
        inner.client.reached = text_of("10.0.2.", to) + ":15260";
        outer.upstream.from = text_of("10.0.1.", from) + ":" + std::to_string(20000 + i);
        outer.client.path = inner.client.path = text_of("/service/", any(2));
        if (through) {
            const std::string ingress = text_of("10.0.3.", any(2));
            outer.upstream.address = ingress + ":80";
            inner.client.address = ingress + ":" + std::to_string(30000 + i);
        } else {
            outer.upstream.address = inner.client.reached;
            inner.client.address = outer.upstream.from;
        }
        set_times(inner, at);
        set_times(outer, at + static_cast<UnixMillis>(any(20)));
        world.inner_of[outer.id] = inner.id;
        world.sightings.push_back(outer);
        world.sightings.push_back(inner);
    }
    std::shuffle(world.sightings.begin(), world.sightings.end(), random);
    return world;
}

TEST(HopsJoin, is_never_wrong_with_confidence) {
    std::mt19937 random(20261123);  // NOLINT(cert-msc51-cpp): the same every time
    size_t sure = 0;
    size_t links = 0;
    for (int round = 0; round < 400; ++round) {
        const World world = make_world(random);
        const Joined joined = join(world.sightings);
        for (const Path& path : joined.paths) {
            for (const Link& link : path.links) {
                const Sighting& outer = joined.sightings[*path.places[link.from].sighting];
                const Sighting& inner = joined.sightings[*path.places[link.to].sighting];
                ++links;
                if (link.match.confidence == Confidence::possible) continue;
                ++sure;
                ASSERT_EQ(world.inner_of.at(outer.id), inner.id) << "round " << round;
            }
        }
    }
    EXPECT_GT(sure * 3, links) << "or it never says anything";
}

TEST(HopsJoin, puts_each_sighting_into_a_path_and_none_twice_into_one) {
    std::mt19937 random(20261124);  // NOLINT(cert-msc51-cpp): the same every time
    const std::vector<std::string> addresses = {
        "10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "127.0.0.1:1", "unix:/a", "unix:", "", "x"};
    const auto any = [&](const auto& list) { return list[random() % list.size()]; };
    const std::vector<std::string> protocols = {"http/2", "http/1", "", "http/2-goaway"};
    const std::vector<std::string> causes = {"metrics_port", "refused", ""};
    for (int round = 0; round < 2000; ++round) {
        std::vector<Sighting> all;
        const size_t count = 1 + random() % 12;
        for (size_t i = 0; i < count; ++i) {
            Sighting seen;
            seen.source = random() % 3;
            seen.id = std::to_string(i);
            seen.node = any(addresses);
            seen.listener = any(causes);
            set_times(seen,
                      random() % 4 == 0 ? 0 : noon + static_cast<UnixMillis>(random() % 9000));
            seen.count = 1 + random() % 3;
            seen.client = {any(addresses), any(addresses), any(protocols), any(causes),
                           any(causes)};
            seen.upstream = {any(addresses), any(addresses), any(addresses), any(protocols),
                             static_cast<int64_t>(random() % 600)};
            seen.cause = any(causes);
            if (random() % 4 != 0) {
                seen.hop.position = static_cast<sniff::HopPosition>(random() % 5);
            }
            seen.hop.address = any(addresses);
            if (random() % 3 == 0) seen.attributed_by = any(addresses);
            seen.action = random() % 2 == 0 ? "answered" : "forwarded";
            all.push_back(seen);
        }
        const Joined joined = join(all);
        ASSERT_EQ(joined.sightings.size(), count);
        ASSERT_GE(joined.paths.size(), 1U);
        ASSERT_LE(joined.paths.size(), count);
        uint64_t counted = 0;
        for (const Path& path : joined.paths) {
            ASSERT_LT(path.guilty, path.places.size());
            ASSERT_EQ(path.places[path.first_seen].kind, telltale);
            ASSERT_EQ(path.places.front().kind, client);
            std::set<size_t> seen;
            for (const Place& place : path.places) {
                if (place.sighting) {
                    ASSERT_TRUE(seen.insert(*place.sighting).second);
                    ++counted;
                }
            }
            ASSERT_EQ(path.links.size() + 1, seen.size());
        }
        ASSERT_GE(counted, joined.paths.size());
    }
}

TEST(HopsJoin, does_not_take_long_for_many) {
    std::vector<Sighting> all;
    for (int i = 0; i < 5000; ++i) {
        Sighting seen = i % 2 == 0 ? outer_of_ingress() : inner_of_ingress();
        seen.id = std::to_string(i);
        seen.listener = std::to_string(i % 500);
        set_times(seen, noon + i % 50);
        all.push_back(seen);
    }
    const Joined joined = join(all);
    EXPECT_GT(joined.paths.size(), 100U);
    for (const Path& path : joined.paths) {
        if (path.links.empty()) continue;
        ASSERT_EQ(path.confidence, Confidence::possible);
    }
}

}  // namespace
}  // namespace telltale::proxy::hops
