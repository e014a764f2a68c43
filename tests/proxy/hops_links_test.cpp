#include "proxy/hops/links.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/proxy/hops_sightings.h"

namespace telltale::proxy::hops {
namespace {

using sniff::Confidence;

const JoinOptions defaults;

std::string reasons_of(const Match& match) {
    std::string out;
    for (const std::string& reason : match.reasons) out += reason + "\n";
    return out;
}

// ---- addresses

TEST(HopsAddresses, split_hosts_from_ports) {
    EXPECT_EQ(host_part("10.0.0.7:80"), "10.0.0.7");
    EXPECT_EQ(host_part("[fd00::1]:80"), "[fd00::1]");
    EXPECT_EQ(host_part("group-rpc:80"), "group-rpc");
    for (const char* none : {"", ":80", "10.0.0.7", "10.0.0.7:", "fd00::1", "unix:/run/a.sock:80",
                             "unix:", "a:b", "[::1]:x"}) {
        EXPECT_EQ(host_part(none), "") << none;
        EXPECT_FALSE(is_socket(none)) << none;
    }
}

// ---- one connection

TEST(HopsLink, is_certain_where_both_ends_of_one_connection_were_seen) {
    const auto found = match(outer_sighting(), inner_sighting(), defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::connection);
    EXPECT_EQ(found->confidence, Confidence::certain);
    EXPECT_TRUE(found->direct);
    EXPECT_EQ(found->apart_ms, 3);
    EXPECT_NE(reasons_of(*found).find("10.244.1.5:51234 to 10.244.2.9:15260"), std::string::npos);
}

TEST(HopsLink, has_a_direction) {
    EXPECT_FALSE(match(inner_sighting(), outer_sighting(), defaults));
    EXPECT_FALSE(match(inner_of_ingress(), outer_of_ingress(), defaults));
}

TEST(HopsLink, knows_a_connection_to_a_service_address_that_was_translated) {
    Sighting outer = outer_sighting();
    outer.upstream.address = "10.96.0.17:15260";
    const auto found = match(outer, inner_sighting(), defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->confidence, Confidence::certain);
    EXPECT_NE(reasons_of(*found).find("10.96.0.17:15260"), std::string::npos);
}

TEST(HopsLink, does_not_take_equal_loopback_ports_of_two_machines_for_one_connection) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.upstream.from = inner.client.address = "127.0.0.1:51234";
    outer.upstream.address = "127.0.0.1:10260";
    EXPECT_FALSE(match(outer, inner, defaults));
    inner.client.reached = "127.0.0.1:10260";
    ASSERT_TRUE(match(outer, inner, defaults));
    EXPECT_EQ(match(outer, inner, defaults)->kind, LinkKind::connection);
}

TEST(HopsLink, allows_clocks_that_differ_where_the_ports_agree_and_says_so) {
    Sighting inner = inner_sighting();
    set_times(inner, noon + 40'000);
    auto found = match(outer_sighting(), inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->confidence, Confidence::likely);
    EXPECT_NE(reasons_of(*found).find("clocks differ"), std::string::npos);
    set_times(inner, noon + 3'600'000);
    EXPECT_FALSE(match(outer_sighting(), inner, defaults)) << "an hour later it is another one";
}

TEST(HopsLink, is_only_possible_where_a_record_has_no_time) {
    Sighting inner = inner_sighting();
    inner.at = inner.first = inner.last = 0;
    for (const Sighting& outer : {outer_sighting(), outer_of_ingress()}) {
        inner.client.address =
            outer.upstream.status == 502 ? "10.244.3.7:33000" : "10.244.1.5:51234";
        const auto found = match(outer, inner, defaults);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->confidence, Confidence::possible);
        EXPECT_FALSE(found->apart_ms);
    }
}

// ---- the listener

TEST(HopsLink, goes_by_the_listener_where_groups_keep_other_ports) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.count = 5;
    inner.count = 6;
    inner.client.address = "10.244.1.5:51300";
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::listener);
    EXPECT_EQ(found->confidence, Confidence::likely);
}

TEST(HopsLink, knows_that_other_ports_are_another_connection) {
    Sighting inner = inner_sighting();
    inner.client.address = "10.244.1.5:51300";
    EXPECT_FALSE(match(outer_sighting(), inner, defaults));
}

TEST(HopsLink, doubts_a_listener_that_saw_another_host_come) {
    Sighting inner = inner_sighting();
    inner.client.address = "10.244.0.1:51234";
    const auto found = match(outer_sighting(), inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->confidence, Confidence::possible);
}

TEST(HopsLink, goes_by_a_unix_path_within_one_node_only) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.upstream.address = inner.client.reached = "unix:/run/grpc.sock";
    outer.upstream.from.clear();
    inner.client.address = "unix:";
    EXPECT_FALSE(match(outer, inner, defaults)) << "each pod may have such a path";
    inner.node = outer.node;
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::listener);
    EXPECT_EQ(found->confidence, Confidence::likely);
}

TEST(HopsLink, needs_times_within_window_and_skew) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.upstream.from.clear();
    set_times(inner, noon + 3 + 3000);
    EXPECT_TRUE(match(outer, inner, defaults));
    set_times(inner, noon + 3 + 3001);
    EXPECT_FALSE(match(outer, inner, defaults));
    EXPECT_TRUE(match(outer, inner, {.window_ms = 2000, .skew_ms = 1001}));
    set_times(inner, noon - 3001);
    EXPECT_FALSE(match(outer, inner, {.window_ms = 3000, .skew_ms = 0}));
}

