#include "config/overrides.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

using Messages = std::vector<std::string>;

std::variant<Config, Errors> load_flags(const Overrides& flags, const std::string& text = "") {
    const std::string file = text.empty() ? "" : "t.yaml";
    return load({.file = file, .text = text}, flags, environment_of({}), built_in_data_set);
}

Overrides flags_of(const std::string& listen, const std::string& upstream) {
    Overrides flags;
    flags.listen = listen;
    flags.upstream = upstream;
    return flags;
}

const std::string two_listeners = minimal +
                                  "  - name: b\n"
                                  "    listen: :1\n"
                                  "    upstream: x:1\n";

TEST(Flags, make_a_listener_without_a_file) {
    const Config config = loaded(load_flags(flags_of(":15260", "127.0.0.1:10260")));
    ASSERT_EQ(config.listeners.size(), 1U);
    EXPECT_EQ(config.listeners[0].name, "default");
    EXPECT_EQ(config.listeners[0].listen.text(), ":15260");
    EXPECT_EQ(config.listeners[0].upstream.text(), "127.0.0.1:10260");
    EXPECT_EQ(config.listeners[0].expect, sniff::Expect::any);
}

TEST(Flags, bring_the_openim_data_set_when_there_is_no_file) {
    EXPECT_EQ(loaded(load_flags(flags_of(":15260", "127.0.0.1:10260"))).services.size(), 9U);
    EXPECT_TRUE(loaded(load_flags(flags_of(":15260", "127.0.0.1:10260"), "log: {level: info}\n"))
                    .services.empty());
}

TEST(Flags, win_over_the_only_listener_of_a_file) {
    Overrides flags = flags_of(":1", "x:2");
    flags.expect = "http";
    flags.direction = "outbound";
    flags.on_mismatch = "answer";
    const Config config = loaded(load_flags(flags, minimal));
    ASSERT_EQ(config.listeners.size(), 1U);
    EXPECT_EQ(config.listeners[0], (Listener{.name = "group-rpc",
                                             .listen = {.host = "", .port = 1},
                                             .direction = sniff::Direction::outbound,
                                             .expect = sniff::Expect::http,
                                             .upstream = {.addresses = {{.host = "x", .port = 2}}},
                                             .on_mismatch = Policy::answer}));
}

TEST(Flags, replace_the_addresses_of_an_upstream_and_keep_the_rest_of_it) {
    Overrides flags;
    flags.upstream = "x:2";
    const Config config =
        loaded(load_flags(flags,
                          "listeners:\n"
                          "  - name: a\n"
                          "    listen: :1\n"
                          "    upstream: {addresses: [b:1, c:1], resolve: 9s}\n"));
    EXPECT_EQ(config.listeners[0].upstream.text(), "x:2");
    EXPECT_EQ(config.listeners[0].upstream.resolve, std::chrono::seconds(9));
}

TEST(Flags, cannot_say_which_of_several_listeners_they_mean) {
    Overrides flags = flags_of(":7", "x:2");
    flags.on_mismatch = "reset";
    EXPECT_EQ(
        messages(load_flags(flags, two_listeners)),
        (Messages{"--listen or TELLTALE_LISTEN: got \":7\" for a file of 2 listeners, expected "
                  "it in the file: a flag cannot say which one it means",
                  "--upstream or TELLTALE_UPSTREAM: got \"x:2\" for a file of 2 listeners, "
                  "expected it in the file: a flag cannot say which one it means",
                  "--on-mismatch or TELLTALE_ON_MISMATCH: got \"reset\" for a file of 2 listeners, "
                  "expected it in the file: a flag cannot say which one it means"}));
}

TEST(Flags, need_each_other_without_a_file) {
    Overrides only_listen;
    only_listen.listen = ":1";
    EXPECT_EQ(messages(load_flags(only_listen)),
              Messages{"--upstream or TELLTALE_UPSTREAM: got nothing, expected the upstream's "
                       "address with --listen"});
    Overrides only_upstream;
    only_upstream.upstream = "x:1";
    EXPECT_EQ(messages(load_flags(only_upstream)),
              Messages{"--listen or TELLTALE_LISTEN: got nothing, expected an address to listen on "
                       "with --upstream"});
}

TEST(Flags, set_what_is_not_of_a_listener_whatever_the_file_has) {
    Overrides flags;
    flags.admin = "none";
    flags.log_format = "json";
    flags.log_level = "error";
    flags.workers = "4";
    flags.node_name = "me";
    flags.handover = "unix:/next";
    const Config config = loaded(load_flags(flags, two_listeners + "workers: 1\n"));
    EXPECT_FALSE(config.admin_enabled);
    EXPECT_EQ(config.log, (Log{.format = LogFormat::json, .level = LogLevel::error}));
    EXPECT_EQ(config.workers, 4U);
    EXPECT_EQ(config.node.name, "me");
    EXPECT_EQ(config.handover.text(), "unix:/next");
}

