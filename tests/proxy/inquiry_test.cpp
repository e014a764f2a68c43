#include "proxy/inquiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

using sniff::Cause;
using sniff::Spoken;
using testing::HasSubstr;

// Keeps what it is given.
class Kept final : public IncidentTaker {
   public:
    bool push(std::vector<IncidentRun> runs) noexcept override {
        for (IncidentRun& run : runs) records.push_back(std::move(run));
        return true;
    }
    void amend(IncidentEnd end) noexcept override {
        // A record that is not there yet could not be completed.
        for (const IncidentRun& run : records) {
            if (run.newest.id == end.id) amended.push_back(end.id);
        }
        ends.push_back(end.id);
    }
    std::vector<IncidentRun> records;
    std::vector<std::string> ends, amended;
};

// Sources that answer when the test says so; the control thread is the test's.
class Inquiries : public testing::Test {
   protected:
    void SetUp() override { configure(true, false); }

    void configure(bool names, bool ports) {
        config_.names.dns = names;
        config_.confirm.enabled = ports;
        config_.confirm.ports = {10260};
        // The tests' own patience: what waits must be ended by an answer.
        config_.names.timeout = config_.confirm.timeout = std::chrono::minutes(10);
        inquiry_.apply(config_, own_);
    }
    static Incident incident(const std::string& id, const std::string& upstream = "10.244.2.9") {
        Incident made = example_incident();
        made.id = id;
        made.evidence.upstream_address = upstream + ":12260";
        made.evidence.requested = "group-rpc-service:12260";
        made.diagnosis = sniff::diagnose(made.evidence);
        made.runbook = "https://example.test/runbook.md#" + std::string(name(made.diagnosis.cause));
        return made;
    }
    bool push(Incident made, uint64_t count = 1) {
        std::vector<IncidentRun> one;
        one.push_back({std::move(made), count});
        const bool taken = inquiry_.push(std::move(one));
        run();
        return taken;
    }
    void run() {
        control_.restart();
        control_.poll();
    }
    void answer_name(size_t question, Names::Answer names) {
        const auto then = names_asked_.at(question).second;
        then(std::move(names));
        run();
    }
    void answer_ports(size_t question, Confirmation::Ports ports) {
        const auto then = ports_asked_.at(question).second;
        then(std::move(ports));
        run();
    }
    const Incident& record(size_t index) { return kept_.records.at(index).newest; }

    asio::io_context control_;
    Kept kept_;
    config::Config config_;
    OwnAddresses own_;
    std::vector<std::pair<std::string, std::function<void(Names::Answer)>>> names_asked_;
    std::vector<std::pair<std::string, std::function<void(std::string)>>> hosts_asked_;
    std::vector<std::pair<ConfirmQuestion, std::function<void(Confirmation::Ports)>>> ports_asked_;
    Inquiry inquiry_{
        control_,
        kept_,
        {.names =
             [this](const asio::ip::address& address, auto, auto then) {
                 names_asked_.emplace_back(address.to_string(), std::move(then));
             },
         .canonical = [this](const std::string& host, bool, auto,
                             auto then) { hosts_asked_.emplace_back(host, std::move(then)); },
         .ports = [this](const ConfirmQuestion& question, auto,
                         auto then) { ports_asked_.emplace_back(question, std::move(then)); }}};
};

TEST_F(Inquiries, pass_everything_on_at_once_when_nothing_is_to_be_asked) {
    configure(false, false);
    std::vector<IncidentRun> one;
    one.push_back({incident("a")});
    EXPECT_TRUE(inquiry_.push(std::move(one)));
    ASSERT_EQ(kept_.records.size(), 1U) << "without a turn of the control thread";
    control_.restart();
    EXPECT_EQ(control_.poll(), 0U);
}

TEST_F(Inquiries, pass_on_at_once_what_leaves_nothing_to_ask) {
    std::vector<IncidentRun> runs;
    for (const char* upstream : {"127.0.0.1", "[::1]", "[fe80::1%lo]", "0.0.0.0"}) {
        runs.push_back({incident(upstream, upstream)});
    }
    runs.push_back({incident("unix")});
    runs.back().newest.evidence.upstream_address = "unix:/run/app.sock";
    runs.push_back({incident("told")});
    runs.back().newest.diagnosis.attributed_by = "10.0.0.2:15260";
    EXPECT_TRUE(inquiry_.push(std::move(runs)));
    EXPECT_EQ(kept_.records.size(), 6U);
    EXPECT_TRUE(names_asked_.empty());
}

