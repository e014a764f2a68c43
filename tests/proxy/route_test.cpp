#include "proxy/route.h"

#include <gtest/gtest.h>

#include <chrono>

#include "proxy/endpoint.h"

namespace telltale::proxy {
namespace {

const Route::Post at_once = [](const std::function<void()>& task) { task(); };

TimeMs now_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

config::Upstream to(std::initializer_list<config::Address> addresses) {
    config::Upstream upstream;
    upstream.addresses = addresses;
    return upstream;
}

struct World {
    asio::io_context context;
    NameMemory memory;
    OwnAddresses own;
    Chains chains{4};

    Route route(const config::Upstream& upstream, size_t listener = 0) {
        return Route(context, memory, at_once, listener, upstream, own, chains);
    }
};

const Candidate& first(Route& route) {
    return *route.current(now_ms())->candidates->all().at(0);
}

TEST(Route, knows_numeric_upstreams_without_asking) {
    World world;
    Route route = world.route(to({{"10.0.0.1", 10260, {}}, {"10.0.0.2", 10261, {}}}));
    const ResolvedUpstream* known = route.current(now_ms());
    ASSERT_NE(known, nullptr);
    ASSERT_EQ(known->candidates->all().size(), 2U);
    EXPECT_EQ(to_text(known->candidates->all()[0]->endpoint), "10.0.0.1:10260");
    EXPECT_EQ(known->candidates->all()[1]->requested.text(), "10.0.0.2:10261");
}

TEST(Route, asks_once_for_all_who_wait_and_keeps_the_answer) {
    World world;
    Route route = world.route(to({{"localhost", 10260, {}}, {"10.0.0.2", 10261, {}}}));
    EXPECT_EQ(route.current(now_ms()), nullptr);
    int answers = 0;
    for (int i = 0; i < 3; ++i) {
        route.resolve([&](const ResolvedUpstream& upstream) {
            ++answers;
            EXPECT_GE(upstream.candidates->all().size(), 2U);
        });
    }
    world.context.run_for(std::chrono::seconds(10));
    EXPECT_EQ(answers, 3);
    ASSERT_NE(route.current(now_ms()), nullptr);
    EXPECT_EQ(first(route).requested.text(), "localhost:10260");
}

TEST(Route, keeps_a_failure_too_but_not_for_long) {
    World world;
    Route route = world.route(to({{"no-such-host.invalid", 1, {}}}));
    ErrorCode error;
    route.resolve([&](const ResolvedUpstream& upstream) { error = upstream.error; });
    world.context.run_for(std::chrono::seconds(30));
    EXPECT_TRUE(error);
    const ResolvedUpstream* kept = route.current(now_ms());
    ASSERT_NE(kept, nullptr);
    EXPECT_TRUE(kept->error);
    EXPECT_EQ(route.current(now_ms() + 2000), nullptr);
}

TEST(Route, a_name_that_fails_does_not_take_the_others_with_it) {
    World world;
    Route route = world.route(to({{"no-such-host.invalid", 1, {}}, {"10.0.0.2", 10261, {}}}));
    ErrorCode error;
    size_t count = 0;
    route.resolve([&](const ResolvedUpstream& upstream) {
        error = upstream.error;
        count = upstream.candidates->all().size();
    });
    world.context.run_for(std::chrono::seconds(30));
    EXPECT_FALSE(error);
    EXPECT_EQ(count, 1U);
}

TEST(Route, an_old_answer_serves_while_a_new_one_is_asked_for_and_then_no_more) {
    World world;
    config::Upstream upstream = to({{"localhost", 10260, {}}});
    Route route = world.route(upstream);
    route.resolve([](const ResolvedUpstream&) {});
    world.context.run_for(std::chrono::seconds(10));
    const TimeMs resolve_ms = upstream.resolve.count();
    ASSERT_NE(route.current(now_ms()), nullptr);
    EXPECT_EQ(world.context.poll(), 0U) << "a fresh answer is not asked for again";
    world.context.restart();
    EXPECT_NE(route.current(now_ms() + resolve_ms + 1000), nullptr);
    EXPECT_GT(world.context.run_for(std::chrono::seconds(10)), 0U) << "asked in the background";
    EXPECT_EQ(route.current(now_ms() + resolve_ms * 13), nullptr);
}

TEST(Route, the_answer_that_another_worker_got_serves_when_the_name_server_is_away) {
    World world;
    const config::Upstream upstream = to({{"no-such-host.invalid", 1, {}}});
    const Endpoint told = *numeric_endpoint({"10.0.0.9", 1, {}});
    world.memory.keep("no-such-host.invalid:1", {told}, now_ms());
    Route route = world.route(upstream);
    route.resolve([](const ResolvedUpstream&) {});
    world.context.run_for(std::chrono::seconds(30));
    ASSERT_NE(route.current(now_ms()), nullptr);
    EXPECT_FALSE(route.current(now_ms())->error);
    EXPECT_EQ(to_text(first(route).endpoint), "10.0.0.9:1");
    const TimeMs too_old = upstream.resolve.count() * 12 + 1000;
    EXPECT_TRUE(
        world.memory.recall("no-such-host.invalid:1", now_ms() + too_old, too_old - 1000).empty());
}

TEST(Route, what_was_learned_of_an_endpoint_outlives_the_answer_that_named_it) {
    World world;
    Route route = world.route(to({{"localhost", 10260, {}}}));
    const auto ask = [&] {
        route.resolve([](const ResolvedUpstream&) {});
        world.context.restart();
        world.context.run_for(std::chrono::seconds(10));
    };
    ask();
    const Candidate* before = &first(route);
    const_cast<Candidate*>(before)->ejections = 3;
    ask();
    EXPECT_EQ(&first(route), before);
    EXPECT_EQ(first(route).ejections, 3U);
}

TEST(Route, a_new_generation_inherits_names_and_what_was_learned) {
    World world;
    Route before = world.route(to({{"localhost", 10260, {}}, {"10.0.0.2", 1, {}}}));
    before.resolve([](const ResolvedUpstream&) {});
    world.context.run_for(std::chrono::seconds(10));
    const_cast<Candidate&>(first(before)).active = 9;
    Route same = world.route(to({{"localhost", 10260, {}}, {"10.0.0.3", 1, {}}}), 1);
    EXPECT_EQ(same.current(now_ms()), nullptr);
    same.inherit(before);
    ASSERT_NE(same.current(now_ms()), nullptr) << "the name need not be asked for again";
    EXPECT_EQ(first(same).active, 9U);
    Route other = world.route(to({{"another.invalid", 1, {}}}), 2);
    other.inherit(before);
    EXPECT_EQ(other.current(now_ms()), nullptr);
}

TEST(Route, marks_addresses_that_lead_back_to_the_same_listener) {
    World world;
    world.own.bound.push_back(*numeric_endpoint({"0.0.0.0", 15260, {}}));
    Route loops = world.route(to({{"127.0.0.1", 15260, {}}}));
    Route leads_out = world.route(to({{"127.0.0.1", 10260, {}}}));
    EXPECT_TRUE(first(loops).loops);
    EXPECT_FALSE(first(leads_out).loops);
}

TEST(Route, allows_a_chain_of_listeners_but_no_cycle_of_them) {
    World world;
    for (const uint16_t port : std::initializer_list<uint16_t>{15001, 15002, 15003}) {
        world.own.bound.push_back(*numeric_endpoint({"127.0.0.1", port, {}}));
    }
    Route first_route = world.route(to({{"127.0.0.1", 15002, {}}}), 0);
    Route second = world.route(to({{"127.0.0.1", 15003, {}}}), 1);
    EXPECT_FALSE(first(first_route).loops);
    EXPECT_FALSE(first(second).loops);
    Route out = world.route(to({{"127.0.0.1", 10260, {}}}), 2);
    EXPECT_FALSE(first(out).loops);
    Route back = world.route(to({{"10.9.9.9", 1, {}}, {"127.0.0.1", 15001, {}}}), 2);
    EXPECT_FALSE(first(back).loops);
    EXPECT_TRUE(back.current(now_ms())->candidates->all().at(1)->loops);
}

}  // namespace
}  // namespace telltale::proxy
