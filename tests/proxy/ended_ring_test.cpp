#include "proxy/ended_ring.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>
#include <string>

namespace telltale::proxy {
namespace {

PeerAddress address_of(uint32_t ip, uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(ip);
    in.sin_port = htons(port);
    return {static_cast<const sockaddr*>(static_cast<const void*>(&in)), sizeof in};
}

EndedConnection numbered(uint64_t id) {
    EndedConnection ended;
    ended.id = id;
    ended.ended_at_ms = static_cast<TimeMs>(id) * 10;
    return ended;
}

TEST(EndedRing, has_no_rows_at_first) {
    EXPECT_TRUE(EndedRing().rows(1000).empty());
}

TEST(EndedRing, makes_a_row_of_everything_that_was_pushed) {
    EndedRing ring;
    ring.push({.id = 7,
               .listener = 2,
               .ended_at_ms = 5000,
               .age_ms = 1500,
               .bytes = {93, 103},
               .client_address = address_of(0x0a000001, 43210),
               .upstream_address = address_of(0x0a000002, 12260),
               .ended_by = {sniff::Side::upstream, sniff::Operation::read, sniff::EndKind::reset,
                            ECONNRESET, sniff::Phase::before_verdict},
               .client = sniff::Protocol::http2,
               .upstream = sniff::Protocol::http1,
               .verdict = sniff::Verdict::mismatch,
               .cause = sniff::Cause::metrics_port,
               .reached = true,
               .policy = "answer",
               .action = "answered"});
    const auto rows = ring.rows(5250);
    ASSERT_EQ(rows.size(), 1U);
    const ConnectionRow& row = rows[0];
    EXPECT_EQ(row.id, 7U);
    EXPECT_EQ(row.listener, 2U);
    EXPECT_EQ(row.client_address, "10.0.0.1:43210");
    EXPECT_EQ(row.upstream_address, "10.0.0.2:12260");
    EXPECT_EQ(row.client, sniff::Protocol::http2);
    EXPECT_EQ(row.upstream, sniff::Protocol::http1);
    EXPECT_EQ(row.verdict, sniff::Verdict::mismatch);
    EXPECT_EQ(row.cause, sniff::Cause::metrics_port);
    EXPECT_EQ(row.state, "ended");
    EXPECT_EQ(row.bytes, (std::array<uint64_t, 2>{93, 103}));
    EXPECT_EQ(row.age_ms, 1500);
    EXPECT_EQ(row.ended_ms_ago, 250);
    EXPECT_EQ(row.ended_by.side, sniff::Side::upstream);
    EXPECT_EQ(row.ended_by.kind, sniff::EndKind::reset);
    EXPECT_EQ(row.ended_by.error, ECONNRESET);
    EXPECT_EQ(row.ended_by.phase, sniff::Phase::before_verdict);
    EXPECT_EQ(row.policy, "answer");
    EXPECT_EQ(row.action, "answered");
}

TEST(EndedRing, names_no_upstream_when_none_was_dialled) {
    EndedRing ring;
    ring.push(numbered(1));
    EXPECT_EQ(ring.rows(10)[0].upstream_address, "");
    EXPECT_EQ(ring.rows(10)[0].client_address, "unix:");
}

TEST(EndedRing, shows_the_newest_first_and_forgets_the_oldest) {
    EndedRing ring;
    for (uint64_t id = 0; id < EndedRing::capacity; ++id) ring.push(numbered(id));
    ASSERT_EQ(ring.rows(0).size(), EndedRing::capacity);
    EXPECT_EQ(ring.rows(0).back().id, 0U);
    for (uint64_t id = EndedRing::capacity; id < 3 * EndedRing::capacity - 5; ++id) {
        ring.push(numbered(id));
        const auto rows = ring.rows(0);
        ASSERT_EQ(rows.size(), EndedRing::capacity);
        for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].id, id - i);
    }
}

TEST(EndedRing, never_says_that_something_ended_in_the_future) {
    EndedRing ring;
    ring.push(numbered(100));
    EXPECT_EQ(ring.rows(999)[0].ended_ms_ago, 0);
    EXPECT_EQ(ring.rows(1001)[0].ended_ms_ago, 1);
}

}  // namespace
}  // namespace telltale::proxy