TEST_F(Inquiries, hold_a_record_until_its_name_is_there) {
    push(incident("a"), 3);
    EXPECT_TRUE(kept_.records.empty());
    ASSERT_EQ(names_asked_.size(), 1U);
    EXPECT_EQ(names_asked_[0].first, "10.244.2.9");
    answer_name(0, {{"nine.example"}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).evidence.dns_name, "nine.example");
    EXPECT_EQ(record(0).diagnosis.hop.name, "nine.example");
    EXPECT_EQ(kept_.records[0].count, 3U);
    push(incident("b", "10.244.2.9"));
    EXPECT_EQ(kept_.records.size(), 2U) << "the name is known now";
}

TEST_F(Inquiries, write_a_record_without_a_name_when_there_is_none) {
    push(incident("a"));
    answer_name(0, std::nullopt);
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).diagnosis.hop.name, "10.244.2.9:12260");
    EXPECT_EQ(record(0).evidence.dns_name, "");
}

TEST_F(Inquiries, let_no_record_wait_longer_than_configured) {
    config_.names.timeout = std::chrono::milliseconds(1);
    inquiry_.apply(config_, own_);
    push(incident("a"));
    control_.restart();
    control_.run();  // until its timer has ended the wait
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).evidence.dns_name, "");
    answer_name(0, {{"late.example"}});
    EXPECT_EQ(kept_.records.size(), 1U);
}

TEST_F(Inquiries, join_equal_incidents_with_the_one_that_waits) {
    push(incident("a"));
    push(incident("b"), 4);
    push(incident("c", "10.244.2.10"));
    EXPECT_EQ(names_asked_.size(), 2U);
    answer_name(0, {{"nine.example"}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(kept_.records[0].count, 5U);
    EXPECT_EQ(record(0).id, "b");
    EXPECT_EQ(record(0).diagnosis.hop.name, "nine.example");
}

TEST_F(Inquiries, complete_a_record_after_it_was_written_and_not_before) {
    Incident open = incident("a");
    open.open = true;
    push(std::move(open));
    IncidentEnd end;
    end.id = "a";
    inquiry_.amend(end);
    run();
    EXPECT_TRUE(kept_.ends.empty());
    answer_name(0, {{"nine.example"}});
    EXPECT_EQ(kept_.amended, std::vector<std::string>{"a"});
    end.id = "other";
    inquiry_.amend(end);
    EXPECT_EQ(kept_.ends.size(), 2U) << "nothing waits: at once";
}

TEST_F(Inquiries, complete_also_what_was_written_while_another_record_waits) {
    push(incident("near", "127.0.0.1"));
    push(incident("a"));
    IncidentEnd end;
    end.id = "near";
    inquiry_.amend(end);
    run();
    EXPECT_EQ(kept_.amended, std::vector<std::string>{"near"});
}

TEST_F(Inquiries, let_so_many_wait_and_pass_the_others_on) {
    config_.names.per_second = 1000;
    inquiry_.apply(config_, own_);
    for (size_t i = 0; i < Inquiry::waiting_max + 10; ++i) {
        EXPECT_TRUE(push(incident(std::to_string(i), "10.1.0." + std::to_string(i))));
    }
    EXPECT_EQ(names_asked_.size(), Inquiry::waiting_max);
    EXPECT_EQ(kept_.records.size(), 10U);
    const auto counts = inquiry_.counts()[static_cast<size_t>(InquiryKind::name)];
    EXPECT_EQ(counts[static_cast<size_t>(InquiryResult::limited)], 10U);
    inquiry_.stop();
    EXPECT_EQ(kept_.records.size(), Inquiry::waiting_max + 10) << "each exactly once";
}

TEST_F(Inquiries, write_what_waits_when_they_stop_and_hold_nothing_after_that) {
    push(incident("a"));
    std::vector<IncidentRun> on_its_way;
    on_its_way.push_back({incident("b", "10.244.2.10")});
    EXPECT_TRUE(inquiry_.push(std::move(on_its_way)));
    inquiry_.stop();
    EXPECT_EQ(kept_.records.size(), 1U);
    run();
    EXPECT_EQ(kept_.records.size(), 2U);
    push(incident("c", "10.244.2.11"));
    EXPECT_EQ(kept_.records.size(), 3U);
    answer_name(0, {{"late.example"}});
    EXPECT_EQ(kept_.records.size(), 3U);
}

TEST_F(Inquiries, ask_for_the_client_where_the_client_is_at_fault) {
    Incident scrape = incident("a", "127.0.0.1");
    scrape.diagnosis.hop.position = sniff::HopPosition::client;
    scrape.evidence.client_address = "10.244.1.5:43210";
    push(scrape);
    ASSERT_EQ(names_asked_.size(), 1U);
    EXPECT_EQ(names_asked_[0].first, "10.244.1.5");
    Incident other = scrape;
    other.id = "b";
    other.evidence.client_address = "10.244.1.6:43210";
    push(other);
    answer_name(0, {{"five.example"}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).id, "a") << "the name is that of the first";
    EXPECT_EQ(kept_.records[0].count, 2U);
    EXPECT_EQ(record(0).evidence.client_dns_name, "five.example");
    EXPECT_EQ(record(0).evidence.dns_name, "");
}

TEST_F(Inquiries, keep_the_cause_of_a_connection_that_a_policy_ended) {
    Incident silent = incident("a");
    silent.evidence.upstream = {};
    silent.evidence.upstream.protocol = sniff::Protocol::silent;
    silent.evidence.silent_for = 300;
    silent.evidence.ended = false;
    silent.evidence.ended_by = {};
    silent.diagnosis = sniff::diagnose(silent.evidence);
    ASSERT_EQ(silent.diagnosis.cause, Cause::silent_upstream);
    silent.evidence.ended = true;
    silent.evidence.ended_by.operation = sniff::Operation::policy;
    silent.evidence.ended_by.kind = sniff::EndKind::aborted;
    push(silent);
    answer_name(0, {{"nine.example"}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).diagnosis.cause, Cause::silent_upstream);
    EXPECT_EQ(record(0).diagnosis.hop.name, "nine.example");
    EXPECT_EQ(record(0).evidence.ended_by.operation, sniff::Operation::policy);
}

TEST_F(Inquiries, compare_a_service_of_dns_with_the_one_that_was_asked_for) {
    push(incident("a"));
    answer_name(0, {{"10-244-2-9.friend-rpc-service.openim.svc.cluster.local"}});
    ASSERT_EQ(hosts_asked_.size(), 1U);
    EXPECT_EQ(hosts_asked_[0].first, "group-rpc-service");
    EXPECT_TRUE(kept_.records.empty());
    hosts_asked_[0].second("group-rpc-service.openim.svc.cluster.local");
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).diagnosis.cause, Cause::stale_endpoint);
    EXPECT_TRUE(record(0).runbook.ends_with("#stale_endpoint")) << record(0).runbook;
    push(incident("b"));
    EXPECT_EQ(hosts_asked_.size(), 1U) << "what was learned holds for a while";
    EXPECT_EQ(record(1).diagnosis.cause, Cause::stale_endpoint);
}

