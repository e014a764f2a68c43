#include "proxy/hops/render.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "proxy/hops/own.h"
#include "proxy/hops/source.h"
#include "proxy/hops/story.h"
#include "tests/proxy/example_incident.h"
#include "tests/proxy/hops_sightings.h"

namespace telltale::proxy::hops {
namespace {

namespace json = boost::json;

const std::vector<SourceReport> two_sources = {
    {.name = "http://10.244.1.5:15970", .was_read = true, .incidents = 1, .problem = ""},
    {.name = "inner.log", .was_read = true, .incidents = 1, .problem = ""}};

std::string verdict_of(std::vector<Sighting> sightings) {
    const Joined joined = join(std::move(sightings));
    EXPECT_EQ(joined.paths.size(), 1U);
    return verdict_sentence(joined, joined.paths.at(0));
}

// ---- the verdict

TEST(HopsVerdict, names_the_path_the_place_and_who_only_passed_it_on) {
    EXPECT_EQ(verdict_of({outer_of_ingress(), inner_of_ingress()}),
              "openim-api → ingress-nginx 10.244.3.7:80 → group-rpc-service 127.0.0.1:12260 on "
              "group-rpc-0: the fault is probably at the last hop: 127.0.0.1:12260 answered "
              "HTTP/1.1 400 to a gRPC client: it is the metrics port of group-rpc-service. "
              "ingress-nginx only passed it on as 502.");
}

TEST(HopsVerdict, leaves_out_probably_where_it_is_certain) {
    EXPECT_EQ(verdict_of({outer_sighting(), inner_sighting()}),
              "openim-api → group-rpc-service 127.0.0.1:12260 on group-rpc-0: the fault is at the "
              "last hop: 127.0.0.1:12260 answered HTTP/1.1 400 to a gRPC client: it is the metrics "
              "port of group-rpc-service.");
}

TEST(HopsVerdict, says_may_where_several_fit) {
    Sighting other = outer_of_ingress();
    other.id = "outer-0-2";
    other.node = "openim-chat";
    const Joined joined = join({outer_of_ingress(), other, inner_of_ingress()});
    EXPECT_NE(verdict_sentence(joined, joined.paths.at(0)).find("the fault may be at"),
              std::string::npos);
}

TEST(HopsVerdict, names_the_proxy_between_the_client_and_the_sidecar_itself) {
    Sighting outer = outer_of_ingress();
    Sighting inner = inner_of_ingress();
    outer.upstream.status = 415;
    inner.hop.position = sniff::HopPosition::client;
    EXPECT_NE(verdict_of({outer, inner}).find("probably at ingress-nginx 10.244.3.7:80: "),
              std::string::npos);
    inner = inner_sighting();
    inner.direction = "inbound";
    inner.hop.position = sniff::HopPosition::client;
    EXPECT_TRUE(verdict_of({inner}).starts_with(
        "10.244.1.5:51234 → 127.0.0.1:12260: the fault is at the client: "))
        << verdict_of({inner});
    inner.hop.position = sniff::HopPosition::proxy;
    EXPECT_NE(verdict_of({inner}).find("the fault is at the Telltale group-rpc-0/grpc: "),
              std::string::npos);
    inner.hop.position = sniff::HopPosition::upstream_leg;
    EXPECT_NE(verdict_of({inner}).find("the fault is on the way to the last hop: "),
              std::string::npos);
}

TEST(HopsVerdict, tells_of_a_sidecar_that_was_not_asked) {
    Sighting outer = outer_sighting();
    outer.attributed_by = outer.upstream.address;
    outer.hop.address = outer.attributed_by;
    EXPECT_NE(verdict_of({outer}).find("at or behind the Telltale 10.244.2.9:15260"),
              std::string::npos);
}

// ---- text

TEST(HopsText, draws_the_path_with_the_guilty_place_and_tells_who_saw_what) {
    const Joined joined = join({outer_of_ingress(), inner_of_ingress()});
    const std::string text = paths_text(joined, two_sources, Colour::off);
    EXPECT_EQ(text, verdict_sentence(joined, joined.paths[0]) + R"(
  once, 2026-11-22T12:00:00.003Z; likely

  client    openim-api, 127.0.0.1:43210, grpc-go/1.71.0, http/2
    │
  telltale  openim-api/outbound, reached at 127.0.0.1:15971, http2_not_grpc (certain), forwarded, once   passed it on
    │       host (likely): it dialled 10.244.3.7:80, and the next one's client was 10.244.3.7:33000; the same path /openim.group.group/getGroupsInfo; the same user agent; it answered 502; 3 ms apart
  hop       ingress-nginx 10.244.3.7:80, ingress, 1.22.1, http/2, answered 502   passed it on
    │
  telltale  group-rpc-0/grpc, reached at 10.244.2.9:15260, metrics_port (certain), forwarded, once   saw it first
    ✗
  upstream  group-rpc-service 127.0.0.1:12260, metrics, Go net/http, http/1, answered 400   ◀ THE FAULT

  openim-api/outbound saw it once, 2026-11-22T12:00:00.003Z: 10.244.3.7:80 answered the call with :status 502.
      first response: :status 502, text/html
  group-rpc-0/grpc saw it once, 2026-11-22T12:00:00.000Z: 127.0.0.1:12260 answered HTTP/1.1 400 to a gRPC client: it is the metrics port of group-rpc-service.
      registry: 12260 is the metrics port of group-rpc-service
  fix: Dial group-rpc-service on port 10260.
  runbook: https://example.test/runbook.md#metrics_port

1 path from 2 of 2 sources; what two sidecars saw of one fault may be 2 s apart, and their clocks 1 s
)");
}

TEST(HopsText, says_so_when_there_is_nothing) {
    EXPECT_EQ(paths_text(join({}), two_sources, Colour::off), "no incidents in 2 of 2 sources\n");
}

TEST(HopsText, is_coloured_only_when_asked) {
    const Joined joined = join({inner_sighting()});
    EXPECT_EQ(paths_text(joined, two_sources, Colour::off).find('\x1b'), std::string::npos);
    EXPECT_NE(paths_text(joined, two_sources, Colour::on).find("\x1b[1;31m"), std::string::npos);
}

TEST(HopsText, tells_of_sources_that_could_not_be_read) {
    EXPECT_EQ(problems_text(two_sources), "");
    EXPECT_EQ(problems_text({{.name = "10.0.0.1\n:1",
                              .was_read = false,
                              .incidents = 0,
                              .problem = "can't be reached"}}),
              "10.0.0.1\\x0a:1: can't be reached\n");
}

// ---- hostile texts

Sighting hostile(Sighting seen) {
    const std::string bad = "<script>alert(1)</script>\x1b[31m\r\n\x07\xff\xe2\x80\xae\xc2\x9b" +
                            std::string(1, '\0') + std::string(900, 'x');
    for (std::string* text :
         {&seen.id, &seen.node, &seen.listener, &seen.direction, &seen.client.path,
          &seen.client.user_agent, &seen.client.protocol, &seen.upstream.protocol, &seen.cause,
          &seen.hop.name, &seen.hop.role, &seen.hop.software, &seen.hop.version, &seen.action,
          &seen.rerouted_to, &seen.explanation, &seen.fix, &seen.runbook}) {
        *text = bad;
    }
    seen.hop.evidence = {bad, bad};
    return seen;
}

bool is_clean(const std::string& text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\n') || byte == 0x7f) return false;
    }
    return text.find("\xe2\x80\xae") == std::string::npos &&
           text.find("\xc2\x9b") == std::string::npos && text.find('\xff') == std::string::npos;
}

TEST(HopsOutput, is_clean_whatever_the_records_hold) {
    Sighting outer = hostile(outer_sighting());
    Sighting inner = hostile(inner_sighting());
    inner.id += "1";
    Sighting lone = hostile(inner_sighting());
    lone.id += "2";
    lone.client.address = lone.client.reached = lone.upstream.address = lone.upstream.from =
        lone.upstream.requested = lone.attributed_by = lone.hop.address = lone.explanation;
    const Joined joined = join({outer, inner, lone});
    ASSERT_EQ(joined.paths.size(), 2U);
    const std::vector<SourceReport> sources = {
        {.name = outer.node, .was_read = true, .incidents = 3, .problem = outer.node}};
    const std::string text = paths_text(joined, sources, Colour::off);
    EXPECT_TRUE(is_clean(text)) << text;
    EXPECT_TRUE(is_clean(problems_text(sources)));
    const std::string page = paths_json(joined, sources);
    EXPECT_TRUE(is_clean(page)) << page;
    EXPECT_EQ(json::parse(page).at("paths").as_array().size(), 2U);
    EXPECT_LT(text.size(), 60000U);
}

// ---- JSON

TEST(HopsJson, tells_the_same_for_programs) {
    const Joined joined = join({outer_of_ingress(), inner_of_ingress()});
    const json::value all = json::parse(paths_json(joined, two_sources));
    EXPECT_EQ(all.at("window_ms"), 2000);
    EXPECT_EQ(all.at("skew_ms"), 1000);
    EXPECT_EQ(all.at("sources").at(1), json::parse(R"({"source":"inner.log","read":true,
        "incidents":1,"problem":null})"));
    const json::value& path = all.at("paths").at(0);
    EXPECT_EQ(path.at("verdict").as_string(), verdict_sentence(joined, joined.paths[0]));
    EXPECT_EQ(path.at("confidence"), "likely");
    EXPECT_EQ(path.at("cause"), "metrics_port");
    EXPECT_EQ(path.at("position"), "upstream");
    EXPECT_EQ(path.at("fault"), 4);
    EXPECT_EQ(path.at("first_seen_by"), 3);
    EXPECT_EQ(path.at("passed_on_by"), json::parse("[1,2]"));
    EXPECT_EQ(path.at("returns"), false);
    EXPECT_EQ(path.at("count"), 1);
    EXPECT_EQ(path.at("last"), "2026-11-22T12:00:00.003Z");
    EXPECT_EQ(path.at("fix"), "Dial group-rpc-service on port 10260.");
    EXPECT_EQ(path.at("places").at(2),
              json::parse(R"({"kind":"hop","label":"ingress-nginx 10.244.3.7:80",
        "address":"10.244.3.7:80","name":null,"role":"ingress","software":"ingress-nginx",
        "version":"1.22.1","protocol":"http/2","status":502})"));
    EXPECT_EQ(path.at("places").at(3).at("id"), "inner-0-1");
    EXPECT_EQ(path.at("places").at(3).at("source"), 1);
    const json::value& link = path.at("links").at(0);
    EXPECT_EQ(link.at("from"), 1);
    EXPECT_EQ(link.at("to"), 3);
    EXPECT_EQ(link.at("by"), "host");
    EXPECT_EQ(link.at("direct"), false);
    EXPECT_EQ(link.at("apart_ms"), 3);
    EXPECT_EQ(link.at("others"), 0);
}

// The document is a promise: every field of the output is in it.
void collect_keys(const json::value& value, std::vector<std::string>& keys) {
    if (value.is_array()) {
        for (const json::value& item : value.get_array()) collect_keys(item, keys);
    }
    if (!value.is_object()) return;
    for (const auto& [key, item] : value.get_object()) {
        keys.emplace_back(key);
        collect_keys(item, keys);
    }
}

TEST(HopsJson, has_every_field_documented) {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/docs/commands.md");
    std::stringstream document;
    document << file.rdbuf();
    const std::string text = document.str();
    const size_t at = text.find("## telltale hops");
    ASSERT_NE(at, std::string::npos);
    std::vector<std::string> keys;
    collect_keys(
        json::parse(paths_json(join({outer_of_ingress(), inner_of_ingress()}), two_sources)), keys);
    EXPECT_GT(keys.size(), 50U);
    for (const std::string& key : keys) {
        EXPECT_NE(text.find("`" + key + "`", at), std::string::npos) << key;
    }
}

// ---- records, sources, the process itself

TEST(HopsRecord, tells_where_the_client_came_in_and_from_where_the_upstream_was_dialled) {
    Incident incident = example_incident();
    json::value record = json::parse(to_json(incident));
    EXPECT_FALSE(record.at("client").as_object().contains("reached"));
    EXPECT_FALSE(record.at("upstream").as_object().contains("from"));
    incident.evidence.listener_address = "unix:/run/grpc.sock";
    incident.evidence.upstream_local = "10.244.1.5:51234";
    record = json::parse(to_json(incident));
    EXPECT_EQ(record.at("client").at("reached"), "unix:/run/grpc.sock");
    EXPECT_EQ(record.at("upstream").at("from"), "10.244.1.5:51234");
}

TEST(HopsSource, says_what_is_wrong_with_a_text) {
    const auto problem = [](const char* text) {
        return report_on("a", read_sightings(text, 0)).problem;
    };
    EXPECT_EQ(problem("[]"), "");
    EXPECT_NE(problem("2026-11-22 metrics_port (certain): …").find("no JSON"), std::string::npos);
    EXPECT_NE(problem("{\"event\":\"incident\",\n{}").find("broken"), std::string::npos);
    EXPECT_NE(problem("{\"event\":\"incident\",\"cause\":1}").find("another type"),
              std::string::npos);
}

TEST(HopsOwn, shows_this_process_to_itself_and_bounds_the_work) {
    const Incident incident = example_incident();
    std::vector<IncidentSink::Entry> entries(
        own_incidents_max + 5, {.incident = incident, .count = 2, .first = incident.at});
    const json::value page = json::parse(own_paths_json(entries));
    EXPECT_EQ(page.at("paths").as_array().size(), 1U) << "one record, many times";
    EXPECT_NE(page.at("sources").at(0).at("problem").as_string().find("5 older"),
              json::string::npos);
    entries.resize(1);
    EXPECT_NE(own_paths_text(entries).find("openim-api-7c9/openim/outbound saw it 2 times"),
              std::string::npos);
    EXPECT_EQ(own_paths_text({}), "no incidents in 1 of 1 source\n");
}

}  // namespace
}  // namespace telltale::proxy::hops
