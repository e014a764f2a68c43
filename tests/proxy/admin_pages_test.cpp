#include "proxy/admin_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "config/load.h"

namespace telltale::proxy {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::system_clock;

const std::vector<std::string> names = {"group-rpc", "outbound"};

ConnectionRow ended_row(uint64_t id, int64_t ended_ms_ago) {
    ConnectionRow row;
    row.id = id;
    row.state = "ended";
    row.ended_ms_ago = ended_ms_ago;
    row.ended_by = {sniff::Side::upstream, sniff::Operation::read, sniff::EndKind::reset,
                    ECONNRESET, sniff::Phase::before_verdict};
    return row;
}

ConnectionRow open_row(uint64_t id) {
    ConnectionRow row;
    row.id = id;
    row.state = "relaying";
    return row;
}

std::vector<int64_t> ids_of(const std::string& text) {
    std::vector<int64_t> ids;
    const json::array rows = json::parse(text).as_array();
    for (const auto& row : rows) ids.push_back(row.at("id").as_int64());
    return ids;
}

TEST(ConnectionsPage, puts_open_ones_first_and_then_the_ended_ones_newest_first) {
    EXPECT_EQ(ids_of(connections_json({ended_row(1, 500), open_row(2), ended_row(3, 20),
                                       open_row(4), ended_row(5, 100)},
                                      names)),
              (std::vector<int64_t>{2, 4, 3, 5, 1}));
}

TEST(ConnectionsPage, says_nothing_of_an_ending_while_one_direction_is_still_open) {
    ConnectionRow row = open_row(1);
    row.state = "half_closed";
    row.ended_by = ended_row(1, 0).ended_by;
    const auto rows = json::parse(connections_json({row}, names)).as_array();
    EXPECT_TRUE(rows[0].at("ended_by").is_null());
}

TEST(ConnectionsPage, says_what_ended_a_connection_and_what_was_done) {
    ConnectionRow row = ended_row(9, 3000);
    row.policy = "reroute";
    row.action = "rerouted";
    row.listener = 1;
    row.age_ms = 61'000;
    const auto object = json::parse(connections_json({row}, names)).as_array()[0];
    EXPECT_EQ(object.at("ended_by"), json::parse(R"({"code":"uV","side":"upstream",
        "operation":"read","error":"reset","errno":104})"));
    EXPECT_EQ(object.at("policy"), "reroute");
    EXPECT_EQ(object.at("action"), "rerouted");
    EXPECT_EQ(object.at("ended_ms_ago"), 3000);

    const std::string table = connections_text({open_row(1), row}, names);
    EXPECT_NE(table.find("AGE  ENDED      ACTION\n"), std::string::npos) << table;
    EXPECT_NE(table.find("  0s   -          -\n"), std::string::npos) << table;
    EXPECT_NE(table.find("  61s  uV 3s ago  reroute/rerouted\n"), std::string::npos) << table;
}

TEST(ConnectionsPage, names_no_listener_for_an_index_that_is_none) {
    ConnectionRow row = open_row(1);
    row.listener = 7;
    EXPECT_EQ(json::parse(connections_json({row}, names)).as_array()[0].at("listener"), "");
}

CheckState check_of(const std::string& result, const std::string& says) {
    CheckState check;
    check.listener = "group-rpc";
    check.upstream = "group-rpc-service:10260";
    check.up = result == "http2";
    check.result = result;
    check.says = says;
    check.latency_ms = 12.34;
    check.age_ms = 3999;
    return check;
}

TEST(ReadyPage, has_one_line_for_each_check) {
    EXPECT_EQ(checks_text({}), "");
    EXPECT_EQ(
        checks_text({check_of("http2", "speaks HTTP/2"), check_of("refused", ""),
                     check_of("", "speaks nothing")}),
        "upstream group-rpc group-rpc-service:10260: speaks HTTP/2, 12.3 ms, checked 3 s ago\n"
        "upstream group-rpc group-rpc-service:10260: refused, 12.3 ms, checked 3 s ago\n"
        "upstream group-rpc group-rpc-service:10260: not checked yet\n");
}

TEST(ReadyPage, has_the_checks_as_json) {
    const std::string text = ready_json("", {check_of("http2", "speaks HTTP/2"), check_of("", "")});
    EXPECT_NE(text.find("\"latency_ms\":12.3}"), std::string::npos) << text;
    EXPECT_EQ(json::parse(text), json::parse(R"({"ready":true,"reason":null,"checks":[
        {"listener":"group-rpc","upstream":"group-rpc-service:10260","up":true,"result":"http2",
         "says":"speaks HTTP/2","checked_ms_ago":3999,"latency_ms":12.3},
        {"listener":"group-rpc","upstream":"group-rpc-service:10260","up":false,"result":null,
         "says":"","checked_ms_ago":null,"latency_ms":null}]})"));
    EXPECT_EQ(json::parse(ready_json("draining", {})),
              json::parse(R"({"ready":false,"reason":"draining","checks":[]})"));
}

