#include "proxy/page_data.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <chrono>

namespace telltale::proxy {
namespace {

namespace json = boost::json;
using sniff::Protocol;
using sniff::Verdict;
using std::chrono::system_clock;

const system_clock::time_point noon{std::chrono::seconds(1'795'348'800)};  // 2026-11-22T12:00:00Z

NodeFacts node() {
    return {.name = "openim-api-7c9",
            .space = "openim",
            .version = "0.1.0",
            .commit = "abc",
            .started = noon - std::chrono::hours(1)};
}

ListenerFacts listener(std::string name) {
    ListenerFacts facts;
    facts.name = std::move(name);
    facts.policy = "observe";
    facts.bound = "127.0.0.1:15260";
    facts.upstream = "127.0.0.1:10260";
    return facts;
}

TEST(PageData, tells_the_node_and_that_it_is_ready) {
    EXPECT_EQ(json::parse(listeners_json(node(), "", noon, {}, {})), json::parse(R"({
        "node":{"name":"openim-api-7c9","namespace":"openim","version":"0.1.0","commit":"abc",
                "started":"2026-11-22T11:00:00.000Z","now":"2026-11-22T12:00:00.000Z",
                "ready":true,"reason":""},
        "listeners":[]})"));
    const auto draining = json::parse(listeners_json(node(), "draining", noon, {}, {})).at("node");
    EXPECT_EQ(draining.at("ready"), false);
    EXPECT_EQ(draining.at("reason"), "draining");
}

TEST(PageData, tells_of_a_listener_what_is_open_now_and_what_was_seen) {
    ListenerFacts facts = listener("group-rpc");
    facts.expect = sniff::Expect::grpc;
    facts.open[{Protocol::http2, Protocol::http1, Verdict::mismatch}] = 2;
    facts.open[{Protocol::http2, Protocol::undecided, Verdict::undecided}] = 1;
    facts.stats.active = 5;
    facts.stats.accepted = 130;
    facts.stats.bytes = {93, 103};
    facts.stats.count_connection(Protocol::http2, Protocol::http2, Verdict::match);
    facts.stats.count_connection(Protocol::http2, Protocol::http1, Verdict::mismatch);
    facts.stats.count_connection(Protocol::http2, Protocol::http1, Verdict::mismatch);
    facts.stats.count_incident({sniff::Cause::refused, sniff::HopPosition::upstream});
    facts.stats.count_incident({sniff::Cause::loop, sniff::HopPosition::proxy});
    const auto told = json::parse(listeners_json(node(), "", noon, {facts}, {}));
    EXPECT_EQ(told.at("listeners").at(0), json::parse(R"({
        "name":"group-rpc","direction":"inbound","expect":"grpc","policy":"observe",
        "bound":"127.0.0.1:15260","upstream":"127.0.0.1:10260","active":5,
        "open":[{"client":"http/2","upstream":"undecided","verdict":"undecided","count":1},
                {"client":"http/2","upstream":"http/1","verdict":"mismatch","count":2}],
        "open_looked_at":3,"accepted":130,
        "connections":[{"client":"http/2","upstream":"http/1","verdict":"mismatch","count":2},
                       {"client":"http/2","upstream":"http/2","verdict":"match","count":1}],
        "incidents":2,"bytes":{"from_client":93,"from_upstream":103},"checks":[]})"));
}

TEST(PageData, gives_each_listener_its_own_checks) {
    CheckState up, unasked;
    up.listener = unasked.listener = "two";
    up.upstream = "127.0.0.1:1";
    up.up = true;
    up.result = "http2";
    up.says = "speaks HTTP/2";
    up.age_ms = 3000;
    unasked.upstream = "127.0.0.1:2";
    const auto told = json::parse(
        listeners_json(node(), "", noon, {listener("one"), listener("two")}, {up, unasked}));
    EXPECT_EQ(told.at("listeners").at(0).at("checks"), json::parse("[]"));
    EXPECT_EQ(told.at("listeners").at(1).at("checks"), json::parse(R"([
        {"upstream":"127.0.0.1:1","up":true,"result":"http2","says":"speaks HTTP/2",
         "checked_ms_ago":3000},
        {"upstream":"127.0.0.1:2","up":false,"result":null,"says":"","checked_ms_ago":null}])"));
}

TEST(PageData, escapes_and_cuts_words_from_outside) {
    ListenerFacts facts = listener("</script>\x1b[31m\xff\"\n");
    facts.upstream = std::string(100'000, 'u');
    NodeFacts named = node();
    named.name = "\xe2\x80\xae" + std::string(10'000, 'n');
    const std::string text = listeners_json(named, std::string(9000, 'r'), noon, {facts}, {});
    EXPECT_LT(text.size(), 8192U);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    const auto told = json::parse(text);
    EXPECT_EQ(told.at("listeners").at(0).at("name"), "</script>\\x1b[31m\\xff\"\\x0a");
    EXPECT_TRUE(told.at("node").at("name").as_string().starts_with("\\xe2\\x80\\xaennn"));
}

TEST(PageData, counts_what_open_connections_speak_by_the_slot_of_their_listener) {
    ConnectionRow match, other;
    match.listener = 1;
    match.client = match.upstream = Protocol::http2;
    match.verdict = Verdict::match;
    other.listener = 7;  // of a listener that came while this was gathered
    std::vector<WorkerSnapshot> snapshots(2);
    snapshots[0].connections = {match, match, other};
    snapshots[0].ended = {match};
    snapshots[1].connections = {match};
    const auto spoken = spoken_now(snapshots, 2);
    ASSERT_EQ(spoken.size(), 2U);
    EXPECT_TRUE(spoken[0].empty());
    EXPECT_EQ(spoken[1], (SpokenCounts{{{Protocol::http2, Protocol::http2, Verdict::match}, 3U}}));
}

TEST(PageData, tells_the_minutes_in_which_something_went_wrong) {
    EXPECT_EQ(json::parse(history_json({})), json::parse(R"({"minutes_kept":360,"minutes":[]})"));
    IncidentHistory history;
    history.count(noon, sniff::Cause::refused, 3);
    history.count(noon, sniff::Cause::metrics_port, 1);
    history.count(noon + std::chrono::minutes(5), sniff::Cause::refused, 2);
    EXPECT_EQ(json::parse(history_json(history)), json::parse(R"({"minutes_kept":360,"minutes":[
        {"at":"2026-11-22T12:00:00.000Z","counts":{"metrics_port":1,"refused":3}},
        {"at":"2026-11-22T12:05:00.000Z","counts":{"refused":2}}]})"));
}

TEST(PageData, stays_small_when_every_minute_has_every_cause) {
    IncidentHistory history;
    for (size_t minute = 0; minute < 2 * IncidentHistory::minutes_max; ++minute) {
        for (size_t cause = 1; cause < sniff::cause_count; ++cause) {
            history.count(noon + std::chrono::minutes(minute), static_cast<sniff::Cause>(cause),
                          4'000'000'000U);
        }
    }
    const std::string text = history_json(history);
    EXPECT_EQ(json::parse(text).at("minutes").as_array().size(), IncidentHistory::minutes_max);
    EXPECT_LT(text.size(), 512U << 10U);
}

}  // namespace
}  // namespace telltale::proxy