TEST(HopsLink, is_only_possible_where_groups_overlap_but_their_last_ones_do_not) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.upstream.from.clear();
    outer.count = inner.count = 9;
    set_times(outer, noon, noon - 600'000, noon);
    set_times(inner, noon - 60'000, noon - 500'000, noon - 60'000);
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->confidence, Confidence::possible);
}

// ---- the trail

TEST(HopsLink, follows_what_an_answer_told) {
    Sighting outer = outer_sighting();
    Sighting inner = inner_sighting();
    outer.upstream.from.clear();
    outer.cause = inner.cause;
    outer.attributed_by = outer.upstream.address;
    outer.hop = inner.hop;
    inner.action = "answered";
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::trail);
    EXPECT_EQ(found->confidence, Confidence::likely);
    EXPECT_TRUE(found->direct);

    inner.cause = "refused";
    EXPECT_NE(match(outer, inner, defaults)->kind, LinkKind::trail) << "another cause was told";
}

TEST(HopsLink, follows_a_trail_that_crossed_an_ingress) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    inner.action = "answered";
    outer.cause = inner.cause;
    outer.attributed_by = outer.upstream.address;
    outer.hop = inner.hop;
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::trail);
    EXPECT_FALSE(found->direct);

    outer.hop.address = "10.1.1.1:1";
    EXPECT_NE(match(outer, inner, defaults).value_or(Match{}).kind, LinkKind::trail)
        << "another hop was told";
}

// ---- through a proxy

TEST(HopsLink, goes_through_an_ingress_by_address_time_and_request) {
    const auto found = match(outer_of_ingress(), inner_of_ingress(), defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, LinkKind::host);
    EXPECT_EQ(found->confidence, Confidence::likely);
    EXPECT_FALSE(found->direct);
    const std::string reasons = reasons_of(*found);
    EXPECT_NE(reasons.find("10.244.3.7:80"), std::string::npos) << reasons;
    EXPECT_NE(reasons.find("same path"), std::string::npos) << reasons;
    EXPECT_NE(reasons.find("502"), std::string::npos) << reasons;
}

TEST(HopsLink, does_not_go_through_what_did_not_understand_the_request) {
    Sighting outer = outer_of_ingress();
    outer.upstream.protocol = "http/1";
    outer.upstream.status = 400;
    EXPECT_FALSE(match(outer, inner_of_ingress(), defaults)) << "it passed nothing on";
}

TEST(HopsLink, does_not_go_through_an_ingress_with_another_request) {
    Sighting inner = inner_of_ingress();
    inner.client.path = "/openim.user.user/getDesignateUsers";
    EXPECT_FALSE(match(outer_of_ingress(), inner, defaults));
    inner.count = 3;
    const auto found = match(outer_of_ingress(), inner, defaults);
    ASSERT_TRUE(found) << "of a group only the newest is known";
    EXPECT_EQ(found->confidence, Confidence::possible);
}

TEST(HopsLink, is_only_possible_by_address_and_time_alone) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    inner.client.path.clear();
    inner.client.user_agent.clear();
    EXPECT_EQ(match(outer, inner, defaults)->confidence, Confidence::likely)
        << "a known proxy that says 502";
    outer.hop.role = "application";
    EXPECT_EQ(match(outer, inner, defaults)->confidence, Confidence::possible);
    outer.hop.role = "ingress";
    outer.upstream.status = 404;
    EXPECT_EQ(match(outer, inner, defaults)->confidence, Confidence::possible)
        << "it may have said so by itself";
}

TEST(HopsLink, takes_a_400_for_passed_on_where_the_proxy_is_at_fault) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    outer.upstream.status = 415;
    inner.cause = "downgraded_by_proxy";
    inner.hop.position = sniff::HopPosition::client;
    inner.client.protocol = "http/1";
    const auto found = match(outer, inner, defaults);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->confidence, Confidence::likely);
}

TEST(HopsLink, goes_through_an_ingress_that_is_dialled_by_its_services_address_when_told_of_it) {
    Sighting outer = outer_of_ingress();
    outer.upstream.address = "10.96.0.7:80";
    EXPECT_FALSE(match(outer, inner_of_ingress(), defaults));
    JoinOptions told;
    told.aliases = {{"10.244.3.7", "10.96.0.7"}, {"10.244.3.8", "10.96.0.7"}};
    Sighting inner = inner_of_ingress();
    for (const char* pod : {"10.244.3.7:33000", "10.244.3.8:33000"}) {
        inner.client.address = pod;
        const auto found = match(outer, inner, told);
        ASSERT_TRUE(found) << pod;
        EXPECT_EQ(found->kind, LinkKind::host);
        EXPECT_EQ(found->confidence, Confidence::likely);
    }
}

TEST(HopsLink, does_not_join_hosts_by_loopback_addresses_of_two_nodes) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    outer.upstream.address = "127.0.0.1:80";
    inner.client.address = "127.0.0.1:33000";
    EXPECT_FALSE(match(outer, inner, defaults));
    inner.node = outer.node;
    EXPECT_TRUE(match(outer, inner, defaults));
}

}  // namespace
}  // namespace telltale::proxy::hops
