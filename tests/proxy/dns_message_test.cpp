#include "proxy/dns_message.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <random>
#include <string>

namespace telltale::proxy {
namespace {

using namespace std::string_literals;

const DnsQuestion question{.id = 0x1234, .name = "9.2.244.10.in-addr.arpa", .type = DnsType::ptr};

std::string number(uint16_t value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 255U)};
}

std::string labels(const std::string& name) {
    std::string out;
    for (size_t at = 0; at < name.size();) {
        const size_t end = std::min(name.find('.', at), name.size());
        out += static_cast<char>(end - at);
        out += name.substr(at, end - at);
        at = end + 1;
    }
    return out + '\0';
}

std::string record(const std::string& owner, uint16_t type, const std::string& data) {
    return owner + number(type) + number(1) + "\0\0\0\x1e"s +
           number(static_cast<uint16_t>(data.size())) + data;
}

// A reply to `asked` with these records; its question is at byte 12.
std::string reply(const DnsQuestion& asked, const std::vector<std::string>& records,
                  uint16_t flags = 0x8180) {
    std::string out = number(asked.id) + number(flags) + number(1) +
                      number(static_cast<uint16_t>(records.size())) + number(0) + number(0) +
                      labels(asked.name) + number(static_cast<uint16_t>(asked.type)) + number(1);
    for (const std::string& one : records) out += one;
    return out;
}

const std::string at_question = "\xc0\x0c";

std::vector<std::string> names_in(const std::string& message) {
    const auto found = read_reply(message, question);
    EXPECT_TRUE(found.has_value());
    return found ? found->names : std::vector<std::string>{"no reply"};
}

TEST(DnsMessage, turns_an_address_into_the_name_of_its_ptr_record) {
    using boost::asio::ip::make_address;
    EXPECT_EQ(reverse_name(make_address("10.244.2.9")), "9.2.244.10.in-addr.arpa");
    EXPECT_EQ(reverse_name(make_address("2001:db8::567:89ab")),
              "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(DnsMessage, writes_a_question_as_rfc_1035_has_it) {
    EXPECT_EQ(write_question({.id = 7, .name = "a.example", .type = DnsType::aaaa}),
              "\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01"
              "a\x07"
              "example\0\0\x1c\0\x01"s);
    EXPECT_EQ(write_question({.id = 7, .name = "a..b", .type = DnsType::a}), "");
    EXPECT_EQ(write_question({.id = 7, .name = std::string(64, 'a'), .type = DnsType::a}), "");
}

TEST(DnsMessage, reads_every_ptr_record_once) {
    EXPECT_EQ(names_in(reply(question, {record(at_question, 12, labels("a.example")),
                                        record(at_question, 12, labels("b.example")),
                                        record(at_question, 12, labels("a.example"))})),
              (std::vector<std::string>{"a.example", "b.example"}));
}

TEST(DnsMessage, follows_a_delegated_zone_of_rfc_2317) {
    const std::string inner = "9.0-15.2.244.10.in-addr.arpa";
    EXPECT_EQ(names_in(reply(question, {record(at_question, 5, labels(inner)),
                                        record(labels(inner), 12, labels("a.example"))})),
              (std::vector<std::string>{"a.example"}));
}

TEST(DnsMessage, passes_over_records_that_were_not_asked_for) {
    EXPECT_EQ(names_in(reply(question, {record(labels("other.example"), 12, labels("evil.example")),
                                        record(at_question, 16, "\x04text"),
                                        record(at_question, 12, labels("a.example"))})),
              (std::vector<std::string>{"a.example"}));
}

TEST(DnsMessage, passes_over_names_that_are_no_host_names) {
    for (const std::string& hostile : {"\x08<script>\0"s,
                                       "\x03"
                                       "a.b\0"s,
                                       "\x02"
                                       "a\n\0"s,
                                       "\x02\xc3\xa9\0"s, "\0"s}) {
        EXPECT_EQ(names_in(reply(question, {record(at_question, 12, hostile),
                                            record(at_question, 12, labels("a.example"))})),
                  (std::vector<std::string>{"a.example"}));
    }
    std::string longest;
    for (int i = 0; i < 5; ++i) longest += "\x3f" + std::string(63, 'a');
    EXPECT_EQ(names_in(reply(question, {record(at_question, 12, longest + '\0')})),
              std::vector<std::string>{});
}

TEST(DnsMessage, finds_where_the_aliases_of_a_host_end) {
    const DnsQuestion asked{.id = 9, .name = "group.openim", .type = DnsType::a};
    const std::string address = "\x0a\xf4\x02\x09";
    auto found = read_reply(reply(asked, {record(at_question, 5, labels("friend.openim")),
                                          record(labels("friend.openim"), 1, address)}),
                            asked);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->canonical, "friend.openim");
    found = read_reply(reply(asked, {record(at_question, 1, address)}), asked);
    EXPECT_EQ(found->canonical, "group.openim");
    found = read_reply(reply(asked, {record(at_question, 5, labels("friend.openim"))}), asked);
    EXPECT_EQ(found->canonical, "") << "an alias of a name without an address";
}

