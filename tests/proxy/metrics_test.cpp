#include "proxy/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace telltale::proxy {
namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/" + path);
    EXPECT_TRUE(file.is_open()) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

MetricsInput two_listeners() {
    MetricsInput input;
    input.labels = {{"group-rpc", sniff::Direction::inbound},
                    {"outbound", sniff::Direction::outbound}};
    input.listeners.resize(input.labels.size());
    for (const auto& label : input.labels) {
        input.in_force.push_back({.name = label.name,
                                  .direction = label.direction,
                                  .expect = sniff::Expect::grpc,
                                  .upstream = {"group-rpc-service:10260"}});
    }
    input.usage = {.cpu_seconds = 0.25,
                   .resident_bytes = 8'630'272,
                   .virtual_bytes = 237'764'608,
                   .open_fds = 14,
                   .max_fds = 1'048'576,
                   .start_time_s = 1'795'384'897.25};
    input.version = "0.1.0";
    input.commit = "abc1234";
    return input;
}

// Lines without comments.
std::vector<std::string> samples(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('#')) out.push_back(line);
    }
    return out;
}

std::vector<std::string> samples_of(const std::string& text, const std::string& name) {
    auto all = samples(text);
    std::erase_if(all, [&](const std::string& line) {
        return !line.starts_with(name) || (line[name.size()] != '{' && line[name.size()] != ' ');
    });
    return all;
}

TEST(Metrics, names_helps_and_types_are_the_golden_ones) {
    std::istringstream lines(render_metrics(two_listeners()));
    std::string comments;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('#')) comments += line + "\n";
    }
    EXPECT_EQ(comments, file_text("tests/golden/metrics.txt"));
}

TEST(Metrics, renders_the_families_of_the_table_in_its_order) {
    const auto families = MetricsCollector(two_listeners()).Collect();
    const auto table = metric_table();
    ASSERT_EQ(families.size(), table.size());
    for (size_t i = 0; i < table.size(); ++i) {
        EXPECT_EQ(families[i].name, table[i].name);
        EXPECT_EQ(families[i].help, table[i].help);
        EXPECT_EQ(families[i].type, table[i].type);
    }
}

TEST(Metrics, has_gauges_bytes_and_histograms_of_every_listener_from_the_start) {
    const std::string text = render_metrics(two_listeners());
    EXPECT_EQ(samples_of(text, "telltale_connections_active"),
              (std::vector<std::string>{R"(telltale_connections_active{listener="group-rpc"} 0)",
                                        R"(telltale_connections_active{listener="outbound"} 0)"}));
    EXPECT_EQ(samples_of(text, "telltale_bytes_total").size(), 4U);
    EXPECT_EQ(samples_of(text, "telltale_verdict_seconds_count").size(), 2U);
    EXPECT_TRUE(samples_of(text, "telltale_connections_total").empty());
    EXPECT_TRUE(samples_of(text, "telltale_mismatches_total").empty());
    EXPECT_EQ(
        samples_of(text, "telltale_build_info"),
        (std::vector<std::string>{R"(telltale_build_info{version="0.1.0",commit="abc1234"} 1)"}));
    EXPECT_EQ(samples_of(text, "telltale_config_last_reload_successful"),
              (std::vector<std::string>{"telltale_config_last_reload_successful 1"}));
}

