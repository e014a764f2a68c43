#include "proxy/candidates.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "proxy/endpoint.h"

namespace telltale::proxy {
namespace {

using config::Balance;

CandidatePtr candidate(const std::string& host, uint16_t port, bool second_family = false) {
    CandidatePtr made(new Candidate);
    made->requested = {.host = host, .port = port, .unix_path = {}};
    made->endpoint = *numeric_endpoint(made->requested);
    made->second_family = second_family;
    return made;
}

CandidatesPtr three() {
    CandidatesPtr candidates(new Candidates);
    for (const uint16_t port : std::initializer_list<uint16_t>{1, 2, 3}) {
        candidates->add(candidate("10.0.0.1", port));
    }
    return candidates;
}

uint16_t first_choice(Candidates& candidates, Balance balance, TimeMs now = 0) {
    Tried tried = 0;
    return candidates.choose(balance, tried, nullptr, now)->requested.port;
}

TEST(Candidates, round_robin_gives_each_endpoint_its_turn) {
    const auto candidates = three();
    std::map<uint16_t, int> chosen;
    for (int i = 0; i < 30; ++i) ++chosen[first_choice(*candidates, Balance::round_robin)];
    EXPECT_EQ(chosen, (std::map<uint16_t, int>{{1, 10}, {2, 10}, {3, 10}}));
}

TEST(Candidates, least_connections_fills_the_emptiest) {
    const auto candidates = three();
    candidates->all()[0]->active = 5;
    candidates->all()[1]->active = 2;
    candidates->all()[2]->active = 3;
    EXPECT_EQ(first_choice(*candidates, Balance::least_connections), 2);
    for (int i = 0; i < 20; ++i) {
        Tried tried = 0;
        ++candidates->choose(Balance::least_connections, tried, nullptr, 0)->active;
    }
    EXPECT_EQ(candidates->all()[0]->active, 10U);
    EXPECT_EQ(candidates->all()[1]->active, 10U);
    EXPECT_EQ(candidates->all()[2]->active, 10U);
}

TEST(Candidates, a_connection_tries_each_endpoint_once) {
    const auto candidates = three();
    Tried tried = 0;
    std::set<uint16_t> ports;
    CandidatePtr last;
    while (auto next = candidates->choose(Balance::round_robin, tried, last.get(), 0)) {
        EXPECT_TRUE(ports.insert(next->requested.port).second);
        last = next;
    }
    EXPECT_EQ(ports.size(), 3U);
}

TEST(Candidates, the_other_family_is_tried_next_and_is_nobodys_first_choice) {
    const CandidatesPtr candidates(new Candidates);
    candidates->add(candidate("::1", 1));
    candidates->add(candidate("::1", 2));
    candidates->add(candidate("127.0.0.1", 3, true));
    candidates->add(candidate("127.0.0.1", 4, true));
    for (int i = 0; i < 8; ++i) EXPECT_LE(first_choice(*candidates, Balance::round_robin), 2);
    Tried tried = 0;
    CandidatePtr last;
    std::string families;
    while (auto next = candidates->choose(Balance::round_robin, tried, last.get(), 0)) {
        families += next->second_family ? '4' : '6';
        last = next;
    }
    EXPECT_EQ(families, "6464");
}

TEST(Candidates, what_was_out_of_reach_a_moment_ago_comes_after_the_others) {
    const auto candidates = three();
    candidates->all()[0]->avoided_until = 5000;
    candidates->all()[1]->avoided_until = 5000;
    for (int i = 0; i < 6; ++i) EXPECT_EQ(first_choice(*candidates, Balance::round_robin, 10), 3);
    candidates->all()[2]->avoided_until = 5000;
    std::set<uint16_t> ports;
    for (int i = 0; i < 6; ++i) ports.insert(first_choice(*candidates, Balance::round_robin, 10));
    EXPECT_EQ(ports.size(), 3U) << "all are avoided: then none is";
    for (int i = 0; i < 3; ++i) ports.insert(first_choice(*candidates, Balance::round_robin, 5000));
    EXPECT_EQ(ports.size(), 3U);
}

TEST(Candidates, an_ejected_endpoint_is_left_out_for_its_time_and_longer_the_next_time) {
    const auto candidates = three();
    Candidate& bad = *candidates->all()[1];
    EXPECT_TRUE(candidates->eject(bad, 30, 0));
    EXPECT_EQ(candidates->ejected(29'999), 1U);
    EXPECT_EQ(candidates->ejected(30'000), 0U);
    for (int i = 0; i < 9; ++i) EXPECT_NE(first_choice(*candidates, Balance::round_robin, 1), 2);
    EXPECT_TRUE(candidates->eject(bad, 30, 40'000));
    EXPECT_EQ(candidates->ejected(99'999), 1U);
    EXPECT_EQ(candidates->ejected(100'000), 0U);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(candidates->eject(bad, 30, TimeMs{1} << (22 + i)));
    EXPECT_LE(bad.ejected_until, (TimeMs{1} << 31) + 32 * 30'000) << "the growth has an end";
}

TEST(Candidates, connections_that_met_the_same_fault_at_the_same_time_eject_once) {
    const auto candidates = three();
    Candidate& bad = *candidates->all()[1];
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(candidates->eject(bad, 30, 0));
    EXPECT_EQ(bad.ejections, 1U);
}

TEST(Candidates, the_last_endpoint_is_never_ejected) {
    const auto candidates = three();
    EXPECT_TRUE(candidates->eject(*candidates->all()[0], 30, 0));
    EXPECT_TRUE(candidates->eject(*candidates->all()[1], 30, 0));
    EXPECT_FALSE(candidates->eject(*candidates->all()[2], 30, 0));
    EXPECT_EQ(candidates->ejected(1), 2U);
    EXPECT_EQ(first_choice(*candidates, Balance::round_robin, 1), 3);
}

TEST(Candidates, an_ejected_endpoint_is_still_dialled_when_no_other_can_be_reached) {
    const auto candidates = three();
    candidates->eject(*candidates->all()[0], 30, 0);
    Tried tried = 0;
    CandidatePtr last;
    std::vector<uint16_t> order;
    while (auto next = candidates->choose(Balance::round_robin, tried, last.get(), 1)) {
        order.push_back(next->requested.port);
        last = next;
    }
    ASSERT_EQ(order.size(), 3U);
    EXPECT_EQ(order.back(), 1);
}

TEST(Candidates, a_reroute_goes_only_where_nothing_bad_is_known) {
    const auto candidates = three();
    candidates->eject(*candidates->all()[0], 30, 0);
    candidates->all()[1]->avoided_until = 1000;
    Tried tried = Tried{1} << 2U;  // the one that spoke the wrong protocol just now
    EXPECT_FALSE(candidates->has_other(tried, 1));
    EXPECT_EQ(candidates->choose_other(Balance::round_robin, tried, 1), nullptr);
    EXPECT_TRUE(candidates->has_other(tried, 1000));
    EXPECT_EQ(candidates->choose_other(Balance::round_robin, tried, 1000)->requested.port, 2);
    EXPECT_FALSE(candidates->has_other(tried, 1000));
}

TEST(Candidates, more_addresses_than_can_be_told_apart_are_left_out) {
    const CandidatesPtr candidates(new Candidates);
    for (uint16_t port = 1; port <= 100; ++port) candidates->add(candidate("10.0.0.1", port));
    EXPECT_EQ(candidates->all().size(), Candidates::count_max);
}

}  // namespace
}  // namespace telltale::proxy
