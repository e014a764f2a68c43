#include "proxy/client_counts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace telltale::proxy {
namespace {

PeerAddress client(const std::string& host, uint16_t port = 1) {
    const auto endpoint = *numeric_endpoint({.host = host, .port = port, .unix_path = {}});
    return {endpoint.data(), static_cast<socklen_t>(endpoint.size())};
}

TEST(ClientCounts, turn_away_what_one_client_has_too_many_of) {
    ClientCounts counts(2);
    EXPECT_TRUE(counts.enter(client("10.0.0.1", 1)));
    EXPECT_TRUE(counts.enter(client("::ffff:10.0.0.1", 2)));
    EXPECT_FALSE(counts.enter(client("10.0.0.1", 3)));
    EXPECT_TRUE(counts.enter(client("10.0.0.2", 3)));
    counts.leave(client("10.0.0.1", 1));
    EXPECT_TRUE(counts.enter(client("10.0.0.1", 4)));
    EXPECT_FALSE(counts.enter(client("10.0.0.1", 5)));
}

TEST(ClientCounts, take_all_peers_of_unix_sockets_for_one_client) {
    ClientCounts counts(1);
    EXPECT_TRUE(counts.enter(PeerAddress()));
    EXPECT_FALSE(counts.enter(PeerAddress()));
    EXPECT_TRUE(counts.enter(client("127.0.0.1")));
}

TEST(ClientCounts, keep_nothing_of_clients_that_left) {
    ClientCounts counts(3);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(counts.enter(client("fd00::1")));
    EXPECT_FALSE(counts.enter(client("fd00::1")));
    EXPECT_EQ(counts.clients(), 1U);
    for (int i = 0; i < 3; ++i) counts.leave(client("fd00::1"));
    EXPECT_EQ(counts.clients(), 0U);
    counts.leave(client("fd00::1"));
    EXPECT_EQ(counts.clients(), 0U);
    EXPECT_TRUE(counts.enter(client("fd00::1")));
}

TEST(ClientCounts, store_nothing_without_a_limit) {
    ClientCounts counts(0);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(counts.enter(client("10.0.0.1")));
    EXPECT_EQ(counts.clients(), 0U);
    counts.leave(client("10.0.0.1"));
}

TEST(ClientCounts, follow_a_limit_that_changes) {
    ClientCounts counts(0);
    EXPECT_TRUE(counts.enter(client("10.0.0.1")));  // before there was a limit: not counted
    counts.set_limit(2);
    EXPECT_TRUE(counts.enter(client("10.0.0.1")));
    EXPECT_TRUE(counts.enter(client("10.0.0.1")));
    counts.set_limit(1);
    EXPECT_FALSE(counts.enter(client("10.0.0.1")));
    counts.leave(client("10.0.0.1"));
    EXPECT_FALSE(counts.enter(client("10.0.0.1")));
    counts.leave(client("10.0.0.1"));
    EXPECT_TRUE(counts.enter(client("10.0.0.1")));
    counts.set_limit(0);
    EXPECT_EQ(counts.clients(), 0U);
    EXPECT_TRUE(counts.enter(client("10.0.0.1")));
}

// Against the plainest model: a map by name.
TEST(ClientCounts, agree_with_a_plain_count_over_random_histories) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        const uint32_t limit = static_cast<uint32_t>(1 + random() % 5);
        ClientCounts counts(limit);
        std::map<std::string, uint32_t> model;
        for (int i = 0; i < 2000; ++i) {
            const std::string host = "10.0.0." + std::to_string(random() % 20);
            const auto port = static_cast<uint16_t>(random() % 65536);
            uint32_t& open = model[host];
            if (random() % 2 == 0) {
                ASSERT_EQ(counts.enter(client(host, port)), open < limit) << "seed " << seed;
                if (open < limit) ++open;
            } else if (open > 0) {
                counts.leave(client(host, port));
                --open;
            }
        }
        std::erase_if(model, [](const auto& entry) { return entry.second == 0; });
        EXPECT_EQ(counts.clients(), model.size());
    }
}

}  // namespace
}  // namespace telltale::proxy