TEST(Metrics, counts_the_documented_incident) {
    auto input = two_listeners();
    auto& stats = input.listeners[1];
    stats.count_connection(sniff::Protocol::http2, sniff::Protocol::http1,
                           sniff::Verdict::mismatch);
    stats.count_mismatch({sniff::Protocol::http2, sniff::Protocol::http1,
                          sniff::Cause::metrics_port, sniff::Role::metrics});
    stats.count_incident({sniff::Cause::metrics_port, sniff::HopPosition::upstream});
    stats.count_policy_action("observe/forwarded");
    stats.bytes = {93, 103};
    input.process.incident_records_dropped = 7;
    input.process.config_reloads_failed = 2;
    input.process.inquiries[static_cast<size_t>(InquiryKind::confirmation)]
                           [static_cast<size_t>(InquiryResult::limited)] = 3;
    const auto all = samples(render_metrics(input));
    for (
        const char* expected :
        {R"(telltale_connections_total{listener="outbound",direction="outbound",client_protocol="http/2",upstream_protocol="http/1",verdict="mismatch"} 1)",
         R"(telltale_mismatches_total{listener="outbound",direction="outbound",client_protocol="http/2",upstream_protocol="http/1",cause="metrics_port",hop_role="metrics"} 1)",
         R"(telltale_incidents_total{listener="outbound",direction="outbound",cause="metrics_port",hop="upstream"} 1)",
         R"(telltale_policy_actions_total{listener="outbound",policy="observe",action="forwarded"} 1)",
         R"(telltale_bytes_total{listener="outbound",side="client"} 93)",
         R"(telltale_bytes_total{listener="outbound",side="upstream"} 103)",
         R"(telltale_config_reloads_total{result="success"} 0)",
         R"(telltale_inquiries_total{kind="name",result="no_answer"} 0)",
         R"(telltale_inquiries_total{kind="confirmation",result="limited"} 3)",
         R"(telltale_config_reloads_total{result="failure"} 2)",
         "telltale_incident_records_dropped_total 7"}) {
        EXPECT_EQ(std::count(all.begin(), all.end(), expected), 1) << expected;
    }
}

TEST(Metrics, buckets_are_cumulative_and_end_in_infinity) {
    auto input = two_listeners();
    input.listeners[0].upstream_connect.observe(0.0002);
    input.listeners[0].upstream_connect.observe(0.3);
    input.listeners[0].upstream_connect.observe(9);
    const std::string text = render_metrics(input);
    const std::string bucket =
        R"(telltale_upstream_connect_seconds_bucket{listener="group-rpc",le=")";
    for (const char* expected : {"0.0001\"} 0\n", "0.00025\"} 1\n", "0.1\"} 1\n", "0.5\"} 2\n",
                                 "5\"} 2\n", "+Inf\"} 3\n"}) {
        EXPECT_NE(text.find(bucket + expected), std::string::npos) << expected;
    }
    EXPECT_NE(text.find("telltale_upstream_connect_seconds_count{listener=\"group-rpc\"} 3\n"),
              std::string::npos);
    EXPECT_NE(text.find("telltale_upstream_connect_seconds_sum{listener=\"group-rpc\"} 9.3002\n"),
              std::string::npos);
}

TEST(Metrics, has_limits_and_attempts_from_the_start_and_sums_both_places_of_a_limit) {
    auto input = two_listeners();
    EXPECT_EQ(samples_of(render_metrics(input), "telltale_limit_reached_total"),
              (std::vector<std::string>{
                  R"(telltale_limit_reached_total{limit="connections"} 0)",
                  R"(telltale_limit_reached_total{limit="connections_per_client"} 0)",
                  R"(telltale_limit_reached_total{limit="accept_rate"} 0)",
                  R"(telltale_limit_reached_total{limit="buffered_bytes"} 0)",
                  R"(telltale_limit_reached_total{limit="incident_queue"} 0)",
                  R"(telltale_limit_reached_total{limit="first_flight_bytes"} 0)"}));
    EXPECT_EQ(samples_of(render_metrics(input), "telltale_upstream_attempts_total").size(), 10U);

    input.process.limits_reached[static_cast<size_t>(Limit::buffered_bytes)] = 1;
    input.listeners[0].count_limit(Limit::buffered_bytes);
    input.listeners[1].count_limit(Limit::buffered_bytes);
    input.listeners[1].count_attempt(AttemptResult::connected);
    input.listeners[1].count_attempt(AttemptResult::connected);
    input.listeners[1].count_attempt(AttemptResult::local_limit);
    input.listeners[1].endpoints_ejected = 2;
    const auto all = samples(render_metrics(input));
    for (const char* expected :
         {R"(telltale_limit_reached_total{limit="buffered_bytes"} 3)",
          R"(telltale_upstream_attempts_total{listener="group-rpc",result="connected"} 0)",
          R"(telltale_upstream_attempts_total{listener="outbound",result="connected"} 2)",
          R"(telltale_upstream_attempts_total{listener="outbound",result="local_limit"} 1)",
          R"(telltale_endpoints_ejected{listener="group-rpc"} 0)",
          R"(telltale_endpoints_ejected{listener="outbound"} 2)"}) {
        EXPECT_EQ(std::count(all.begin(), all.end(), expected), 1) << expected;
    }
}