TEST_F(Inquiries, prefer_the_name_of_the_service_that_was_asked_for) {
    push(incident("a"));
    answer_name(0, {{"10-244-2-9.friend-rpc-service.openim.svc.cluster.local",
                     "10-244-2-9.group-rpc-service.openim.svc.cluster.local"}});
    EXPECT_TRUE(hosts_asked_.empty());
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_THAT(record(0).evidence.dns_name, HasSubstr(".group-rpc-service."));
}

// ---- what else the address speaks

TEST_F(Inquiries, raise_the_confidence_by_what_the_address_says) {
    configure(false, true);
    push(incident("a"));
    ASSERT_EQ(ports_asked_.size(), 1U);
    EXPECT_EQ(ports_asked_[0].first.siblings, std::vector<uint16_t>{10260});
    answer_ports(0, {{.port = 12260, .spoken = Spoken::http1, .metrics = true},
                     {.port = 10260, .spoken = Spoken::grpc, .metrics = false}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).diagnosis.cause, Cause::metrics_port);
    EXPECT_EQ(record(0).diagnosis.confidence, sniff::Confidence::certain);
    EXPECT_THAT(record(0).diagnosis.explanation, HasSubstr("Port 10260 of the same address"));
    EXPECT_TRUE(record(0).runbook.ends_with("#metrics_port"));
    EXPECT_EQ(record(0).evidence.confirmed.size(), 2U);
}

TEST_F(Inquiries, wait_for_name_and_ports_together) {
    configure(true, true);
    push(incident("a"));
    answer_ports(0, {{.port = 10260, .spoken = Spoken::grpc, .metrics = false}});
    EXPECT_TRUE(kept_.records.empty());
    answer_name(0, {{"nine.example"}});
    ASSERT_EQ(kept_.records.size(), 1U);
    EXPECT_EQ(record(0).evidence.dns_name, "nine.example");
    EXPECT_EQ(record(0).evidence.confirmed.size(), 1U);
}

TEST_F(Inquiries, ask_no_port_on_which_this_process_listens) {
    own_.bound = {asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), 10260)};
    configure(false, true);
    config_.confirm.ports = {10260, 10261};
    inquiry_.apply(config_, own_);
    push(incident("a", "127.0.0.1"));
    ASSERT_EQ(ports_asked_.size(), 1U);
    EXPECT_EQ(ports_asked_[0].first.siblings, std::vector<uint16_t>{10261});
    own_.bound = {asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), 12260)};
    inquiry_.apply(config_, own_);
    Incident chained = incident("b", "127.0.0.1");
    chained.evidence.listener = "another";
    push(std::move(chained));
    EXPECT_EQ(ports_asked_.size(), 1U) << "the upstream is a listener of this process";
    EXPECT_EQ(kept_.records.size(), 1U);
}

}  // namespace
}  // namespace telltale::proxy