TEST(ReadyPage, escapes_what_an_upstream_may_have_said) {
    const std::string text =
        checks_text({check_of("other_protocol", "answered \"\x1b[2J\nready\xff\"")});
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
    const auto parsed = json::parse(ready_json("", {check_of("x\"y", std::string(5000, 'a'))}));
    EXPECT_LT(parsed.at("checks").as_array()[0].at("says").as_string().size(), 600U);
}

// ---- /config

config::Config some_config() {
    config::Config config;
    config.listeners.emplace_back();
    config.listeners[0].name = "a";
    config.listeners[0].listen.port = 1;
    config.listeners[0].upstream.addresses = {{.host = "b", .port = 2}};
    return config;
}

config::Config loaded(const std::string& text) {
    const auto result =
        config::load({.file = "t.yaml", .text = text}, {}, nullptr, config::built_in_data_set);
    if (const auto* errors = std::get_if<config::Errors>(&result)) {
        ADD_FAILURE() << errors->front().message() << "\n" << text;
        return {};
    }
    return std::get<config::Config>(result);
}

TEST(ConfigPage, says_since_when_it_is_in_effect) {
    const ConfigStatus status{.loaded_at = system_clock::time_point(milliseconds(1795384897396)),
                              .failed_at = {},
                              .errors = {}};
    EXPECT_EQ(config_comments(status), "# In effect since 2026-11-22T22:01:37.396Z.\n");
}

TEST(ConfigPage, says_why_the_last_reload_failed_and_loads_still) {
    ConfigStatus status{.loaded_at = system_clock::time_point(milliseconds(1795384897396)),
                        .failed_at = system_clock::time_point(milliseconds(1795384957000)),
                        .errors = {"t.yaml:3: listeners[0].listen: got \"1\", expected IP:port"}};
    EXPECT_EQ(config_comments(status),
              "# In effect since 2026-11-22T22:01:37.396Z.\n"
              "# The reload of 2026-11-22T22:02:37.000Z failed and changed nothing:\n"
              "#   t.yaml:3: listeners[0].listen: got \"1\", expected IP:port\n");

    status.errors = {"a\nlisteners: []",
                     "b\r\nworkers: 3",
                     "c\xc2\x85workers: 3",
                     "d\xe2\x80\xa8workers: 3",
                     std::string("e\0f", 3),
                     "\xff\xfe",
                     "\t: - [",
                     std::string(100'000, 'x')};
    for (int i = 0; i < 50; ++i) status.errors.push_back("more");
    const std::string comments = config_comments(status);
    EXPECT_LT(comments.size(), 3000U);
    EXPECT_TRUE(comments.ends_with("#   and 38 more\n")) << comments;
    for (size_t at = 0; at < comments.size(); at = comments.find('\n', at) + 1) {
        EXPECT_EQ(comments[at], '#');
    }
    EXPECT_EQ(loaded(comments + config::to_yaml(some_config())), some_config());
}

}  // namespace
}  // namespace telltale::proxy