TEST(Metrics, tells_what_active_checks_found) {
    auto input = two_listeners();
    EXPECT_TRUE(samples_of(render_metrics(input), "telltale_upstream_check_up").empty());
    EXPECT_TRUE(samples_of(render_metrics(input), "telltale_upstream_checks_total").empty());

    CheckState up;
    up.listener = "outbound";
    up.upstream = "group-rpc-service:10260";
    up.up = true;
    up.result = "http2";
    CheckState down = up;
    down.upstream = "group-rpc-service:12260";
    down.up = false;
    down.result = "other_protocol";
    CheckState begun = up;
    begun.upstream = "group-rpc-service:1";
    begun.result = "";
    input.process.checks = {up, down, begun};
    input.process.checks_done["outbound"][static_cast<size_t>(CheckResult::other_protocol)] = 4;
    const std::string text = render_metrics(input);
    EXPECT_EQ(
        samples_of(text, "telltale_upstream_check_up"),
        (std::vector<std::string>{
            R"(telltale_upstream_check_up{listener="outbound",upstream="group-rpc-service:10260"} 1)",
            R"(telltale_upstream_check_up{listener="outbound",upstream="group-rpc-service:12260"} 0)"}));
    const auto done = samples_of(text, "telltale_upstream_checks_total");
    EXPECT_EQ(done.size(), check_result_count);
    EXPECT_EQ(done[1],
              R"(telltale_upstream_checks_total{listener="outbound",result="other_protocol"} 4)");
}

TEST(Metrics, tells_when_a_configuration_was_given) {
    auto input = two_listeners();
    input.process.config_last_reload_s = 1795384897;
    EXPECT_EQ(samples_of(render_metrics(input), "telltale_config_last_reload_timestamp_seconds"),
              std::vector<std::string>{"telltale_config_last_reload_timestamp_seconds 1795384897"});
}

TEST(Metrics, tell_of_each_listener_in_force_where_it_leads) {
    auto input = two_listeners();
    input.in_force[1].expect = sniff::Expect::any;
    input.in_force[1].upstream = {"10.244.2.9:10260", "[fd00::9]:10260", "unix:/run/app.sock"};
    EXPECT_EQ(
        samples_of(render_metrics(input), "telltale_listener_info"),
        (std::vector<std::string>{
            R"(telltale_listener_info{listener="group-rpc",direction="inbound",expect="grpc",upstream="group-rpc-service:10260"} 1)",
            R"(telltale_listener_info{listener="outbound",direction="outbound",expect="any",upstream="10.244.2.9:10260,[fd00::9]:10260,unix:/run/app.sock"} 1)"}));
}

TEST(Metrics, tell_nothing_of_where_a_removed_listener_led_and_keep_its_counters) {
    auto input = two_listeners();
    input.in_force.erase(input.in_force.begin());
    const auto text = render_metrics(input);
    ASSERT_EQ(samples_of(text, "telltale_listener_info").size(), 1U);
    EXPECT_NE(samples_of(text, "telltale_listener_info")[0].find("outbound"), std::string::npos);
    EXPECT_EQ(samples_of(text, "telltale_connections_active").size(), 2U);
}

TEST(Metrics, an_upstream_label_has_whole_addresses_and_the_number_of_the_others) {
    EXPECT_EQ(upstream_label({}), "");
    EXPECT_EQ(upstream_label({"a:1", "b:2"}), "a:1,b:2");
    const std::string longest = std::string(253, 'h') + ":10000";
    EXPECT_EQ(upstream_label({longest, "b:2"}), longest + ",b:2");
    std::vector<std::string> many;
    for (size_t i = 0; i < config::upstreams_max; ++i) {
        many.push_back("group-rpc-service-" + std::to_string(10 + i) + ":10260");
    }
    const std::string label = upstream_label(many);
    EXPECT_LE(label.size(), 512U);
    EXPECT_TRUE(label.ends_with("group-rpc-service-27:10260,+46")) << label;
    many.assign(config::upstreams_max, longest);
    EXPECT_EQ(upstream_label(many), longest + ",+63");
}

