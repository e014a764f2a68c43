#include "proxy/handover_messages.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace telltale::proxy::handover {
namespace {

std::vector<Name> many(size_t count, size_t address_bytes) {
    std::vector<Name> names;
    for (size_t i = 0; i < count; ++i) {
        std::string address = std::to_string(i) + ":";
        address.resize(address_bytes, 'x');
        names.push_back({"listener", address});
    }
    return names;
}

std::string nonsense(const std::string& message) {
    const auto decoded = decode(message);
    const auto* found = std::get_if<Nonsense>(&decoded);
    return found == nullptr ? "it made sense" : found->what;
}

TEST(HandoverMessages, are_text_with_a_version) {
    EXPECT_EQ(encode_ask(), "telltale-handover 1\nask\n");
    EXPECT_EQ(encode_complete(), "telltale-handover 1\ncomplete\n");
    EXPECT_EQ(encode_refused("not you"), "telltale-handover 1\nrefused not you\n");
    EXPECT_EQ(encode({{{"listener", "0.0.0.0:15260"}, {"admin", "unix:/run/a b.sock"}}, 7}),
              "telltale-handover 1\nsockets 2 of 7\nlistener 0.0.0.0:15260\n"
              "admin unix:/run/a b.sock\n");
}

TEST(HandoverMessages, come_back_as_they_were) {
    EXPECT_TRUE(std::holds_alternative<Ask>(decode(encode_ask())));
    EXPECT_TRUE(std::holds_alternative<Complete>(decode(encode_complete())));
    EXPECT_EQ(std::get<Refused>(decode(encode_refused("not you"))).reason, "not you");
    for (const size_t count : std::initializer_list<size_t>{0, 1, 2, 252, 253, 254, 1000, 4096}) {
        const auto names = many(count, 30);
        std::vector<Name> back;
        for (const Sockets& part : split(names)) {
            const auto decoded = std::get<Sockets>(decode(encode(part)));
            EXPECT_EQ(decoded.total, count);
            back.insert(back.end(), decoded.names.begin(), decoded.names.end());
        }
        EXPECT_EQ(back, names) << count;
    }
}

TEST(HandoverMessages, keep_to_the_limits_of_the_kernel_and_their_own) {
    for (const size_t address_bytes : {size_t{10}, size_t{120}, address_bytes_max}) {
        for (const Sockets& part : split(many(sockets_max, address_bytes))) {
            EXPECT_LE(part.names.size(), sockets_per_message_max);
            EXPECT_GE(part.names.size(), 1U);
            EXPECT_LE(encode(part).size(), message_bytes_max);
        }
    }
    EXPECT_EQ(split(many(253, 10)).size(), 1U);
    EXPECT_EQ(split(many(254, 10)).size(), 2U);
    EXPECT_EQ(split({}).size(), 1U);
}

TEST(HandoverMessages, tell_only_names_that_fit_a_line) {
    EXPECT_TRUE(can_be_told({"listener", "[::1]:80"}));
    EXPECT_TRUE(can_be_told({"admin", "unix:/run/Größe.sock"}));
    EXPECT_FALSE(can_be_told({"", "[::1]:80"}));
    EXPECT_FALSE(can_be_told({"listener", ""}));
    EXPECT_FALSE(can_be_told({"Listener", ":80"}));
    EXPECT_FALSE(can_be_told({"a listener", ":80"}));
    EXPECT_FALSE(can_be_told({"listener", "unix:/a\nadmin :80"}));
    EXPECT_FALSE(can_be_told({std::string(kind_bytes_max + 1, 'a'), ":80"}));
    EXPECT_FALSE(can_be_told({"listener", std::string(address_bytes_max + 1, 'a')}));
}

TEST(HandoverMessages, of_another_version_say_so) {
    EXPECT_EQ(nonsense("telltale-handover 2\nask\n"),
              "it speaks version 2 of the hand-over, and this one speaks 1");
    EXPECT_LE(nonsense("telltale-handover " + std::string(20'000, '\1') + "\nask\n").size(), 300U);
}

TEST(HandoverMessages, that_are_malformed_are_nonsense) {
    const std::string head = "telltale-handover 1\n";
    for (const std::string& message : std::vector<std::string>{
             "",
             "\n",
             "telltale-handover 1",
             "telltale-handover \nask\n",
             head,
             head + "ask",
             head + "ask\nask\n",
             head + "asks\n",
             head + "refused\n",
             head + "sockets\n",
             head + "sockets 1\nlistener :80\n",
             head + "sockets 1 of 0\nlistener :80\n",
             head + "sockets 0 of 1\n",
             head + "sockets -1 of 1\n",
             head + "sockets 1 of 99999999999999999999\nlistener :80\n",
             head + "sockets 254 of 254\n",
             head + "sockets 1 of 4097\nlistener :80\n",
             head + "sockets 2 of 2\nlistener :80\n",
             head + "sockets 1 of 2\nlistener :80\nlistener :81\n",
             head + "sockets 1 of 1\nlistener:80\n",
             head + "sockets 1 of 1\nlistener :80",
             head + "sockets 1 of 1\nlistener \n",
             head + "sockets 1 of 1\nlistener \x01\n",
             "HTTP/1.1 400 Bad Request\r\n\r\n",
             std::string(message_bytes_max + 1, 'a'),
         }) {
        EXPECT_NE(nonsense(message), "it made sense") << message;
        EXPECT_LE(nonsense(message).size(), 300U);
    }
}

TEST(HandoverMessages, say_a_refusal_in_printable_and_bounded_words) {
    const std::string hostile = "\x1b[2J" + std::string(20'000, '"');
    const auto decoded = decode("telltale-handover 1\nrefused " + hostile + "\n");
    const std::string reason = std::get<Refused>(decoded).reason;
    EXPECT_EQ(reason.find('\x1b'), std::string::npos);
    EXPECT_LE(reason.size(), 4 * reason_bytes_max + 3);
    EXPECT_TRUE(std::holds_alternative<Refused>(decode(encode_refused(hostile + "\n"))));
}

// Whatever is changed in a good message: an answer, and never one that breaks its own rules.
TEST(HandoverMessages, survive_any_bytes) {
    std::mt19937 random(1);
    const std::vector<std::string> good = {encode_ask(), encode_complete(), encode_refused("x"),
                                           encode({many(3, 12), 9}), encode({many(253, 40), 300})};
    for (int round = 0; round < 3000; ++round) {
        std::string message = good[random() % good.size()];
        for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
            const size_t at = random() % message.size();
            if (random() % 3 == 0) {
                message.erase(at, random() % 8);
                message += '\n';
            } else {
                message[at] = static_cast<char>(random() % 256);
            }
        }
        const auto decoded = decode(message);
        if (const auto* sockets = std::get_if<Sockets>(&decoded)) {
            EXPECT_LE(sockets->names.size(), sockets_per_message_max);
            EXPECT_LE(sockets->names.size(), sockets->total);
            EXPECT_LE(sockets->total, sockets_max);
            for (const Name& name : sockets->names) EXPECT_TRUE(can_be_told(name));
        }
    }
}

}  // namespace
}  // namespace telltale::proxy::handover
