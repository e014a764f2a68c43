#include "proxy/route.h"

#include <gtest/gtest.h>

#include <chrono>

#include "proxy/endpoint.h"

namespace telltale::proxy {
namespace {

const Route::Post at_once = [](const std::function<void()>& task) { task(); };

TEST(Route, knows_a_numeric_upstream_without_asking) {
    asio::io_context context;
    const OwnAddresses own;
    Chains chains(1);
    const Route route(context, at_once, 0, {"10.0.0.1", 10260, {}}, own, chains);
    ASSERT_NE(route.current(), nullptr);
    EXPECT_EQ(to_text(route.current()->endpoints.at(0)), "10.0.0.1:10260");
}

TEST(Route, asks_once_for_all_who_wait_and_keeps_the_answer) {
    asio::io_context context;
    const OwnAddresses own;
    Chains chains(1);
    Route route(context, at_once, 0, {"localhost", 10260, {}}, own, chains);
    EXPECT_EQ(route.current(), nullptr);
    int answers = 0;
    for (int i = 0; i < 3; ++i) {
        route.resolve([&](const ResolvedUpstream& upstream) {
            ++answers;
            EXPECT_FALSE(upstream.endpoints.empty());
        });
    }
    context.run_for(std::chrono::seconds(10));
    EXPECT_EQ(answers, 3);
    EXPECT_NE(route.current(), nullptr);
}

TEST(Route, keeps_a_failure_too) {
    asio::io_context context;
    const OwnAddresses own;
    Chains chains(1);
    Route route(context, at_once, 0, {"no-such-host.invalid", 1, {}}, own, chains);
    ErrorCode error;
    route.resolve([&](const ResolvedUpstream& upstream) { error = upstream.error; });
    context.run_for(std::chrono::seconds(30));
    EXPECT_TRUE(error);
}

TEST(Route, marks_addresses_that_lead_back_to_the_same_listener) {
    asio::io_context context;
    OwnAddresses own;
    own.bound.push_back(*numeric_endpoint({"0.0.0.0", 15260, {}}));
    Chains chains(1);
    const Route loops(context, at_once, 0, {"127.0.0.1", 15260, {}}, own, chains);
    const Route leads_out(context, at_once, 0, {"127.0.0.1", 10260, {}}, own, chains);
    EXPECT_TRUE(loops.current()->loops.at(0));
    EXPECT_FALSE(leads_out.current()->loops.at(0));
}

TEST(Route, allows_a_chain_of_listeners_but_no_cycle_of_them) {
    asio::io_context context;
    OwnAddresses own;
    for (const uint16_t port : std::initializer_list<uint16_t>{15001, 15002, 15003}) {
        own.bound.push_back(*numeric_endpoint({"127.0.0.1", port, {}}));
    }
    Chains chains(3);
    const Route first(context, at_once, 0, {"127.0.0.1", 15002, {}}, own, chains);
    const Route second(context, at_once, 1, {"127.0.0.1", 15003, {}}, own, chains);
    EXPECT_FALSE(first.current()->loops.at(0));
    EXPECT_FALSE(second.current()->loops.at(0));
    const Route out(context, at_once, 2, {"127.0.0.1", 10260, {}}, own, chains);
    EXPECT_FALSE(out.current()->loops.at(0));
    const Route back(context, at_once, 2, {"127.0.0.1", 15001, {}}, own, chains);
    EXPECT_TRUE(back.current()->loops.at(0));
}

}  // namespace
}  // namespace telltale::proxy
