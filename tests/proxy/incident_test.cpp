#include "proxy/incident.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

namespace json = boost::json;

json::object parsed(const std::string& line) {
    return json::parse(line).as_object();
}

std::vector<std::string> keys_of(const json::object& object) {
    std::vector<std::string> keys;
    for (const auto& pair : object) keys.emplace_back(pair.key());
    return keys;
}

// ---- text

TEST(CleanText, keeps_utf8_and_escapes_controls_and_broken_bytes) {
    EXPECT_EQ(clean_text("Überraschung — 日本 😀", 100), "Überraschung — 日本 😀");
    EXPECT_EQ(clean_text("a\x1b[31m\n\x7f", 100), "a\\x1b[31m\\x0a\\x7f");
    EXPECT_EQ(clean_text("\xC0\xAF\xED\xA0\x80\xF5z", 100), "\\xc0\\xaf\\xed\\xa0\\x80\\xf5z");
    EXPECT_EQ(clean_text("\xC2\x9B", 100), "\\xc2\\x9b") << "C1 controls drive terminals too";
    EXPECT_EQ(clean_text("\xE2\x80\xAE", 100), "\\xe2\\x80\\xae") << "turns the line around";
}

TEST(CleanText, cuts_at_a_character_and_says_so) {
    EXPECT_EQ(clean_text("abcdef", 3), "abc…");
    EXPECT_EQ(clean_text("abcdef", 6), "abcdef");
    EXPECT_EQ(clean_text("aü", 2), "a…") << "ü takes two bytes and only one is left";
}

