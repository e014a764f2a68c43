#include "config/validate.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

// "name listen upstream" per listener; each takes three lines of the file, the first is line 2.
std::vector<std::string> problems(const std::vector<std::array<std::string, 3>>& listeners) {
    std::string text = "listeners:\n";
    for (const auto& [name, listen, upstream] : listeners) {
        text +=
            " - name: " + name + "\n   listen: '" + listen + "'\n   upstream: '" + upstream + "'\n";
    }
    return messages(load_text(text));
}

using Messages = std::vector<std::string>;

TEST(Validate, refuses_two_listeners_of_one_name) {
    EXPECT_EQ(problems({{"a", ":1", "x:9"}, {"b", ":2", "x:9"}, {"a", ":3", "x:9"}}),
              Messages{"t.yaml:8: listeners[2].name: got \"a\", expected a name other than that of "
                       "listeners[0]"});
}

TEST(Validate, refuses_two_listeners_on_one_address) {
    const std::vector<std::pair<std::string, std::string>> same = {
        {":1", ":1"},
        {"0.0.0.0:1", "127.0.0.1:1"},
        {"127.0.0.1:1", ":1"},
        {"[::]:1", "[::1]:1"},
        {"[::1]:1", "[0:0::1]:1"},
        {":1", "[::1]:1"},
        {"127.0.0.1:1", "localhost:1"},
        {"unix:/a", "unix:/a"},
    };
    for (const auto& [first, second] : same) {
        const auto errors = problems({{"a", first, "x:9"}, {"b", second, "x:9"}});
        ASSERT_EQ(errors.size(), 1U) << first << " " << second;
        EXPECT_EQ(errors[0].rfind("t.yaml:6: listeners[1].listen: got ", 0), 0U) << errors[0];
    }
    EXPECT_EQ(
        problems({{"a", "0.0.0.0:1", "x:9"}, {"b", "127.0.0.1:1", "x:9"}}),
        Messages{"t.yaml:6: listeners[1].listen: got \"127.0.0.1:1\", expected an address that "
                 "listeners[0] does not take (0.0.0.0:1)"});
}

TEST(Validate, takes_listeners_that_only_look_alike) {
    const std::vector<std::pair<std::string, std::string>> different = {
        {":1", ":2"},
        {":0", ":0"},
        {"127.0.0.1:1", "127.0.0.2:1"},
        {"0.0.0.0:1", "[::1]:1"},
        {"unix:/a", "unix:@a"},
        {"unix:/a", ":1"},
    };
    for (const auto& [first, second] : different) {
        EXPECT_EQ(problems({{"a", first, "x:9"}, {"b", second, "x:9"}}), Messages{})
            << first << " " << second;
    }
}

TEST(Validate, refuses_a_listener_on_the_address_of_the_admin_server) {
    EXPECT_EQ(
        problems({{"a", ":15970", "x:9"}}),
        Messages{"t.yaml:3: listeners[0].listen: got \":15970\", expected an address that the "
                 "admin server does not take (127.0.0.1:15970)"});
    EXPECT_EQ(messages(load_text("admin: {listen: none}\nlisteners: [{name: a, listen: \":15970\", "
                                 "upstream: \"x:9\"}]")),
              Messages{});
}

TEST(Validate, refuses_an_upstream_that_is_the_listener_itself) {
    EXPECT_EQ(
        problems({{"a", "127.0.0.1:1", "127.0.0.1:1"}}),
        Messages{"t.yaml:4: listeners[0].upstream: got \"127.0.0.1:1\", which leads back to this "
                 "listener (it listens on 127.0.0.1:1), expected another address"});
    const std::vector<std::pair<std::string, std::string>> loops = {
        {":1", "localhost:1"},        {"0.0.0.0:1", "127.0.0.1:1"}, {"[::1]:1", "[0::1]:1"},
        {"127.0.0.1:1", "0.0.0.0:1"}, {"[::]:1", "[::1]:1"},        {"unix:@a", "unix:@a"},
    };
    for (const auto& [listen, upstream] : loops) {
        EXPECT_EQ(problems({{"a", listen, upstream}}).size(), 1U) << listen << " " << upstream;
    }
}

TEST(Validate, refuses_listeners_that_feed_each_other) {
    EXPECT_EQ(problems({{"a", "127.0.0.1:1", "127.0.0.1:2"}, {"b", "127.0.0.1:2", "127.0.0.1:1"}}),
              (Messages{"t.yaml:4: listeners[0].upstream: got \"127.0.0.1:2\", which leads back to "
                        "this listener through 1 other listener (it listens on 127.0.0.1:1), "
                        "expected another address",
                        "t.yaml:7: listeners[1].upstream: got \"127.0.0.1:1\", which leads back to "
                        "this listener through 1 other listener (it listens on 127.0.0.1:2), "
                        "expected another address"}));
}

TEST(Validate, blames_a_loop_only_on_the_listeners_in_it) {
    const auto errors = problems({{"outside", ":3", "127.0.0.1:1"}, {"self", ":1", "127.0.0.1:1"}});
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].rfind("t.yaml:7: listeners[1].upstream: ", 0), 0U) << errors[0];
}