TEST(DnsMessage, tells_no_such_name_from_a_server_that_failed) {
    EXPECT_FALSE(read_reply(reply(question, {}, 0x8183), question)->failed);
    EXPECT_TRUE(read_reply(reply(question, {}, 0x8183), question)->names.empty());
    EXPECT_TRUE(read_reply(reply(question, {}, 0x8182), question)->failed);
    EXPECT_TRUE(read_reply(reply(question, {}, 0x8185), question)->failed);
}

TEST(DnsMessage, takes_no_reply_to_another_question) {
    const std::string good = reply(question, {record(at_question, 12, labels("a.example"))});
    EXPECT_TRUE(read_reply(good, question));
    DnsQuestion other = question;
    other.id = 0x1235;
    EXPECT_FALSE(read_reply(good, other));
    other = question;
    other.name = "8.2.244.10.in-addr.arpa";
    EXPECT_FALSE(read_reply(good, other));
    other = question;
    other.type = DnsType::a;
    EXPECT_FALSE(read_reply(good, other));
    EXPECT_FALSE(read_reply(reply(question, {}, 0x0100), question)) << "a question is no reply";
    EXPECT_FALSE(read_reply("", question));
}

TEST(DnsMessage, ends_where_pointers_lead_in_a_circle_or_forward) {
    for (const std::string& pointer : {"\xc0\x35"s, "\xc0\xff"s, "\xff\xff"s,
                                       "\x01"
                                       "a\xc0\x35"s}) {
        EXPECT_EQ(names_in(reply(question, {record(at_question, 12, pointer)})),
                  std::vector<std::string>{});
    }
}

TEST(DnsMessage, keeps_what_came_before_the_cut) {
    const std::string whole = reply(question, {record(at_question, 12, labels("a.example")),
                                               record(at_question, 12, labels("b.example"))});
    for (size_t size = 0; size < whole.size(); ++size) {
        const auto found = read_reply(whole.substr(0, size), question);
        EXPECT_LE(found ? found->names.size() : 0, 1U);
    }
    EXPECT_EQ(names_in(whole.substr(0, whole.size() - 1)), std::vector<std::string>{"a.example"});
}

TEST(DnsMessage, of_any_bytes_is_read_without_harm) {
    std::mt19937 random(1);
    const std::string good = reply(question, {record(at_question, 12, labels("a.example")),
                                              record(at_question, 5, labels("b.example"))});
    for (int i = 0; i < 20'000; ++i) {
        std::string message = good;
        for (int changes = 0; changes < 4; ++changes) {
            message[12 + random() % (message.size() - 12)] = static_cast<char>(random());
        }
        const auto found = read_reply(message, question);
        EXPECT_LE(found ? found->names.size() : 0, dns_names_max);
    }
}

}  // namespace
}  // namespace telltale::proxy
