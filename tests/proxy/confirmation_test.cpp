#include "proxy/confirmation.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Ports = Confirmation::Ports;
using sniff::Spoken;

Ports grpc_at(uint16_t port) {
    return {{.port = port, .spoken = Spoken::grpc, .metrics = false}};
}

// A prober that answers when the test says so, and a clock that the test moves.
class Confirmations : public testing::Test {
   protected:
    void ask(const std::string& address, uint16_t port = 12260) {
        const ConfirmQuestion question{.address = boost::asio::ip::make_address(address),
                                       .port = port,
                                       .asks_port = true,
                                       .siblings = {},
                                       .host = {}};
        confirmation_.ask(question, now_, [this](const Ports& ports) { told_.push_back(ports); });
    }
    void answer(size_t question, Ports ports) {
        const Confirmation::Asked then = asked_.at(question).second;
        then(std::move(ports), now_);
    }
    uint64_t count(InquiryResult result) {
        return confirmation_.counts()[static_cast<size_t>(result)];
    }

    Confirmation::Time now_ = Confirmation::Time(seconds(1000));
    std::vector<std::pair<ConfirmQuestion, Confirmation::Asked>> asked_;
    std::vector<Ports> told_;
    Confirmation confirmation_{[this](const ConfirmQuestion& question, Confirmation::Asked then) {
        asked_.emplace_back(question, std::move(then));
    }};
};

TEST_F(Confirmations, ask_an_address_again_only_after_a_while) {
    ask("10.0.0.1");
    answer(0, grpc_at(10260));
    now_ += minutes(1) - seconds(1);
    ask("10.0.0.1");
    EXPECT_EQ(asked_.size(), 1U);
    ASSERT_EQ(told_.size(), 2U);
    EXPECT_EQ(told_[1].front().port, 10260);
    now_ += seconds(1);
    ask("10.0.0.1");
    EXPECT_EQ(asked_.size(), 2U);
    EXPECT_EQ(count(InquiryResult::found), 1U);
    EXPECT_EQ(count(InquiryResult::known), 1U);
}

TEST_F(Confirmations, ask_once_for_incidents_that_come_together) {
    ask("10.0.0.1");
    ask("10.0.0.1");
    EXPECT_EQ(asked_.size(), 1U);
    answer(0, grpc_at(10260));
    EXPECT_EQ(told_.size(), 2U);
}

TEST_F(Confirmations, ask_few_addresses_at_once_and_tell_the_others_nothing) {
    for (int i = 0; i < 10; ++i) ask("10.0.0." + std::to_string(i));
    EXPECT_EQ(asked_.size(), Confirmation::at_once_max);
    EXPECT_EQ(told_.size(), 10 - Confirmation::at_once_max);
    answer(0, grpc_at(1));
    ask("10.0.0.9");
    EXPECT_EQ(asked_.size(), Confirmation::at_once_max + 1);
}

TEST_F(Confirmations, ask_so_many_addresses_a_minute) {
    confirmation_.apply({.enabled = true,
                         .ports = {},
                         .timeout = seconds(1),
                         .again_after = seconds(1),
                         .per_minute = 5});
    for (int i = 0; i < 1000; ++i) {
        now_ += std::chrono::milliseconds(10);
        ask("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
        if (asked_.size() > told_.size() - count(InquiryResult::limited))
            answer(asked_.size() - 1, grpc_at(1));
    }
    // Ten seconds: five in a row, and none but one more for each twelve.
    EXPECT_EQ(asked_.size(), 5U);
    EXPECT_EQ(count(InquiryResult::limited), 995U);
    now_ += seconds(12);
    ask("10.2.0.1");
    EXPECT_EQ(asked_.size(), 6U);
}

TEST_F(Confirmations, of_ports_that_nobody_could_ask_are_no_answer) {
    ask("10.0.0.1");
    answer(0, {{.port = 12260, .spoken = Spoken::unknown, .metrics = false}});
    EXPECT_EQ(count(InquiryResult::no_answer), 1U);
}

// ---- which incidents, and which ports

std::optional<ConfirmQuestion> question_of(const Incident& incident,
                                           const std::vector<uint16_t>& ports = {}) {
    return confirm_question(incident.evidence, incident.diagnosis, {}, ports);
}

TEST(ConfirmQuestion, is_the_dialled_address_and_the_ports_of_configuration_and_registry) {
    Incident incident = example_incident();
    incident.evidence.registry.grpc_port = 10260;
    const auto question = question_of(incident, {10261, 12260, 10261});
    ASSERT_TRUE(question);
    EXPECT_EQ(question->address.to_string(), "10.244.2.9");
    EXPECT_EQ(question->port, 12260);
    EXPECT_TRUE(question->asks_port);
    EXPECT_EQ(question->siblings, (std::vector<uint16_t>{10261, 10260}));
    EXPECT_EQ(question->host, "group-rpc-service");
}

TEST(ConfirmQuestion, has_the_ports_that_programs_use_in_pairs) {
    Incident incident = example_incident();
    incident.evidence.upstream_address = "10.244.2.9:4318";
    incident.evidence.upstream_port = 4318;
    const auto question = question_of(incident);
    ASSERT_TRUE(question);
    EXPECT_EQ(question->siblings, std::vector<uint16_t>{4317});
}

TEST(ConfirmQuestion, leaves_the_port_alone_that_could_not_be_reached) {
    Incident incident = example_incident();
    incident.diagnosis.cause = sniff::Cause::refused;
    incident.evidence.outcome = sniff::Outcome::refused;
    EXPECT_FALSE(question_of(incident)) << "and there is no other port to ask";
    const auto question = question_of(incident, {10260});
    ASSERT_TRUE(question);
    EXPECT_FALSE(question->asks_port);
}

TEST(ConfirmQuestion, is_none_where_the_address_is_not_at_fault_or_not_known) {
    const Incident good = example_incident();
    ASSERT_TRUE(question_of(good));
    Incident incident = good;
    incident.diagnosis.hop.position = sniff::HopPosition::client;
    EXPECT_FALSE(question_of(incident));
    incident = good;
    incident.diagnosis.attributed_by = "10.0.0.2:15260";
    EXPECT_FALSE(question_of(incident)) << "another Telltale stands nearer";
    for (const auto cause : {sniff::Cause::loop, sniff::Cause::dns_failure,
                             sniff::Cause::no_endpoints, sniff::Cause::proxy_shutdown}) {
        incident = good;
        incident.diagnosis.cause = cause;
        EXPECT_FALSE(question_of(incident)) << sniff::name(cause);
    }
    for (const char* address :
         {"", "unix:/run/app.sock", "10.244.2.9:0", "group:12260", "10.244.2.9:10260"}) {
        incident = good;
        incident.evidence.upstream_address = address;
        EXPECT_FALSE(question_of(incident)) << address;
    }
    incident = good;
    incident.evidence.layers = {sniff::Layer::connect_tunnel};
    EXPECT_FALSE(question_of(incident)) << "the address is the forward proxy's";
}

TEST(ConfirmQuestion, has_only_so_many_ports) {
    std::vector<uint16_t> many;
    for (uint16_t port = 1; port <= 40; ++port) many.push_back(port);
    EXPECT_EQ(question_of(example_incident(), many)->siblings.size(), Confirmation::siblings_max);
}

}  // namespace
}  // namespace telltale::proxy
