#include "config/load.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

using std::chrono::milliseconds;

// ---- what works

TEST(Load, takes_a_file_of_five_lines) {
    const Config config = loaded(load_text(minimal));
    Config expected;
    expected.listeners.emplace_back();
    expected.listeners[0].name = "group-rpc";
    expected.listeners[0].listen = {.host = "0.0.0.0", .port = 15260};
    expected.listeners[0].expect = sniff::Expect::grpc;
    expected.listeners[0].upstream.addresses = {{.host = "127.0.0.1", .port = 10260}};
    EXPECT_EQ(config, expected);
}

TEST(Load, reads_every_key) {
    const std::string text =
        "node: {name: n, namespace: ns}\n"
        "admin: {listen: \":1\"}\n"
        "workers: 3\n"
        "handover: unix:/run/handover\n"
        "listeners:\n"
        "  - {name: l, listen: \":2\", direction: outbound, expect: http, on_mismatch: reroute,\n"
        "     upstream: {addresses: [\"a:3\", \"b:4\"], balance: least_connections, resolve: 9s, "
        "check: 10s}}\n"
        "answer: {show_addresses: false, linger: 11ms}\n"
        "reroute: {attempts: 2, eject_s: 3, correct_port: true}\n"
        "registry: {services: [{name: s, grpc: 4, metrics: 5, addresses: [10.0.0.1, \"::1\"], "
        "source: me}]}\n"
        "names: {dns: false, timeout: 12ms, per_second: 13}\n"
        "confirm: {enabled: true, ports: [14, 15], timeout: 160ms, again_after: 17s, per_minute: "
        "18}\n"
        "timeouts: {connect: 1s, idle: 2m, half_closed: 3h, drain: 4ms, drain_delay: 5s}\n"
        "sniff: {window_bytes: 1024, preface_hold: 6ms, settle: 7ms, silent_after: 8ms}\n"
        "limits: {connections: 9, connections_per_client: 12, accept_rate: 13, incident_queue: "
        "10,\n"
        "         incidents_kept: 11, buffered_bytes: 1048577, first_flight_bytes: 4097}\n"
        "log: {format: json, level: debug}\n"
        "runbook_url: https://example.org/runbook\n";
    const Config config = loaded(load_text(text));
    EXPECT_EQ(config.node, (Node{.name = "n", .namespace_ = "ns"}));
    EXPECT_EQ(config.admin, (Address{.host = "", .port = 1}));
    EXPECT_TRUE(config.admin_enabled);
    EXPECT_EQ(config.workers, 3U);
    EXPECT_EQ(config.handover, (Address{.host = "", .port = 0, .unix_path = "/run/handover"}));
    const Upstream upstream{.addresses = {{.host = "a", .port = 3}, {.host = "b", .port = 4}},
                            .balance = Balance::least_connections,
                            .resolve = milliseconds(9000),
                            .check = milliseconds(10'000)};
    const Listener listener{.name = "l",
                            .listen = {.host = "", .port = 2},
                            .direction = sniff::Direction::outbound,
                            .expect = sniff::Expect::http,
                            .upstream = upstream,
                            .on_mismatch = Policy::reroute};
    EXPECT_EQ(config.listeners, std::vector<Listener>{listener});
    EXPECT_EQ(config.answer, (Answer{.show_addresses = false, .linger = milliseconds(11)}));
    EXPECT_EQ(config.reroute, (Reroute{.attempts = 2, .eject_s = 3, .correct_port = true}));
    const Service service{
        .name = "s", .grpc = 4, .metrics = 5, .addresses = {"10.0.0.1", "::1"}, .source = "me"};
    EXPECT_EQ(config.services, std::vector<Service>{service});
    EXPECT_EQ(config.names, (Names{.dns = false, .timeout = milliseconds(12), .per_second = 13}));
    EXPECT_EQ(config.confirm, (Confirm{.enabled = true,
                                       .ports = {14, 15},
                                       .timeout = milliseconds(160),
                                       .again_after = milliseconds(17'000),
                                       .per_minute = 18}));
    const Timeouts timeouts{.connect = milliseconds(1000),
                            .idle = milliseconds(120'000),
                            .half_closed = milliseconds(10'800'000),
                            .drain = milliseconds(4),
                            .drain_delay = milliseconds(5000)};
    EXPECT_EQ(config.timeouts, timeouts);
    const Sniff sniff{.window_bytes = 1024,
                      .preface_hold = milliseconds(6),
                      .settle = milliseconds(7),
                      .silent_after = milliseconds(8)};
    EXPECT_EQ(config.sniff, sniff);
    const Limits limits{.connections = 9,
                        .connections_per_client = 12,
                        .accept_rate = 13,
                        .incident_queue = 10,
                        .incidents_kept = 11,
                        .buffered_bytes = 1'048'577,
                        .first_flight_bytes = 4097};
    EXPECT_EQ(config.limits, limits);
    EXPECT_EQ(config.log, (Log{.format = LogFormat::json, .level = LogLevel::debug}));
    EXPECT_EQ(config.runbook_url, "https://example.org/runbook");
}

TEST(Load, takes_every_way_to_write_an_upstream) {
    const Upstream one{.addresses = {{.host = "b", .port = 1}}};
    for (const std::string text : {"'b:1'", "{address: 'b:1'}", "{addresses: ['b:1']}"}) {
        const Config config =
            loaded(load_text("listeners: [{name: a, listen: ':1', upstream: " + text + "}]\n"));
        ASSERT_EQ(config.listeners.size(), 1U) << text;
        EXPECT_EQ(config.listeners[0].upstream, one) << text;
    }
}

TEST(Load, takes_every_policy) {
    for (size_t i = 0; i < policy_names.size(); ++i) {
        const Config config =
            loaded(load_text(minimal + "    on_mismatch: " + std::string(policy_names[i]) + "\n"));
        EXPECT_EQ(config.listeners[0].on_mismatch, static_cast<Policy>(i));
    }
}

TEST(Load, takes_no_handover_for_none) {
    EXPECT_FALSE(loaded(load_text(minimal + "handover: none\n")).handover.is_unix());
}

TEST(Load, turns_the_admin_server_off) {
    EXPECT_FALSE(loaded(load_text(minimal + "admin: {listen: none}\n")).admin_enabled);
}

TEST(Load, takes_the_node_from_the_pod_unless_the_file_says_otherwise) {
    const Variables pod = {{"POD_NAME", "pod-1"}, {"POD_NAMESPACE", "openim"}};
    EXPECT_EQ(loaded(load_text(minimal, pod)).node,
              (Node{.name = "pod-1", .namespace_ = "openim"}));
    EXPECT_EQ(loaded(load_text(minimal + "node: {name: mine}\n", pod)).node,
              (Node{.name = "mine", .namespace_ = "openim"}));
    EXPECT_EQ(loaded(load_text(minimal)).node, Node{});
}

TEST(Load, expands_the_environment_in_values) {
    const Config config = loaded(load_text(minimal + "node: {name: ${POD}/telltale}\n"
                                                     "workers: ${WORKERS:-2}\n"
                                                     "runbook_url: 'https://x/$${NAME}'\n",
                                           {{"POD", "p"}}));
    EXPECT_EQ(config.node.name, "p/telltale");
    EXPECT_EQ(config.workers, 2U);
    EXPECT_EQ(config.runbook_url, "https://x/${NAME}");
}

TEST(Load, takes_a_mapping_without_keys_as_defaults) {
    EXPECT_EQ(loaded(load_text(minimal + "timeouts:\nlog: {}\nregistry:\n")),
              loaded(load_text(minimal)));
}

TEST(Load, lets_a_service_of_the_file_replace_the_one_of_a_data_set) {
    const Config config = loaded(load_text(
        minimal +
        "registry: {include: [openim], services: [{name: group-rpc-service, grpc: 7}]}\n"));
    ASSERT_EQ(config.services.size(), 9U);
    EXPECT_EQ(config.services.back(), (Service{.name = "group-rpc-service",
                                               .grpc = 7,
                                               .metrics = 0,
                                               .addresses = {},
                                               .source = "configuration"}));
    for (size_t i = 0; i + 1 < config.services.size(); ++i) {
        EXPECT_EQ(config.services[i].source, "openim data set");
    }
}

TEST(Load, includes_a_data_set_only_when_a_file_asks_for_it) {
    EXPECT_TRUE(loaded(load_text(minimal)).services.empty());
    EXPECT_EQ(loaded(load_text(minimal + "registry: {include: [openim]}\n")).services.size(), 9U);
}

TEST(OpenImDataSet, has_the_ports_of_the_nine_services) {
    const Config config = loaded(load_text(minimal + "registry: {include: [openim]}\n"));
    std::map<std::string, std::pair<int, int>> ports;
    for (const Service& service : config.services)
        ports[service.name] = {service.grpc, service.metrics};
    const std::map<std::string, std::pair<int, int>> expected = {
        {"user-rpc-service", {10320, 12320}},
        {"friend-rpc-service", {10240, 12240}},
        {"msg-rpc-service", {10280, 12280}},
        {"push-rpc-service", {10170, 12170}},
        {"group-rpc-service", {10260, 12260}},
        {"auth-rpc-service", {10200, 12200}},
        {"conversation-rpc-service", {10220, 12220}},
        {"third-rpc-service", {10300, 12300}},
        {"messagegateway-rpc-service", {10140, 12140}},
    };
    EXPECT_EQ(ports, expected);
}

// ---- what does not: one row per kind of error, added to the five good lines (so it is on line 6)

struct Wrong {
    std::string line;
    std::string message;
};

class LoadError : public testing::TestWithParam<Wrong> {};

TEST_P(LoadError, is_said_with_line_path_and_what_was_expected) {
    const std::vector<std::string> expected = {GetParam().message};
    EXPECT_EQ(messages(load_text(minimal + GetParam().line + "\n")), expected);
}

const std::string root_keys =
    "node, admin, workers, handover, listeners, answer, reroute, registry, names, confirm, "
    "timeouts, sniff, "
    "limits, "
    "log, runbook_url";

INSTANTIATE_TEST_SUITE_P(
    Table, LoadError,
    testing::Values(
        Wrong{"worker: 1",
              "t.yaml:6: worker: got an unknown key (did you mean workers?), expected one of " +
                  root_keys},
        Wrong{"colour: 1", "t.yaml:6: colour: got an unknown key, expected one of " + root_keys},
        Wrong{"'a b': 1", "t.yaml:6: \"a b\": got an unknown key, expected one of " + root_keys},
        Wrong{"log: {lvel: info}",
              "t.yaml:6: log.lvel: got an unknown key (did you mean level?), expected one of "
              "format, level"},
        Wrong{"workers: 1\nworkers: 1",
              "t.yaml:7: workers: got the key a second time (first on line 6), expected it once"},
        Wrong{"workers: many",
              "t.yaml:6: workers: got \"many\", expected a whole number from 0 to 256"},
        Wrong{"workers: 257",
              "t.yaml:6: workers: got \"257\", expected a whole number from 0 to 256"},
        Wrong{"workers: -1",
              "t.yaml:6: workers: got \"-1\", expected a whole number from 0 to 256"},
        Wrong{"workers: 1.5",
              "t.yaml:6: workers: got \"1.5\", expected a whole number from 0 to 256"},
        Wrong{"workers: [1]",
              "t.yaml:6: workers: got a list, expected a whole number from 0 to 256"},
        Wrong{"workers: {a: 1}",
              "t.yaml:6: workers: got a mapping, expected a whole number from 0 to 256"},
        Wrong{"workers:", "t.yaml:6: workers: got nothing, expected a whole number from 0 to 256"},
        Wrong{"workers: ${N}",
              "t.yaml:6: workers: got ${N}, which is not set, expected it in the environment or "
              "${N:-default}"},
        Wrong{"log: info", "t.yaml:6: log: got \"info\", expected a mapping of keys and values"},
        Wrong{"log: [info]", "t.yaml:6: log: got a list, expected a mapping of keys and values"},
        Wrong{"log: {level: loud}",
              "t.yaml:6: log.level: got \"loud\", expected debug, info, warning or error"},
        Wrong{"log: {format: xml}",
              "t.yaml:6: log.format: got \"xml\", expected automatic, plain or json"},
        Wrong{"admin: {listen: 80}",
              "t.yaml:6: admin.listen: got \"80\", expected IP:port, :port, [IPv6]:port, "
              "unix:/path or unix:@name, such as 0.0.0.0:15260; or none"},
        Wrong{"timeouts: {connect: 5}",
              "t.yaml:6: timeouts.connect: got \"5\", expected a duration from 1ms to 10m, such as "
              "100ms, 5s or 15m"},
        Wrong{"timeouts: {connect: 0}",
              "t.yaml:6: timeouts.connect: got \"0\", expected a duration from 1ms to 10m, such as "
              "100ms, 5s or 15m"},
        Wrong{"timeouts: {connect: 5 s}",
              "t.yaml:6: timeouts.connect: got \"5 s\", expected a duration from 1ms to 10m, such "
              "as 100ms, 5s or 15m"},
        Wrong{"timeouts: {connect: s}",
              "t.yaml:6: timeouts.connect: got \"s\", expected a duration from 1ms to 10m, such as "
              "100ms, 5s or 15m"},
        Wrong{"timeouts: {idle: 721h}",
              "t.yaml:6: timeouts.idle: got \"721h\", expected a duration from 0 to 720h, such as "
              "100ms, 5s or 15m"},
        Wrong{"timeouts: {idle: 18446744073709551615h}",
              "t.yaml:6: timeouts.idle: got \"18446744073709551615h\", expected a duration from 0 "
              "to 720h, such as 100ms, 5s or 15m"},
        Wrong{"sniff: {window_bytes: 16KiB}",
              "t.yaml:6: sniff.window_bytes: got \"16KiB\", expected a whole number from 512 to "
              "1048576"},
        Wrong{"limits: {incident_queue: 0}",
              "t.yaml:6: limits.incident_queue: got \"0\", expected a whole number from 1 to "
              "1000000"},
        Wrong{"limits: {connections_per_client: 1000001}",
              "t.yaml:6: limits.connections_per_client: got \"1000001\", expected a whole number "
              "from 0 to 1000000"},
        Wrong{
            "limits: {accept_rate: -1}",
            "t.yaml:6: limits.accept_rate: got \"-1\", expected a whole number from 0 to 1000000"},
        Wrong{
            "limits: {first_flight_bytes: 4095}",
            "t.yaml:6: limits.first_flight_bytes: got \"4095\", expected a whole number from 4096 "
            "to 262144"},
        Wrong{"limits: {first_flight_bytes: 262145}",
              "t.yaml:6: limits.first_flight_bytes: got \"262145\", expected a whole number from "
              "4096 to 262144"},
        Wrong{"answer: {show_addresses: maybe}",
              "t.yaml:6: answer.show_addresses: got \"maybe\", expected false or true"},
        Wrong{"answer: {linger: 61s}",
              "t.yaml:6: answer.linger: got \"61s\", expected a duration from 0 to 1m, such as "
              "100ms, 5s or 15m"},
        Wrong{"answer: {text: hi}",
              "t.yaml:6: answer.text: got an unknown key, expected one of show_addresses, linger"},
        Wrong{"reroute: {attempts: 9}",
              "t.yaml:6: reroute.attempts: got \"9\", expected a whole number from 0 to 8"},
        Wrong{"names: {timeout: 9ms}",
              "t.yaml:6: names.timeout: got \"9ms\", expected a duration from 10ms to 5s, such as "
              "100ms, 5s or 15m"},
        Wrong{"names: {per_second: 0}",
              "t.yaml:6: names.per_second: got \"0\", expected a whole number from 1 to 1000"},
        Wrong{"confirm: {enabled: maybe}",
              "t.yaml:6: confirm.enabled: got \"maybe\", expected false or true"},
        Wrong{"confirm: {ports: [0]}",
              "t.yaml:6: confirm.ports[0]: got \"0\", expected a whole number from 1 to 65535"},
        Wrong{"reroute: {eject_s: 1m}",
              "t.yaml:6: reroute.eject_s: got \"1m\", expected a whole number from 0 to 86400"},
        Wrong{"reroute: {eject_s: 86401}",
              "t.yaml:6: reroute.eject_s: got \"86401\", expected a whole number from 0 to 86400"},
        Wrong{"reroute: {correct_port: 1}",
              "t.yaml:6: reroute.correct_port: got \"1\", expected false or true"},
        Wrong{"handover: 127.0.0.1:1",
              "t.yaml:6: handover: got \"127.0.0.1:1\", expected the path of a Unix socket such as "
              "unix:/run/telltale/handover.sock"},
        Wrong{"handover: unix:@next",
              "t.yaml:6: handover: got \"unix:@next\", expected the path of a Unix socket such as "
              "unix:/run/telltale/handover.sock"},
        Wrong{"handover: unix:handover",
              "t.yaml:6: handover: got \"unix:handover\", expected IP:port, :port, [IPv6]:port, "
              "unix:/path or unix:@name, such as 0.0.0.0:15260; or none"},
        Wrong{"handover:",
              "t.yaml:6: handover: got nothing, expected a Unix socket such as "
              "unix:/run/telltale/handover.sock, or none"},
        Wrong{"runbook_url: docs",
              "t.yaml:6: runbook_url: got \"docs\", expected a URL that begins with http:// or "
              "https://"},
        Wrong{
            "node: {name: \"a\\nb\"}",
            "t.yaml:6: node.name: got \"a\\nb\", expected at most 253 printable ASCII characters"},
        Wrong{"registry: {include: [openin]}",
              "t.yaml:6: registry.include[0]: got \"openin\", expected a built-in data set, such "
              "as openim"},
        Wrong{"registry: {include: openim}",
              "t.yaml:6: registry.include: got \"openim\", expected a list of built-in data sets, "
              "such as [openim]"},
        Wrong{"registry: {include: [openim, openim]}",
              "t.yaml:6: registry.include[1]: got \"openim\", expected each data set once"},
        Wrong{"registry: {services: [{grpc: 1}]}",
              "t.yaml:6: registry.services[0].name: got nothing, expected the name of a service, "
              "such as group-rpc-service"},
        Wrong{"registry: {services: [{name: a}]}",
              "t.yaml:6: registry.services[0]: got a service with a name only, expected grpc, "
              "metrics or addresses"},
        Wrong{
            "registry: {services: [{name: a, grpc: 1, metrics: 1}]}",
            "t.yaml:6: registry.services[0]: got 1 for both grpc and metrics, expected two ports"},
        Wrong{"registry: {services: [{name: a, grpc: 65536}]}",
              "t.yaml:6: registry.services[0].grpc: got \"65536\", expected a whole number from 0 "
              "to 65535"},
        Wrong{
            "registry: {services: [{name: a, grpc: 1},\n {name: a, grpc: 2}]}",
            "t.yaml:7: registry.services[1]: got \"a\", expected a name that no other service has"},
        Wrong{"registry: {services: [{name: a, addresses: ['10.0.0.1:80']}]}",
              "t.yaml:6: registry.services[0].addresses[0]: got \"10.0.0.1:80\", expected an IP "
              "address without a port, such as 10.244.2.9"},
        Wrong{"registry: {services: [a]}",
              "t.yaml:6: registry.services[0]: got \"a\", expected a mapping of keys and values"},
        Wrong{"registry: {services: {a: 1}}",
              "t.yaml:6: registry.services: got a mapping, expected a list of services"}));

// The same for keys of a listener, which is on lines 2 to 5.
struct WrongListener {
    std::string text;
    std::vector<std::string> errors;
};

TEST(LoadErrors, of_a_listener_is_said_with_its_index) {
    const std::string upstream = "the address of the upstream, such as 127.0.0.1:10260";
    const std::string forms =
        "host:port, [IPv6]:port, unix:/path or unix:@name, such as 127.0.0.1:10260";
    std::string many = "b:1";
    for (int port = 2; port <= 65; ++port) many += ", b:" + std::to_string(port);
    const std::vector<WrongListener> rows = {
        {"name: a\n   listen: ':1'\n",
         {"t.yaml:2: listeners[0].upstream: got nothing, expected " + upstream}},
        {"listen: ':1'\n   upstream: b:1\n",
         {"t.yaml:2: listeners[0].name: got nothing, expected 1 to 63 letters, digits, '.', '_' or "
          "'-', such as group-rpc"}},
        {"name: a\n   upstream: b:1\n",
         {"t.yaml:2: listeners[0].listen: got nothing, expected an address to listen on, such as "
          "0.0.0.0:15260"}},
        {"name: a\n   listen: ':1'\n   upstream: {}\n",
         {"t.yaml:4: listeners[0].upstream.address: got nothing, expected " + upstream}},
        {"name: a\n   listen: ':1'\n   upstream: {address: b:1,\n    addresses: [b:1]}\n",
         {"t.yaml:5: listeners[0].upstream.addresses: got it beside address, expected one of the "
          "two"}},
        {"name: a\n   listen: ':1'\n   upstream:\n    addresses: []\n",
         {"t.yaml:5: listeners[0].upstream.addresses: got an empty list, expected an address"}},
        {"name: a\n   listen: ':1'\n   upstream:\n    addresses:\n",
         {"t.yaml:5: listeners[0].upstream.addresses: got an empty list, expected an address"}},
        {"name: a\n   listen: ':1'\n   upstream: {addresses: b:1}\n",
         {"t.yaml:4: listeners[0].upstream.addresses: got \"b:1\", expected a list of addresses"}},
        {"name: a\n   listen: ':1'\n   upstream: {addresses: {}}\n",
         {"t.yaml:4: listeners[0].upstream.addresses: got a mapping, expected a list of "
          "addresses"}},
        {"name: a\n   listen: ':1'\n   upstream: {addresses: [b, c, d:1]}\n",
         {"t.yaml:4: listeners[0].upstream.addresses[0]: got \"b\", expected " + forms,
          "t.yaml:4: listeners[0].upstream.addresses[1]: got \"c\", expected " + forms}},
        {"name: a\n   listen: ':1'\n   upstream: {addresses: [" + many + "]}\n",
         {"t.yaml:4: listeners[0].upstream.addresses: got 65 items, expected at most 64"}},
        {"name: a\n   listen: ':1'\n   upstream: {address: b:1, balance: random}\n",
         {"t.yaml:4: listeners[0].upstream.balance: got \"random\", expected round_robin or "
          "least_connections"}},
        {"name: a\n   listen: ':1'\n   upstream: {address: b:1, resolve: 999ms}\n",
         {"t.yaml:4: listeners[0].upstream.resolve: got \"999ms\", expected a duration from 1s to "
          "24h, such as 100ms, 5s or 15m"}},
        {"name: a\n   listen: ':1'\n   upstream: {address: b:1, check: 2h}\n",
         {"t.yaml:4: listeners[0].upstream.check: got \"2h\", expected a duration from 0 to 1h, "
          "such as 100ms, 5s or 15m"}},
        {"name: a\n   listen: ':1'\n   upstream: [b:1]\n",
         {"t.yaml:4: listeners[0].upstream: got a list, expected " + upstream}},
        {"name: a\n   listen: ':1'\n   upstream: {address: b:1,\n    original_destination: true}\n",
         {"t.yaml:5: listeners[0].upstream.original_destination: got a key that is not supported "
          "by this version, expected address"}},
        {"name: a/b\n   listen: ':1'\n   upstream: b:1\n",
         {"t.yaml:2: listeners[0].name: got \"a/b\", expected 1 to 63 letters, digits, '.', '_' or "
          "'-', such as group-rpc"}},
        {"name: a\n   listen: ':1'\n   upstream: b:1\n   direction: up\n",
         {"t.yaml:5: listeners[0].direction: got \"up\", expected inbound or outbound"}},
        {"name: a\n   listen: ':1'\n   upstream: b:1\n   expect: tls\n",
         {"t.yaml:5: listeners[0].expect: got \"tls\", expected any, grpc or http"}},
        {"name: a\n   listen: ':1'\n   upstream: b:1\n   on_mismach: observe\n",
         {"t.yaml:5: listeners[0].on_mismach: got an unknown key (did you mean on_mismatch?), "
          "expected one of name, listen, "
          "direction, expect, upstream, on_mismatch"}},
        {"name: a\n   listen: ':1'\n   upstream: b:1\n   on_mismatch: drop\n",
         {"t.yaml:5: listeners[0].on_mismatch: got \"drop\", expected observe, answer, reroute or "
          "reset"}},
    };
    for (const WrongListener& row : rows) {
        EXPECT_EQ(messages(load_text("listeners:\n - " + row.text)), row.errors) << row.text;
    }
}

TEST(Load, reports_all_errors_at_once_in_the_order_of_lines) {
    const std::string text =
        "wrokers: 1\n"                 // 1
        "log: {level: loud}\n"         // 2
        "listeners:\n"                 // 3
        "  - name: a\n"                // 4
        "    listen: 1.2.3.4\n"        // 5
        "    upstream: b\n"            // 6
        "  - name: a\n"                // 7
        "    listen: :1\n"             // 8
        "    upstream: localhost:1\n"  // 9
        "timeouts:\n"                  // 10
        "  connect: soon\n"            // 11
        "  connect: 5s\n";             // 12
    const auto errors = std::get<Errors>(load_text(text));
    std::vector<int> lines;
    for (const Error& error : errors) lines.push_back(error.line);
    EXPECT_EQ(lines, (std::vector<int>{1, 2, 5, 6, 7, 9, 11, 12}));
}

TEST(Load, stops_listing_after_a_hundred_errors_and_counts_the_rest) {
    std::string text = minimal;
    for (int i = 0; i < 150; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
    const auto errors = std::get<Errors>(load_text(text));
    ASSERT_EQ(errors.size(), 101U);
    EXPECT_EQ(errors.back().message(),
              "t.yaml: got 50 more errors, expected none: correct those above first");
}

TEST(Load, says_the_line_of_a_syntax_error) {
    const auto errors = messages(load_text("log: {level: info\nworkers: 1\n"));
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].rfind("t.yaml:2: got text that is not YAML (", 0), 0U) << errors[0];
}

TEST(Load, refuses_a_file_that_is_not_a_mapping) {
    EXPECT_EQ(
        messages(load_text("- a\n")),
        std::vector<std::string>{"t.yaml:1: got a list, expected a mapping of keys and values"});
}

TEST(Load, says_how_to_give_a_listener_when_there_is_none) {
    const std::string how =
        "listeners: got none, expected at least one: give --listen and --upstream, or a file with "
        "listeners";
    for (const std::string text : {"", "# nothing\n", "listeners: []\n", "listeners:\n"}) {
        EXPECT_EQ(messages(load_text(text)), std::vector<std::string>{"t.yaml: " + how});
    }
    EXPECT_EQ(messages(load({}, {}, {}, {})), std::vector<std::string>{how});
}

TEST(Load, names_the_data_set_whose_text_is_wrong) {
    const DataSets broken = [](const std::string&) { return "services:\n - {nam: a}\n"; };
    const auto errors = messages(
        load({.file = "t.yaml", .text = minimal + "registry: {include: [own]}\n"}, {}, {}, broken));
    ASSERT_FALSE(errors.empty());
    EXPECT_EQ(errors[0],
              "own data set:2: services[0].nam: got an unknown key (did you mean name?), expected "
              "one of name, grpc, metrics, addresses, source");
}

}  // namespace
}  // namespace telltale::config