TEST(Metrics, have_the_conventional_ones_of_a_process) {
    const std::string text = render_metrics(two_listeners());
    for (const char* expected :
         {"process_cpu_seconds_total 0.25\n", "process_resident_memory_bytes 8630272\n",
          "process_virtual_memory_bytes 237764608\n", "process_open_fds 14\n",
          "process_max_fds 1048576\n", "process_start_time_seconds 1795384897.25\n"}) {
        EXPECT_NE(text.find(expected), std::string::npos) << expected;
    }
}

TEST(Metrics, leave_out_what_is_not_known_of_the_process) {
    auto input = two_listeners();
    const size_t all = samples(render_metrics(input)).size();
    input.usage = {};
    const auto some = samples(render_metrics(input));
    EXPECT_EQ(some.size() + 6, all);
    for (const auto& line : some) EXPECT_TRUE(line.starts_with("telltale_")) << line;
}

TEST(Metrics, shows_only_listeners_that_have_both_a_name_and_numbers) {
    auto input = two_listeners();
    input.labels.push_back({"new", sniff::Direction::inbound});
    EXPECT_EQ(samples_of(render_metrics(input), "telltale_connections_active").size(), 2U);
    input.labels.resize(1);
    EXPECT_EQ(samples_of(render_metrics(input), "telltale_connections_active").size(), 1U);
    EXPECT_EQ(samples_of(render_metrics({}), "telltale_connections_active").size(), 0U);
}

TEST(Metrics, escapes_names_of_listeners) {
    auto input = two_listeners();
    input.labels[0].name = "a\"b\\c\nd\xff";
    const auto found = samples_of(render_metrics(input), "telltale_connections_active");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0], R"(telltale_connections_active{listener="a\"b\\c\\x0ad\\xff"} 0)");
}

// Statistics with a count in every place that a peer could reach.
ListenerStats full_stats() {
    ListenerStats stats;
    for (auto& by_client : stats.connections) {
        for (auto& by_upstream : by_client) by_upstream.fill(1);
    }
    for (size_t cause = 0; cause < sniff::cause_count; ++cause) {
        for (size_t hop = 0; hop < sniff::hop_position_count; ++hop) {
            stats.count_incident(
                {static_cast<sniff::Cause>(cause), static_cast<sniff::HopPosition>(hop)});
        }
        for (size_t upstream = 0; upstream < sniff::protocol_count; ++upstream) {
            stats.count_mismatch({sniff::Protocol::http2, static_cast<sniff::Protocol>(upstream),
                                  static_cast<sniff::Cause>(cause), sniff::Role::proxy});
        }
    }
    for (int i = 0; i < 100; ++i) {
        stats.count_policy_action("observe/" + std::string(static_cast<size_t>(i) % 30 + 1, 'x'));
    }
    stats.upstream_attempts.fill(1);
    stats.limits_reached.fill(1);
    return stats;
}

// Checks of `count` upstreams of one listener.
void add_checks(MetricsInput& input, size_t listener, size_t count) {
    const std::string& name = input.labels[listener].name;
    for (size_t i = 0; i < count; ++i) {
        CheckState check;
        check.listener = name;
        check.upstream = "b:" + std::to_string(i);
        check.result = "http2";
        check.up = true;
        input.process.checks.push_back(check);
    }
    input.process.checks_done[name].fill(1);
}

TEST(Metrics, never_has_more_series_than_promised) {
    auto input = two_listeners();
    const size_t empty = samples(render_metrics(input)).size();
    input.listeners[0] = full_stats();
    add_checks(input, 0, config::upstreams_max);
    const size_t full = samples(render_metrics(input)).size();
    const size_t always = 1 + 2 + 3 * histogram_series + attempt_result_count + 1 + 1;
    EXPECT_EQ(full - empty + always, series_per_listener_max);
    input.listeners[1] = full_stats();
    add_checks(input, 1, config::upstreams_max);
    EXPECT_EQ(samples(render_metrics(input)).size(), series_max(2));

    auto none = two_listeners();
    none.labels.clear();
    none.in_force.clear();
    EXPECT_EQ(samples(render_metrics(none)).size(), series_max(0));

    const std::string docs = file_text("docs/metrics.md");
    for (const size_t figure : {series_per_listener_max, series_of_process, series_max(2)}) {
        EXPECT_NE(docs.find(std::to_string(figure) + " series"), std::string::npos)
            << "docs/metrics.md names the bound " << figure;
    }
}

