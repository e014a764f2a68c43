#include "proxy/route.h"

#include <gtest/gtest.h>

#include <chrono>

#include "proxy/endpoint.h"

namespace telltale::proxy {
namespace {

TEST(Route, knows_a_numeric_upstream_without_asking) {
    asio::io_context context;
    const OwnAddresses own;
    const Route route(context, {"10.0.0.1", 10260, {}}, own);
    ASSERT_NE(route.current(), nullptr);
    EXPECT_EQ(to_text(route.current()->endpoints.at(0)), "10.0.0.1:10260");
}

TEST(Route, asks_once_for_all_who_wait_and_keeps_the_answer) {
    asio::io_context context;
    const OwnAddresses own;
    Route route(context, {"localhost", 10260, {}}, own);
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
    Route route(context, {"no-such-host.invalid", 1, {}}, own);
    ErrorCode error;
    route.resolve([&](const ResolvedUpstream& upstream) { error = upstream.error; });
    context.run_for(std::chrono::seconds(30));
    EXPECT_TRUE(error);
}

TEST(Route, marks_addresses_that_lead_back_to_this_process) {
    asio::io_context context;
    OwnAddresses own;
    own.bound.push_back(*numeric_endpoint({"0.0.0.0", 15260, {}}));
    const Route loops(context, {"127.0.0.1", 15260, {}}, own);
    const Route leads_out(context, {"127.0.0.1", 10260, {}}, own);
    EXPECT_TRUE(loops.current()->loops.at(0));
    EXPECT_FALSE(leads_out.current()->loops.at(0));
}

}  // namespace
}  // namespace telltale::proxy