TEST(UtcText, has_milliseconds_and_works_before_the_epoch) {
    using std::chrono::milliseconds;
    using std::chrono::system_clock;
    EXPECT_EQ(utc_text(system_clock::time_point(milliseconds(0))), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(utc_text(system_clock::time_point(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(utc_text(example_incident().at), "2026-11-22T22:01:37.396Z");
}

// ---- JSON

TEST(IncidentJson, has_the_documented_keys_in_the_documented_order) {
    const auto record = parsed(to_json(example_incident()));
    EXPECT_EQ(keys_of(record),
              (std::vector<std::string>{
                  "ts",         "level",       "event",     "id",      "node",    "listener",
                  "direction",  "client",      "upstream",  "verdict", "cause",   "confidence",
                  "hop",        "explanation", "fix",       "runbook", "policy",  "action",
                  "envoy_flag", "bytes",       "timing_ms", "open",    "ended_by"}));
    EXPECT_EQ(keys_of(record.at("client").as_object()),
              (std::vector<std::string>{"address", "protocol"}));
    EXPECT_EQ(keys_of(record.at("upstream").as_object()),
              (std::vector<std::string>{"address", "requested", "protocol", "status", "server",
                                        "alpn", "first_bytes", "version"}));
    EXPECT_EQ(
        keys_of(record.at("hop").as_object()),
        (std::vector<std::string>{"position", "address", "name", "role", "software", "evidence"}));
}

TEST(IncidentJson, says_which_telltale_found_the_cause_when_it_was_another_one) {
    Incident incident = example_incident();
    EXPECT_FALSE(parsed(to_json(incident)).contains("attributed_by"));
    incident.diagnosis.attributed_by = "10.0.0.2:15260";
    const auto record = parsed(to_json(incident));
    EXPECT_EQ(record.at("attributed_by"), "10.0.0.2:15260");
    const auto keys = keys_of(record);
    const auto at = std::find(keys.begin(), keys.end(), "attributed_by");
    EXPECT_EQ(*std::prev(at), "confidence");
    EXPECT_EQ(*std::next(at), "hop");
    EXPECT_EQ(parsed(to_json(incident, {.count = 2, .first = {}, .last = {}})).at("attributed_by"),
              "10.0.0.2:15260");
    EXPECT_NE(to_text(incident, Colour::off).find("told by: 10.0.0.2:15260\n"), std::string::npos);
}

TEST(IncidentJson, tells_the_values_of_the_example) {
    const auto record = parsed(to_json(example_incident()));
    EXPECT_EQ(record.at("ts"), "2026-11-22T22:01:37.396Z");
    EXPECT_EQ(record.at("level"), "warning");
    EXPECT_EQ(record.at("event"), "incident");
    EXPECT_EQ(record.at("direction"), "outbound");
    EXPECT_EQ(record.at("client").at("protocol"), "http/2");
    const auto& upstream = record.at("upstream");
    EXPECT_EQ(upstream.at("protocol"), "http/1");
    EXPECT_EQ(upstream.at("status"), 400);
    EXPECT_EQ(upstream.at("server"), "");
    EXPECT_TRUE(upstream.at("alpn").is_null());
    EXPECT_EQ(upstream.at("first_bytes"),
              "HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\n\\r\\n");
    EXPECT_EQ(record.at("cause"), "metrics_port");
    EXPECT_EQ(record.at("hop").at("role"), "metrics");
    EXPECT_EQ(record.at("bytes").at("from_client"), 93);
    EXPECT_EQ(record.at("timing_ms").at("total"), 2);
    EXPECT_EQ(record.at("open"), false);
    EXPECT_EQ(record.at("ended_by"),
              json::parse(R"({"code":"UV","side":"upstream","operation":"read",
        "error":"eof","phase":"before_verdict"})"));
}

TEST(IncidentJson, leaves_unknown_what_nobody_knows) {
    Incident incident = example_incident();
    incident.evidence.upstream = {};
    incident.evidence.upstream_address.clear();
    incident.evidence.connected_at.reset();
    incident.evidence.ended = false;
    incident.open = true;
    const auto record = parsed(to_json(incident));
    for (const char* key : {"address", "status", "server", "alpn", "first_bytes"}) {
        EXPECT_TRUE(record.at("upstream").at(key).is_null()) << key;
    }
    EXPECT_TRUE(record.at("timing_ms").at("connect").is_null());
    EXPECT_TRUE(record.at("timing_ms").at("first_byte").is_null());
    EXPECT_TRUE(record.at("ended_by").is_null());
    EXPECT_EQ(record.at("open"), true);
}

TEST(IncidentJson, shows_what_an_http2_upstream_said) {
    Incident incident = example_incident();
    auto& upstream = incident.evidence.upstream;
    upstream.http1_response.reset();
    upstream.protocol = sniff::Protocol::http2;
    upstream.settings = {{3, 250}, {0x7777, 1}};
    sniff::Http2Headers headers;
    headers.status = 404;
    headers.content_type = "text/html";
    headers.server = "nginx";
    upstream.first_headers = headers;
    upstream.goaway =
        sniff::Http2Goaway{.error_code = 11, .last_stream = 7, .debug = "too_many_pings"};
    const json::value shown = parsed(to_json(incident)).at("upstream");
    EXPECT_EQ(shown.at("status"), 404);
    EXPECT_EQ(shown.at("server"), "nginx");
    EXPECT_EQ(shown.at("settings"), json::parse(R"([{"name":"MAX_CONCURRENT_STREAMS","value":250},
        {"name":"0x7777","value":1}])"));
    EXPECT_EQ(shown.at("first_response"),
              json::parse(R"({"status":404,"content_type":"text/html","server":"nginx"})"));
    EXPECT_EQ(shown.at("goaway"), json::parse(R"({"error":"ENHANCE_YOUR_CALM","last_stream":7,
        "debug":"too_many_pings"})"));
}

TEST(IncidentJson, shows_tls_on_either_side) {
    Incident incident = example_incident();
    auto& client = incident.evidence.client;
    client.protocol = sniff::Protocol::tls;
    client.first_bytes = std::string("\x16\x03\x01", 3);
    client.tls_hello.emplace().sni = "shop.test";
    client.tls_hello->alpn = {"h2", "http/1.1"};
    auto& upstream = incident.evidence.upstream;
    upstream.protocol = sniff::Protocol::tls_alert;
    upstream.tls_alert = sniff::TlsAlert{.level = 2, .description = 120};
    upstream.tls_hello.emplace().alpn = {"http/1.1"};
    const auto record = parsed(to_json(incident));
    EXPECT_EQ(record.at("client").at("sni"), "shop.test");
    EXPECT_EQ(record.at("client").at("alpn"), json::parse(R"(["h2","http/1.1"])"));
    EXPECT_EQ(record.at("client").at("first_bytes"), "\\x16\\x03\\x01");
    EXPECT_EQ(record.at("upstream").at("tls_alert"), "no_application_protocol");
    EXPECT_EQ(record.at("upstream").at("alpn"), "http/1.1");
}

TEST(IncidentJson, shows_the_clients_request_and_the_layers_around_it) {
    Incident incident = example_incident();
    auto& client = incident.evidence.client;
    client.protocol = sniff::Protocol::http1;
    sniff::Http1Request request;
    request.method = "GET";
    request.target = "/metrics";
    request.user_agent = "Prometheus/2.42.0";
    request.forwarded = {"x-forwarded-for"};
    client.http1_request = request;
    incident.evidence.layers = {sniff::Layer::proxy_header, sniff::Layer::connect_tunnel};
    incident.evidence.connect_target = "orders:8080";
    const json::value shown = parsed(to_json(incident)).at("client");
    EXPECT_EQ(shown.at("method"), "GET");
    EXPECT_EQ(shown.at("path"), "/metrics");
    EXPECT_EQ(shown.at("user_agent"), "Prometheus/2.42.0");
    EXPECT_EQ(shown.at("forwarded"), json::parse(R"(["x-forwarded-for"])"));
    EXPECT_EQ(shown.at("layers"), json::parse(R"(["proxy_header","connect_tunnel"])"));
    EXPECT_EQ(shown.at("connect_target"), "orders:8080");
}

TEST(IncidentJson, names_each_attempt_to_connect) {
    Incident incident = example_incident();
    incident.evidence.attempts = {{"10.0.0.1:1", ECONNREFUSED}, {"10.0.0.2:1", 0}};
    incident.evidence.ended_by = {.side = std::nullopt,
                                  .operation = sniff::Operation::connect,
                                  .kind = sniff::EndKind::error,
                                  .error = ENETUNREACH,
                                  .phase = sniff::Phase::connecting};
    const auto record = parsed(to_json(incident));
    EXPECT_EQ(record.at("upstream").at("attempts"),
              json::parse(R"([{"address":"10.0.0.1:1","error":"connection refused"},
                              {"address":"10.0.0.2:1","error":null}])"));
    EXPECT_EQ(record.at("ended_by").at("side"), "telltale");
    EXPECT_EQ(record.at("ended_by").at("error"), "network is unreachable");
}

TEST(IncidentJson, shows_what_was_asked_after_the_incident) {
    Incident incident = example_incident();
    incident.evidence.dns_name = "10-244-2-9.group-rpc-service.openim.svc.cluster.local";
    incident.evidence.client_dns_name = "client.example";
    incident.evidence.confirmed = {
        {.port = 12260, .spoken = sniff::Spoken::http1, .metrics = true},
        {.port = 10260, .spoken = sniff::Spoken::grpc, .metrics = false}};
    const auto record = parsed(to_json(incident));
    EXPECT_EQ(record.at("client").at("dns_name"), "client.example");
    const auto& upstream = record.at("upstream").as_object();
    EXPECT_EQ(upstream.at("dns_name"), "10-244-2-9.group-rpc-service.openim.svc.cluster.local");
    EXPECT_EQ(json::serialize(upstream.at("confirmed")),
              R"([{"port":12260,"speaks":"http1","metrics":true},{"port":10260,"speaks":"grpc"}])");
}

TEST(IncidentJson, sums_up_repeats) {
    const Incident incident = example_incident();
    const Repeats repeats{
        .count = 41, .first = incident.at, .last = incident.at + std::chrono::seconds(59)};
    const auto record = parsed(to_json(incident, repeats));
    EXPECT_EQ(keys_of(record),
              (std::vector<std::string>{"ts", "level", "event", "id", "node", "listener",
                                        "direction", "upstream", "cause", "confidence", "count",
                                        "first", "last", "explanation", "fix", "runbook"}));
    EXPECT_EQ(record.at("event"), "incident_repeated");
    EXPECT_EQ(record.at("count"), 41);
    EXPECT_EQ(record.at("first"), "2026-11-22T22:01:37.396Z");
    EXPECT_EQ(record.at("last"), "2026-11-22T22:02:36.396Z");
}

// ---- limits

// Every string of an incident, with the lists grown to `items`.
std::vector<std::string*> all_strings(Incident& incident, size_t items) {
    auto& e = incident.evidence;
    auto& d = incident.diagnosis;
    e.client.http1_request.emplace();
    e.client.first_headers.emplace();
    e.client.tls_hello.emplace();
    e.upstream.http1_response.emplace();
    e.upstream.first_headers.emplace();
    e.upstream.goaway.emplace();
    e.upstream.tls_hello.emplace();
    e.upstream.tls_alert.emplace();
    e.client.http1_request->forwarded.resize(items);
    e.client.first_headers->forwarded.resize(items);
    e.client.tls_hello->alpn.resize(items);
    e.upstream.tls_hello->alpn.resize(items);
    e.upstream.settings.resize(items);
    e.attempts.resize(items);
    e.layers.resize(items);
    d.hop.evidence.resize(items);

    auto& request = *e.client.http1_request;
    auto& asked = *e.client.first_headers;
    auto& response = *e.upstream.http1_response;
    auto& answered = *e.upstream.first_headers;
    std::vector<std::string*> out = {&incident.id,
                                     &incident.node,
                                     &incident.runbook,
                                     &incident.policy,
                                     &incident.action,
                                     &e.listener,
                                     &e.client_address,
                                     &e.upstream_address,
                                     &e.requested,
                                     &e.connect_target,
                                     &e.resolve_error,
                                     &e.client.first_bytes,
                                     &e.upstream.first_bytes,
                                     &e.upstream.greeting,
                                     &request.method,
                                     &request.target,
                                     &request.version,
                                     &request.host,
                                     &request.user_agent,
                                     &request.via,
                                     &request.content_type,
                                     &request.upgrade,
                                     &asked.method,
                                     &asked.path,
                                     &asked.content_type,
                                     &asked.user_agent,
                                     &asked.via,
                                     &response.version,
                                     &response.server,
                                     &response.via,
                                     &response.content_type,
                                     &response.location,
                                     &answered.content_type,
                                     &answered.server,
                                     &answered.via,
                                     &answered.grpc_status,
                                     &answered.grpc_message,
                                     &e.upstream.goaway->debug,
                                     &e.client.tls_hello->sni,
                                     &d.explanation,
                                     &d.fix,
                                     &d.hop.address,
                                     &d.hop.name,
                                     &d.hop.software,
                                     &d.hop.version};
    for (auto* list : {&request.forwarded, &asked.forwarded, &e.client.tls_hello->alpn,
                       &e.upstream.tls_hello->alpn, &d.hop.evidence}) {
        for (auto& item : *list) out.push_back(&item);
    }
    for (auto& attempt : e.attempts) out.push_back(&attempt.address);
    return out;
}

Repeats repeats_of(uint64_t count) {
    Repeats repeats;
    repeats.count = count;
    return repeats;
}

void expect_one_valid_line(const std::string& line) {
    EXPECT_LE(line.size(), record_bytes_max);
    EXPECT_EQ(line.find_first_of(std::string("\r\n\0", 3)), std::string::npos);
    boost::system::error_code error;
    const auto value = json::parse(line, error);  // refuses broken UTF-8
    EXPECT_FALSE(error) << error.message() << " in " << line;
    EXPECT_TRUE(value.is_object());
}

TEST(IncidentJson, stays_one_valid_line_within_its_limit_for_any_bytes) {
    const char* wanted = std::getenv("TELLTALE_SEED");
    const auto seed =
        wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t n) { return random() % n; };
    for (int round = 0; round < 100; ++round) {
        Incident incident = example_incident();
        for (std::string* text : all_strings(incident, below(40))) {
            text->resize(below(8) == 0 ? below(800) : below(60));
            for (char& c : *text) c = static_cast<char>(below(256));
        }
        incident.evidence.client.protocol = static_cast<sniff::Protocol>(below(20));
        incident.evidence.upstream.protocol = static_cast<sniff::Protocol>(below(20));
        incident.evidence.ended_by.kind = static_cast<sniff::EndKind>(below(8));
        incident.evidence.ended_by.error = static_cast<int>(below(200));
        expect_one_valid_line(to_json(incident));
        expect_one_valid_line(to_json(incident, repeats_of(random())));
        const std::string text = to_text(incident, Colour::off);
        EXPECT_TRUE(std::none_of(text.begin(), text.end(), [](char c) {
            return (c >= 0 && c < ' ' && c != '\n') || c == 0x7f;
        }));
        if (HasFailure()) return;
    }
}

TEST(IncidentJson, fits_when_every_string_is_long_and_expands_most) {
    for (const char byte : {'\xff', '\\', '"', '\x01', 'a'}) {
        Incident incident = example_incident();
        for (std::string* text : all_strings(incident, 64)) text->assign(5000, byte);
        incident.evidence.client.bytes = incident.evidence.upstream.bytes = UINT64_MAX;
        incident.evidence.now = INT64_MIN;
        expect_one_valid_line(to_json(incident));
        expect_one_valid_line(to_json(incident, repeats_of(UINT64_MAX)));
    }
}

TEST(IncidentJson, cuts_captured_bytes_and_lists_before_the_explanation) {
    Incident incident = example_incident();
    for (std::string* text : all_strings(incident, 10)) text->assign(150, 'w');
    incident.evidence.upstream.first_bytes.assign(256, '\0');
    incident.evidence.client.first_bytes.assign(256, '\0');
    incident.diagnosis.explanation = std::string(500, 'e');
    incident.diagnosis.fix = std::string(500, 'f');
    const auto record = parsed(to_json(incident));
    EXPECT_EQ(record.at("explanation"), std::string(500, 'e').c_str());
    EXPECT_EQ(record.at("fix"), std::string(500, 'f').c_str());
    EXPECT_LT(record.at("upstream").at("first_bytes").as_string().size(), 256U * 4);
    EXPECT_TRUE(record.at("upstream").at("first_bytes").as_string().ends_with("…"));
}

// ---- text for terminals

TEST(IncidentText, says_cause_and_fix_first) {
    EXPECT_EQ(to_text(example_incident(), Colour::off),
              "2026-11-22T22:01:37.396Z metrics_port (certain): 10.244.2.9:12260 answered HTTP/1.1 "
              "400 to a gRPC client.\n"
              "  fix:     Dial group-rpc-service on port 10260.\n"
              "  hop:     upstream 10.244.2.9:12260 (group-rpc-service, metrics, Go net/http)\n"
              "  seen:    HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\n\\r\\n\n"
              "  runbook: https://example.test/runbook.md#metrics_port\n");
}

TEST(IncidentText, has_colours_only_when_asked) {
    EXPECT_EQ(to_text(example_incident(), Colour::off).find('\x1b'), std::string::npos);
    EXPECT_NE(to_text(example_incident(), Colour::on).find("\x1b[1;31mmetrics_port\x1b[0m"),
              std::string::npos);
}

TEST(IncidentText, never_lets_a_peer_drive_the_terminal) {
    Incident incident = example_incident();
    incident.evidence.upstream.first_bytes = "\x1b]0;owned\x07\r\n";
    incident.diagnosis.explanation = "said \x1b[2J";
    incident.diagnosis.hop.software = "evil\nfix: pay us";
    const std::string text = to_text(incident, Colour::off);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("seen:    \\x1b]0;owned\\x07\\r\\n\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("\nfix: pay us"), std::string::npos);
}

TEST(IncidentText, sums_up_repeats_in_one_line) {
    const Incident incident = example_incident();
    const Repeats repeats{.count = 3, .first = incident.at, .last = incident.at};
    EXPECT_EQ(
        to_text(incident, repeats, Colour::off),
        "2026-11-22T22:01:37.396Z metrics_port (certain) 3 more since "
        "2026-11-22T22:01:37.396Z: 10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client.\n");
}

TEST(GroupKey, is_listener_upstream_and_cause) {
    const Incident incident = example_incident();
    Incident other = incident;
    other.evidence.client_address = "10.9.9.9:1";
    EXPECT_EQ(group_key(incident), group_key(other));
    other.evidence.upstream_address = "10.9.9.9:12260";
    EXPECT_NE(group_key(incident), group_key(other));
    other = incident;
    other.diagnosis.cause = sniff::Cause::refused;
    EXPECT_NE(group_key(incident), group_key(other));
    other = incident;
    other.evidence.upstream_address.clear();
    EXPECT_NE(group_key(other).find("group-rpc-service:12260"), std::string::npos);
}

}  // namespace
}  // namespace telltale::proxy
