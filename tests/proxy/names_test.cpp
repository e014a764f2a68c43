#include "proxy/names.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proxy/dns_client.h"
#include "proxy/rate.h"

namespace telltale::proxy {
namespace {

using boost::asio::ip::make_address;
using std::chrono::seconds;
using Found = std::vector<std::string>;

// A resolver that answers when the test says so, and a clock that the test moves.
class NamesOfAddresses : public testing::Test {
   protected:
    Names::Resolver scripted() {
        return [this](const Names::Address& address, Names::Asked then) {
            asked_.emplace_back(address.to_string(), std::move(then));
        };
    }
    // The question with this number, from 0.
    void answer(size_t question, Names::Answer names) {
        const Names::Asked then = asked_.at(question).second;
        then(std::move(names), now_);
    }
    void look_up(const std::string& address) {
        names_.look_up(make_address(address), now_,
                       [this](const Found& found) { found_.push_back(found); });
    }
    uint64_t count(InquiryResult result) { return names_.counts()[static_cast<size_t>(result)]; }

    Names::Time now_ = Names::Time(seconds(1000));
    std::vector<std::pair<std::string, Names::Asked>> asked_;
    std::vector<Found> found_;
    Names names_{scripted(), 20};
};

TEST_F(NamesOfAddresses, are_asked_for_once_and_then_known_for_a_while) {
    look_up("10.0.0.1");
    answer(0, Found{"a.example"});
    look_up("10.0.0.1");
    EXPECT_EQ(found_, (std::vector<Found>{{"a.example"}, {"a.example"}}));
    EXPECT_EQ(asked_.size(), 1U);
    now_ += Names::found_for;
    look_up("10.0.0.1");
    EXPECT_EQ(asked_.size(), 2U);
    EXPECT_EQ(count(InquiryResult::found), 1U);
    EXPECT_EQ(count(InquiryResult::known), 1U);
}

TEST_F(NamesOfAddresses, that_do_not_exist_are_remembered_as_well_but_not_so_long) {
    look_up("10.0.0.1");
    answer(0, Found{});
    now_ += Names::nothing_for - seconds(1);
    look_up("10.0.0.1");
    EXPECT_EQ(asked_.size(), 1U);
    now_ += seconds(1);
    look_up("10.0.0.1");
    EXPECT_EQ(asked_.size(), 2U);
    EXPECT_EQ(count(InquiryResult::nothing), 1U);
}

TEST_F(NamesOfAddresses, asked_for_twice_at_once_are_one_question) {
    look_up("10.0.0.1");
    look_up("10.0.0.1");
    look_up("10.0.0.2");
    EXPECT_EQ(asked_.size(), 2U);
    EXPECT_TRUE(found_.empty());
    answer(0, Found{"a.example"});
    EXPECT_EQ(found_, (std::vector<Found>{{"a.example"}, {"a.example"}}));
}

TEST_F(NamesOfAddresses, of_a_storm_are_not_all_asked_for) {
    for (int i = 0; i < 1000; ++i) {
        look_up("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    }
    EXPECT_EQ(asked_.size(), 20U);
    EXPECT_EQ(found_.size(), 980U) << "those that may not be asked for are told so at once";
    EXPECT_EQ(count(InquiryResult::limited), 980U);
    now_ += seconds(1);
    look_up("10.2.0.1");
    EXPECT_EQ(asked_.size(), 21U);
}

TEST_F(NamesOfAddresses, are_not_asked_for_while_nobody_answers) {
    for (int i = 0; i < 3; ++i) {
        look_up("10.0.0." + std::to_string(i));
        answer(static_cast<size_t>(i), std::nullopt);
    }
    look_up("10.0.0.9");
    EXPECT_EQ(asked_.size(), 3U);
    EXPECT_EQ(found_.size(), 4U);
    EXPECT_EQ(count(InquiryResult::no_answer), 3U);
    now_ += Names::rest;
    look_up("10.0.0.9");
    EXPECT_EQ(asked_.size(), 4U);
    answer(3, Found{"a.example"});
    look_up("10.0.0.8");
    EXPECT_EQ(asked_.size(), 5U) << "one answer, and all is well";
}

TEST_F(NamesOfAddresses, are_forgotten_when_there_are_too_many) {
    for (size_t i = 0; i <= Names::kept_max; ++i) {
        now_ += std::chrono::milliseconds(100);
        look_up("10.3." + std::to_string(i / 250) + "." + std::to_string(i % 250));
        answer(i, Found{"a.example"});
    }
    look_up("10.3.0.1");
    EXPECT_EQ(asked_.size(), Names::kept_max + 1) << "still known";
    look_up("10.3.0.0");
    EXPECT_EQ(asked_.size(), Names::kept_max + 2) << "forgotten";
}

TEST(Rate, grants_so_many_in_a_row_and_then_evenly) {
    Rate rate(4, seconds(1));
    Rate::Time now(seconds(50));
    int granted = 0;
    for (int i = 0; i < 10; ++i) granted += rate.take(now) ? 1 : 0;
    EXPECT_EQ(granted, 4);
    now += std::chrono::milliseconds(250);
    EXPECT_TRUE(rate.take(now));
    EXPECT_FALSE(rate.take(now));
    now += seconds(100);
    granted = 0;
    for (int i = 0; i < 10; ++i) granted += rate.take(now) ? 1 : 0;
    EXPECT_EQ(granted, 4) << "what was not used is not saved";
}

TEST(ResolvConf, is_read_as_the_c_library_reads_it) {
    const DnsSettings read = read_resolv_conf(
        "# a comment\n"
        "domain lost.example\n"
        "search openim.svc.cluster.local svc.cluster.local. cluster.local ; why\n"
        "nameserver 10.96.0.10\n"
        "nameserver not-an-address\n"
        "nameserver fd00::10\r\n"
        "nameserver 10.0.0.1\nnameserver 10.0.0.2\n"
        "options timeout:1 ndots:5 rotate\n");
    EXPECT_EQ(read.search, (std::vector<std::string>{"openim.svc.cluster.local",
                                                     "svc.cluster.local", "cluster.local"}));
    ASSERT_EQ(read.servers.size(), 3U);
    EXPECT_EQ(read.servers[0].address().to_string(), "10.96.0.10");
    EXPECT_EQ(read.servers[1].address().to_string(), "fd00::10");
    EXPECT_EQ(read.servers[0].port(), 53);
    EXPECT_EQ(read.ndots, 5U);
    EXPECT_EQ(read_resolv_conf("").servers.front().address().to_string(), "127.0.0.1");
}

TEST(ResolvConf, gives_the_full_names_in_the_order_of_a_resolver) {
    DnsSettings settings = read_resolv_conf("search a.example b.example\noptions ndots:2\n");
    EXPECT_EQ(full_names("group", settings),
              (std::vector<std::string>{"group.a.example", "group.b.example", "group"}));
    EXPECT_EQ(full_names("group.openim.svc", settings),
              (std::vector<std::string>{"group.openim.svc", "group.openim.svc.a.example",
                                        "group.openim.svc.b.example"}));
    EXPECT_EQ(full_names("group.", settings), std::vector<std::string>{"group"});
}

}  // namespace
}  // namespace telltale::proxy