TEST(Metrics, has_no_series_twice) {
    auto input = two_listeners();
    input.listeners[0] = full_stats();
    input.listeners[0].policy_actions = {{"UPPER/1", 1}, {"noslash", 2}, {"", 3}, {"a/b/c", 4}};
    add_checks(input, 0, 1);
    add_checks(input, 1, 1);
    // The longest names that a configuration may have, different only at their ends.
    for (const char last : {'1', '2'}) {
        CheckState check = input.process.checks[0];
        check.upstream = std::string(253, 'h') + ":1000" + last;
        input.process.checks.push_back(check);
    }
    std::set<std::string> seen;
    for (const auto& line : samples(render_metrics(input))) {
        EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
}

TEST(Metrics, labels_are_words_of_the_closed_lists_and_of_the_configuration) {
    auto input = two_listeners();
    input.listeners[0] = full_stats();
    input.listeners[0].policy_actions = {{"observe/forwarded", 1}, {"/etc/passwd/x", 1}, {"ü", 1}};
    add_checks(input, 0, 1);
    input.process.checks[0].upstream = "group-rpc-service:10260";
    input.process.checks.push_back(input.process.checks[0]);
    input.process.checks[1].upstream = "unix:/run/\n";
    const auto words = [](const auto& list) {
        return std::set<std::string>(list.begin(), list.end());
    };
    std::set<std::string> results = {"success", "failure"};
    for (const auto& word : words(attempt_result_names)) results.insert(word);
    for (const auto& word : words(check_result_names)) results.insert(word);
    for (const auto& word : words(inquiry_result_names)) results.insert(word);
    const std::map<std::string, std::set<std::string>> allowed = {
        {"listener", {"group-rpc", "outbound"}},
        {"direction", words(sniff::direction_names)},
        {"client_protocol", words(sniff::protocol_names)},
        {"upstream_protocol", words(sniff::protocol_names)},
        {"verdict", words(sniff::verdict_names)},
        {"cause", words(sniff::cause_names)},
        {"hop_role", words(sniff::role_names)},
        {"hop", words(sniff::hop_position_names)},
        {"side", words(sniff::side_names)},
        {"kind", words(inquiry_kind_names)},
        {"limit", words(limit_names)},
        {"upstream", {"group-rpc-service:10260", "unix:/run/\\x0a"}},
        {"expect", words(sniff::expect_names)},
        {"policy", {"observe", "other"}},
        {"action", {"forwarded", "other"}},
        {"result", results},
        {"version", {"0.1.0"}},
        {"commit", {"abc1234"}}};
    const auto families = MetricsCollector(input).Collect();
    const auto table = metric_table();
    for (size_t i = 0; i < families.size(); ++i) {
        for (const auto& metric : families[i].metric) {
            std::string names;
            for (const auto& label : metric.label) {
                names += (names.empty() ? "" : ", ") + label.name;
                ASSERT_TRUE(allowed.contains(label.name)) << label.name;
                EXPECT_TRUE(allowed.at(label.name).contains(label.value))
                    << families[i].name << " " << label.name << "=" << label.value;
            }
            EXPECT_EQ(names, table[i].labels) << families[i].name;
        }
    }
}

TEST(Metrics, are_all_documented_and_nothing_else_is) {
    const std::string docs = file_text("docs/metrics.md");
    std::set<std::string> known;
    std::set<std::string> derived;
    for (const auto& info : metric_table()) {
        known.emplace(info.name);
        if (info.type != prometheus::MetricType::Histogram) continue;
        for (const char* suffix : {"_bucket", "_sum", "_count"}) {
            derived.insert(std::string(info.name) + suffix);
        }
    }
    std::set<std::string> documented;
    const std::regex name("\\b(telltale|process)_[a-z_]+");
    for (std::sregex_iterator it(docs.begin(), docs.end(), name), end; it != end; ++it) {
        if (!derived.contains(it->str())) documented.insert(it->str());
    }
    EXPECT_EQ(documented, known);
    for (const auto& info : metric_table()) {
        if (!info.labels.empty()) {
            EXPECT_NE(docs.find("| " + std::string(info.labels) + " |"), std::string::npos)
                << "labels of " << info.name;
        }
    }
}

}  // namespace
}  // namespace telltale::proxy