TEST(Flags, turn_the_admin_server_on_again) {
    Overrides flags;
    flags.admin = ":1";
    const Config config = loaded(load_flags(flags, minimal + "admin: {listen: none}\n"));
    EXPECT_TRUE(config.admin_enabled);
    EXPECT_EQ(config.admin.text(), ":1");
}

TEST(Flags, are_checked_like_keys_and_all_at_once) {
    Overrides flags = flags_of("1", "x:0");
    flags.admin = "x";
    flags.log_format = "xml";
    flags.log_level = "loud";
    flags.expect = "tls";
    flags.direction = "up";
    flags.workers = "-1";
    flags.node_name = "a\nb";
    flags.on_mismatch = "drop";
    flags.handover = ":1";
    const std::string forms =
        "IP:port, :port, [IPv6]:port, unix:/path or unix:@name, such as 0.0.0.0:15260";
    EXPECT_EQ(
        messages(load_flags(flags, minimal + "workers: 1\n")),
        (Messages{
            "--listen or TELLTALE_LISTEN: got \"1\", expected " + forms,
            "--upstream or TELLTALE_UPSTREAM: got \"x:0\", expected a port from 1 to 65535 after "
            "the last ':'",
            "--expect or TELLTALE_EXPECT: got \"tls\", expected any, grpc or http",
            "--direction or TELLTALE_DIRECTION: got \"up\", expected inbound or outbound",
            "--on-mismatch or TELLTALE_ON_MISMATCH: got \"drop\", expected observe, answer, "
            "reroute "
            "or reset",
            "--log-format or TELLTALE_LOG_FORMAT: got \"xml\", expected automatic, plain or json",
            "--log-level or TELLTALE_LOG_LEVEL: got \"loud\", expected debug, info, warning or "
            "error",
            "--workers or TELLTALE_WORKERS: got \"-1\", expected a whole number from 0 to 256",
            "--node-name or TELLTALE_NODE_NAME: got \"a\\nb\", expected at most 253 printable "
            "ASCII characters",
            "--handover or TELLTALE_HANDOVER: got \":1\", expected the path of a Unix socket such "
            "as "
            "unix:/run/telltale/handover.sock",
            "--admin or TELLTALE_ADMIN: got \"x\", expected " + forms + "; or none"}));
}

TEST(Flags, are_checked_for_loops_too) {
    EXPECT_EQ(messages(load_flags(flags_of(":15260", "127.0.0.1:15260"))),
              Messages{"listeners[0].upstream: got \"127.0.0.1:15260\", which leads back to this "
                       "listener (it listens on :15260), expected another address"});
}

TEST(WithEnvironment, fills_in_the_flags_that_are_absent) {
    const Environment environment = environment_of({{"TELLTALE_LISTEN", ":1"},
                                                    {"TELLTALE_UPSTREAM", "x:2"},
                                                    {"TELLTALE_ADMIN", "none"},
                                                    {"TELLTALE_LOG_FORMAT", "json"},
                                                    {"TELLTALE_LOG_LEVEL", "debug"},
                                                    {"TELLTALE_EXPECT", "grpc"},
                                                    {"TELLTALE_DIRECTION", "outbound"},
                                                    {"TELLTALE_WORKERS", "3"},
                                                    {"TELLTALE_NODE_NAME", "me"},
                                                    {"TELLTALE_ON_MISMATCH", "reroute"},
                                                    {"TELLTALE_HANDOVER", "unix:@a"}});
    const Overrides all = with_environment({}, environment);
    EXPECT_EQ(all.listen, ":1");
    EXPECT_EQ(all.upstream, "x:2");
    EXPECT_EQ(all.admin, "none");
    EXPECT_EQ(all.log_format, "json");
    EXPECT_EQ(all.log_level, "debug");
    EXPECT_EQ(all.expect, "grpc");
    EXPECT_EQ(all.direction, "outbound");
    EXPECT_EQ(all.workers, "3");
    EXPECT_EQ(all.node_name, "me");
    EXPECT_EQ(all.on_mismatch, "reroute");
    EXPECT_EQ(all.handover, "unix:@a");

    Overrides flags;
    flags.listen = ":9";
    EXPECT_EQ(with_environment(flags, environment).listen, ":9");
}

TEST(WithEnvironment, takes_an_empty_variable_as_absent) {
    EXPECT_EQ(with_environment({}, environment_of({{"TELLTALE_ADMIN", ""}})).admin, std::nullopt);
    EXPECT_EQ(with_environment({}, nullptr).admin, std::nullopt);
}

}  // namespace
}  // namespace telltale::config