TEST(Validate, finds_a_loop_through_a_second_address) {
    EXPECT_EQ(
        messages(load_text("listeners:\n"
                           " - name: a\n"
                           "   listen: 127.0.0.1:1\n"
                           "   upstream: {addresses: [b:9, 127.0.0.1:1, 127.0.0.1:2]}\n")),
        Messages{"t.yaml:4: listeners[0].upstream: got \"127.0.0.1:1\", which leads back to this "
                 "listener (it listens on 127.0.0.1:1), expected another address"});
    const auto errors =
        messages(load_text("listeners:\n"
                           " - name: a\n"
                           "   listen: 127.0.0.1:1\n"
                           "   upstream: {addresses: [b:9, 127.0.0.1:2]}\n"
                           " - name: b\n"
                           "   listen: 127.0.0.1:2\n"
                           "   upstream: {addresses: [127.0.0.1:3]}\n"
                           " - name: c\n"
                           "   listen: 127.0.0.1:3\n"
                           "   upstream: {addresses: [b:8, b:9, 127.0.0.1:1]}\n"));
    ASSERT_EQ(errors.size(), 3U);
    EXPECT_EQ(errors[0],
              "t.yaml:4: listeners[0].upstream: got \"127.0.0.1:2\", which leads back to this "
              "listener through 2 other listeners (it listens on 127.0.0.1:1), expected another "
              "address");
}

TEST(Validate, says_the_shortest_way_of_a_loop) {
    const auto errors =
        messages(load_text("listeners:\n"
                           " - name: a\n"
                           "   listen: 127.0.0.1:1\n"
                           "   upstream: 127.0.0.1:2\n"
                           " - name: b\n"
                           "   listen: 127.0.0.1:2\n"
                           "   upstream: {addresses: [127.0.0.1:3, 127.0.0.1:1]}\n"
                           " - name: c\n"
                           "   listen: 127.0.0.1:3\n"
                           "   upstream: 127.0.0.1:1\n"));
    ASSERT_EQ(errors.size(), 3U);
    EXPECT_NE(errors[0].find("through 1 other listener (it listens on 127.0.0.1:1)"),
              std::string::npos)
        << errors[0];
}

TEST(Validate, judges_many_listeners_with_many_upstreams) {
    std::string text = "listeners:\n";
    for (int i = 0; i < 64; ++i) {
        const std::string number = std::to_string(i);
        text += " - name: l" + number + "\n   listen: 127.0.1." + number +
                ":1\n   upstream: {addresses: [";
        for (int j = 0; j < 64; ++j) {
            text += (j == 0 ? "127.0.1." : ", 127.0.1.") + std::to_string((i + j + 1) % 64) + ":1";
        }
        text += "]}\n";
    }
    EXPECT_EQ(messages(load_text(text)).size(), 64U);
}

TEST(Validate, refuses_an_address_twice_in_one_upstream) {
    EXPECT_EQ(
        messages(
            load_text("listeners:\n"
                      " - name: a\n"
                      "   listen: :1\n"
                      "   upstream: {addresses: [b:9, '[::1]:9', unix:@c, '[0:0::1]:9', b:9]}\n")),
        (Messages{"t.yaml:4: listeners[0].upstream: got \"[0:0::1]:9\", expected each address once",
                  "t.yaml:4: listeners[0].upstream: got \"b:9\", expected each address once"}));
    EXPECT_EQ(messages(load_text("listeners:\n"
                                 " - name: a\n"
                                 "   listen: :1\n"
                                 "   upstream: {addresses: [b:9, b:8, c:9, unix:@b, unix:/b]}\n")),
              Messages{});
}

TEST(Validate, refuses_a_handover_on_a_socket_that_is_taken) {
    const std::string rest =
        "admin: {listen: unix:/admin}\n"
        "listeners: [{name: a, listen: unix:/in, upstream: 'x:9'}]\n";
    EXPECT_EQ(
        messages(load_text("handover: unix:/in\n" + rest)),
        Messages{"t.yaml:1: handover: got \"unix:/in\", expected an address that listeners[0] "
                 "does not take"});
    EXPECT_EQ(
        messages(load_text("handover: unix:/admin\n" + rest)),
        Messages{"t.yaml:1: handover: got \"unix:/admin\", expected an address that the admin "
                 "server does not take"});
    EXPECT_EQ(messages(load_text("handover: unix:/next\n" + rest)), Messages{});
}

TEST(Validate, takes_a_chain_of_listeners_and_the_same_port_elsewhere) {
    EXPECT_EQ(problems({{"a", ":1", "127.0.0.1:2"}, {"b", ":2", "127.0.0.1:9"}}), Messages{});
    EXPECT_EQ(problems({{"a", ":1", "10.0.0.9:1"}}), Messages{});
    EXPECT_EQ(problems({{"a", "127.0.0.1:1", "127.0.0.2:1"}}), Messages{});
}

}  // namespace
}  // namespace telltale::config
