#include "proxy/policy.h"

#include <gtest/gtest.h>

#include <set>

namespace telltale::proxy {
namespace {

using config::Policy;
using sniff::Cause;
using sniff::Outcome;
using sniff::Protocol;

constexpr std::array policies = {Policy::observe, Policy::answer, Policy::reroute, Policy::reset};

PolicyCase grpc_at_metrics_port(Policy policy) {
    return {.policy = policy,
            .cause = Cause::metrics_port,
            .outcome = Outcome::connected,
            .client = Protocol::http2,
            .upstream = Protocol::http1,
            .flight_whole = true,
            .other_endpoint = true};
}

TEST(Policy, does_what_its_name_says_of_a_grpc_client_at_a_metrics_port) {
    EXPECT_EQ(decide(grpc_at_metrics_port(Policy::observe)), Action::forwarded);
    EXPECT_EQ(decide(grpc_at_metrics_port(Policy::answer)), Action::answered);
    EXPECT_EQ(decide(grpc_at_metrics_port(Policy::reroute)), Action::rerouted);
    EXPECT_EQ(decide(grpc_at_metrics_port(Policy::reset)), Action::reset);
}

TEST(Policy, observe_never_does_anything) {
    for (size_t cause = 0; cause < sniff::cause_count; ++cause) {
        for (const Outcome outcome : {Outcome::connected, Outcome::refused, Outcome::dns_failure}) {
            PolicyCase seen = grpc_at_metrics_port(Policy::observe);
            seen.cause = static_cast<Cause>(cause);
            seen.outcome = outcome;
            EXPECT_EQ(decide(seen),
                      outcome == Outcome::connected ? Action::forwarded : Action::closed);
        }
    }
}

TEST(Policy, leaves_two_sides_of_http2_alone_whatever_the_answer_says) {
    for (const Policy policy : policies) {
        for (const Cause cause : {Cause::http2_not_grpc, Cause::metrics_port}) {
            PolicyCase seen = grpc_at_metrics_port(policy);
            seen.cause = cause;  // metrics_port: told by another Telltale
            seen.upstream = Protocol::http2;
            EXPECT_EQ(decide(seen), Action::forwarded);
        }
    }
}

TEST(Policy, leaves_alone_what_is_fine_silent_or_ended_by_telltale) {
    for (const Policy policy : policies) {
        for (const Cause cause :
             {Cause::fine, Cause::silent_upstream, Cause::proxy_shutdown, Cause::unexplained}) {
            PolicyCase seen = grpc_at_metrics_port(policy);
            seen.cause = cause;
            EXPECT_EQ(decide(seen), Action::forwarded) << sniff::name(cause);
        }
    }
}

TEST(Policy, leaves_two_sides_of_http1_alone_whatever_the_listener_declares) {
    for (const Policy policy : policies) {
        PolicyCase seen = grpc_at_metrics_port(policy);
        seen.cause = Cause::health_probe;
        seen.client = Protocol::http1;
        EXPECT_EQ(decide(seen), Action::forwarded);
    }
}

TEST(Policy, answers_only_in_a_language_that_the_client_reads) {
    PolicyCase seen = grpc_at_metrics_port(Policy::answer);
    seen.client = Protocol::http1;
    seen.upstream = Protocol::http2;
    seen.cause = Cause::http1_client;
    EXPECT_EQ(decide(seen), Action::answered);
    for (const Protocol other : {Protocol::tls, Protocol::other, Protocol::undecided}) {
        seen.client = other;
        EXPECT_EQ(decide(seen), Action::forwarded);
    }
}

TEST(Policy, answers_a_client_whose_upstream_can_not_be_reached) {
    PolicyCase seen = grpc_at_metrics_port(Policy::answer);
    seen.upstream = Protocol::none;
    for (const auto& [outcome, cause] : std::initializer_list<std::pair<Outcome, Cause>>{
             {Outcome::refused, Cause::refused},
             {Outcome::timed_out, Cause::connect_timeout},
             {Outcome::dns_failure, Cause::dns_failure},
             {Outcome::no_endpoints, Cause::no_endpoints},
             {Outcome::loop, Cause::loop},
             {Outcome::local_limit, Cause::proxy_limit}}) {
        seen.outcome = outcome;
        seen.cause = cause;
        seen.client = Protocol::http2;
        EXPECT_EQ(decide(seen), Action::answered);
        seen.client = Protocol::http1;
        EXPECT_EQ(decide(seen), Action::answered);
        seen.client = Protocol::tls;
        EXPECT_EQ(decide(seen), Action::closed);
    }
}

TEST(Policy, does_not_answer_http2_of_which_bytes_are_missing) {
    PolicyCase seen = grpc_at_metrics_port(Policy::answer);
    seen.flight_whole = false;
    EXPECT_EQ(decide(seen), Action::forwarded);
    seen.policy = Policy::reroute;
    EXPECT_EQ(decide(seen), Action::forwarded);
}

TEST(Policy, sends_a_request_elsewhere_only_where_the_first_server_can_not_have_acted) {
    PolicyCase seen = grpc_at_metrics_port(Policy::reroute);
    for (const Cause cause : {Cause::closed_before_preface, Cause::reset_before_preface}) {
        seen.cause = cause;
        seen.client = Protocol::http2;
        EXPECT_EQ(decide(seen), Action::rerouted) << "a server of HTTP/2 sends SETTINGS first";
        seen.client = Protocol::http1;
        EXPECT_EQ(decide(seen), Action::forwarded) << "a server of HTTP/1 may have acted";
    }
}

TEST(Policy, reroutes_only_when_there_is_somewhere_to_go) {
    PolicyCase seen = grpc_at_metrics_port(Policy::reroute);
    seen.other_endpoint = false;
    EXPECT_EQ(decide(seen), Action::forwarded);
    seen.other_endpoint = true;
    seen.outcome = Outcome::refused;
    seen.cause = Cause::refused;
    EXPECT_EQ(decide(seen), Action::closed) << "all endpoints were tried";
}

TEST(Policy, every_action_and_policy_has_a_word) {
    std::set<std::string_view> words(action_names.begin(), action_names.end());
    EXPECT_EQ(words.size(), action_names.size());
    EXPECT_EQ(name(Action::reset), "reset");
    EXPECT_EQ(name(Policy::reset), "reset");
}

}  // namespace
}  // namespace telltale::proxy
