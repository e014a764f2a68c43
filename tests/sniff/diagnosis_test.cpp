#include "sniff/diagnosis.h"

#include "sniff/conversation.h"
#include "sniff/facts.h"
#include "sniff/hop.h"
#include "sniff/rules.h"
#include "tests/sniff/corpus.h"
#include "tests/sniff/example_evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace telltale::sniff::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t sentence_bytes_max = 900;
constexpr size_t reason_bytes_max = 400;

std::string_view rule_of(const Evidence& e) {
    return first_match(find_facts(e, fingerprint(e.upstream))).id;
}

Evidence example(std::string_view rule) {
    for (Example& one : examples()) {
        if (one.rule == rule) return std::move(one.evidence);
    }
    ADD_FAILURE() << "no example for " << rule;
    return {};
}

// Printable ASCII, and the "…" of a cut.
bool is_printable(std::string_view text) {
    constexpr std::string_view cut = "…";
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with(cut)) {
            i += cut.size() - 1;
            continue;
        }
        if (text[i] < 0x20 || text[i] > 0x7e) return false;
    }
    return true;
}

void expect_bounded(const Diagnosis& d) {
    EXPECT_LE(d.explanation.size(), sentence_bytes_max) << d.explanation;
    EXPECT_LE(d.fix.size(), sentence_bytes_max) << d.fix;
    EXPECT_LE(d.hop.evidence.size(), hop_evidence_max);
    for (const std::string& text : d.hop.evidence) {
        EXPECT_LE(text.size(), reason_bytes_max);
        EXPECT_FALSE(text.empty());
        EXPECT_TRUE(is_printable(text)) << text;
    }
    for (const std::string* text :
         {&d.explanation, &d.fix, &d.hop.address, &d.hop.name, &d.hop.software, &d.hop.version}) {
        EXPECT_TRUE(is_printable(*text)) << *text;
    }
    EXPECT_LE(d.hop.software.size() + d.hop.version.size(), size_t{512});
}

// ---- the table

TEST(Rules, every_row_has_an_example_that_reaches_exactly_it) {
    std::set<std::string_view> reached;
    for (const Example& one : examples()) {
        EXPECT_EQ(rule_of(one.evidence), one.rule);
        reached.insert(one.rule);
    }
    for (const Rule& rule : rules()) EXPECT_TRUE(reached.contains(rule.id)) << rule.id;
}

TEST(Rules, first_match_wins_and_nothing_known_is_unexplained) {
    EXPECT_EQ(first_match(FactSet{}).cause, Cause::unexplained);
    EXPECT_EQ(first_match({Fact::loop, Fact::refused}).cause, Cause::loop);
    EXPECT_EQ(first_match({Fact::refused}).cause, Cause::refused);
}

TEST(Diagnosis, of_every_example_has_the_cause_of_its_row_and_two_whole_sentences) {
    for (const Example& one : examples()) {
        const Diagnosis d = diagnose(one.evidence);
        const Rule& rule = *std::find_if(rules().begin(), rules().end(),
                                         [&one](const Rule& r) { return r.id == one.rule; });
        const bool attributed = rule.need.has(Fact::attributed);  // the cause is another's
        EXPECT_TRUE(attributed || d.cause == rule.cause) << one.rule;
        EXPECT_NE(attributed, d.attributed_by.empty()) << one.rule;
        EXPECT_EQ(d.confidence, rule.confidence) << one.rule;
        EXPECT_EQ(d.hop.position, rule.position) << one.rule;
        expect_bounded(d);
        if (d.cause == Cause::fine) {
            EXPECT_EQ(d.explanation + d.fix, "") << one.rule;
            continue;
        }
        EXPECT_TRUE(d.explanation.ends_with('.')) << one.rule << ": " << d.explanation;
        EXPECT_TRUE(d.fix.ends_with('.') || d.fix.ends_with('?')) << one.rule << ": " << d.fix;
        EXPECT_THAT(d.explanation, Not(HasSubstr(".."))) << one.rule;
        EXPECT_THAT(d.fix, Not(HasSubstr(".."))) << one.rule;
        EXPECT_THAT(d.explanation, Not(HasSubstr("  "))) << one.rule;
        EXPECT_FALSE(d.hop.name.empty()) << one.rule;
    }
}

// ---- what the operator reads

TEST(Diagnosis, names_the_grpc_port_when_a_metrics_port_answered) {
    const Diagnosis d = diagnose(example("metrics_by_registry"));
    EXPECT_EQ(d.explanation,
              "10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client: it is the metrics port of "
              "group-rpc-service.");
    EXPECT_THAT(d.fix,
                HasSubstr("Dial group-rpc-service on port 10260; 12260 is its metrics port."));
    EXPECT_EQ(d.confidence, Confidence::certain);
    EXPECT_EQ(d.envoy_flag, "UPE");
    EXPECT_EQ(d.hop.name, "group-rpc-service");
    EXPECT_EQ(d.hop.address, "10.244.2.9:12260");
    EXPECT_EQ(d.hop.role, Role::metrics);
    EXPECT_THAT(
        d.hop.evidence,
        Contains("registry: 12260 is the metrics port of group-rpc-service (openim data set)"));
    EXPECT_THAT(d.hop.evidence, Contains("HTTP/1.1 400, empty body, no Server header"));
}

TEST(Diagnosis, of_the_same_bytes_without_a_registry_does_not_claim_a_metrics_port) {
    const Diagnosis d = diagnose(example("http1_application"));
    EXPECT_EQ(d.cause, Cause::http1_application);
    EXPECT_EQ(d.confidence, Confidence::likely);
    EXPECT_THAT(d.explanation, HasSubstr("Prometheus, Alertmanager, node_exporter"));
}

TEST(Diagnosis, gives_both_readings_of_nginx_400) {
    const Diagnosis d = diagnose(example("http1_proxy"));
    EXPECT_THAT(d.explanation, HasSubstr("has no HTTP/2"));
    EXPECT_THAT(d.explanation, HasSubstr("without TLS"));
    EXPECT_EQ(d.hop.software, "nginx");
    EXPECT_EQ(d.hop.version, "1.22.1");
}

TEST(Diagnosis, calls_nginx_400_on_a_tls_port_missing_tls_but_not_certainly) {
    const Diagnosis d = diagnose(example("tls_nginx_port"));
    EXPECT_EQ(d.cause, Cause::tls_required);
    EXPECT_EQ(d.confidence, Confidence::likely);
    EXPECT_THAT(d.explanation, HasSubstr("port 8443"));
}

TEST(Diagnosis, gives_the_readings_of_a_connection_closed_without_a_byte) {
    const Diagnosis d = diagnose(example("closed"));
    for (const char* reading : {"TLS port", "Tomcat", "PROXY protocol"})
        EXPECT_THAT(d.explanation, HasSubstr(reading));
    EXPECT_EQ(d.confidence, Confidence::possible);
    EXPECT_EQ(d.envoy_flag, "UC");
    Evidence http1 = example("closed");
    http1.client = http1_client("GET", "/orders");
    EXPECT_THAT(diagnose(http1).explanation,
                HasSubstr("closed the connection before it answered a byte to GET /orders"));
}

TEST(Diagnosis, names_the_host_for_no_proxy_when_a_forward_proxy_refuses) {
    const Diagnosis d = diagnose(example("connect_refused"));
    EXPECT_EQ(d.cause, Cause::forward_proxy);
    EXPECT_EQ(d.confidence, Confidence::certain);
    EXPECT_THAT(d.fix, HasSubstr("Add group-rpc-service to NO_PROXY"));
    EXPECT_THAT(d.explanation, HasSubstr("HTTP/1.1 503 to CONNECT group-rpc-service:10260"));
    EXPECT_EQ(d.hop.role, Role::forward_proxy);
}

TEST(Diagnosis, reads_status_000_as_proxy_pass_to_a_grpc_server) {
    Evidence e = example("answer_not_grpc");
    e.upstream.first_headers->status = 0;
    e.upstream.first_headers->content_type.clear();
    e.upstream.first_headers->server = "nginx/1.22.1";
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.cause, Cause::http2_not_grpc);
    EXPECT_THAT(d.explanation, HasSubstr(":status 000"));
    EXPECT_THAT(d.fix, HasSubstr("grpc_pass"));
}

TEST(Diagnosis, of_a_502_over_http2_points_behind_the_proxy) {
    Evidence e = example("answer_not_grpc");
    e.upstream.settings = {{.id = 8, .value = 1}, {.id = 3, .value = 100}};
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.hop.software, "HAProxy");
    EXPECT_THAT(d.explanation,
                HasSubstr("the server behind it is down or speaks another protocol"));
}

TEST(Diagnosis, does_not_take_grpc_web_for_an_answer_to_grpc) {
    Evidence e = example("answer_not_grpc");
    e.upstream.first_headers->status = 200;
    e.upstream.first_headers->content_type = "application/grpc-web+proto";
    EXPECT_EQ(diagnose(e).cause, Cause::http2_not_grpc);
}

TEST(Diagnosis, leaves_a_plain_http2_exchange_alone) {
    Evidence e = connected();
    e.client = http2_client("");
    e.upstream = http2_answer(404, "text/html");
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
}

TEST(Diagnosis, keeps_the_service_in_the_fix_when_a_metrics_port_refuses) {
    Evidence e = example("refused");
    know_group_rpc_metrics(e);
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.cause, Cause::refused);
    EXPECT_THAT(d.explanation, HasSubstr("ECONNREFUSED (connection refused)"));
    EXPECT_THAT(d.fix, HasSubstr("group-rpc-service on port 10260"));
}

TEST(Diagnosis, lists_every_address_that_was_tried) {
    Evidence e = example("refused");
    e.attempts = {{.address = "[fd00::9]:12260", .error = ENETUNREACH},
                  {.address = "10.244.2.9:12260", .error = ECONNREFUSED}};
    EXPECT_THAT(diagnose(e).explanation, HasSubstr("[fd00::9]:12260: ENETUNREACH (network is "
                                                   "unreachable); 10.244.2.9:12260: ECONNREFUSED"));
}

TEST(Diagnosis, of_a_tls_client_on_a_plaintext_grpc_port_blames_the_client) {
    const Diagnosis d = diagnose(example("tls_client"));
    EXPECT_EQ(d.hop.position, HopPosition::client);
    EXPECT_EQ(d.hop.address, "10.244.1.5:43210");
    EXPECT_EQ(d.envoy_flag, "DPE");
    EXPECT_THAT(d.fix, HasSubstr("insecure (plaintext) credentials"));
}

TEST(Diagnosis, does_not_deny_grpc_to_a_server_that_answers_a_tls_hello_in_http1) {
    const Diagnosis d = diagnose(example("plaintext_http1"));
    EXPECT_THAT(d.explanation, HasSubstr("speaks no TLS on this port"));
    EXPECT_THAT(d.fix, HasSubstr("serves gRPC without TLS: use plaintext credentials"));
}

TEST(Diagnosis, names_the_ingress_that_downgraded_a_call) {
    const Diagnosis d = diagnose(example("grpc_in_http1"));
    EXPECT_EQ(d.hop.role, Role::ingress);
    EXPECT_THAT(d.explanation, HasSubstr("it left x-forwarded-for, x-real-ip"));
}

TEST(Diagnosis, judges_what_is_inside_a_tunnel_not_the_proxy_in_front) {
    Evidence e = example("metrics_by_registry");
    e.layers = {Layer::connect_tunnel};
    e.connect_target = "user-rpc-service:12320";
    const Diagnosis d = diagnose(e);
    EXPECT_NE(d.cause, Cause::metrics_port);
    EXPECT_EQ(d.hop.address, "user-rpc-service:12320");
    EXPECT_THAT(d.hop.evidence,
                Contains("inside a CONNECT tunnel of the forward proxy 10.244.2.9:12260"));
}

TEST(Diagnosis, of_a_client_that_speaks_nothing_known_shows_its_bytes) {
    const Diagnosis d = diagnose(example("client_other"));
    EXPECT_EQ(d.cause, Cause::unexplained);
    EXPECT_THAT(d.explanation, HasSubstr(R"(sent neither HTTP/2, HTTP/1 nor TLS: "\x01\x02\x03")"));
}

// ---- what another Telltale found

TEST(Diagnosis, takes_the_cause_and_the_hop_that_an_inner_telltale_names) {
    const Diagnosis d = diagnose(example("attributed"));
    EXPECT_EQ(d.cause, Cause::metrics_port);
    EXPECT_EQ(d.confidence, Confidence::likely);
    EXPECT_EQ(d.attributed_by, "10.244.2.9:12260");
    EXPECT_EQ(d.hop.position, HopPosition::upstream);
    EXPECT_EQ(d.hop.name, "group-rpc-service");
    EXPECT_EQ(d.hop.address, "10.244.2.9:12260");
    EXPECT_EQ(d.hop.role, Role::metrics);
    EXPECT_EQ(d.envoy_flag, "");
    EXPECT_THAT(d.hop.evidence,
                Contains("a Telltale behind 10.244.2.9:12260 attributed this: metrics_port at "
                         "upstream group-rpc-service (10.244.2.9:12260)"));
    EXPECT_EQ(d.explanation,
              "10.244.2.9:12260 is, or leads to, another Telltale, which already attributed this: "
              "metrics_port at upstream group-rpc-service (10.244.2.9:12260); it told the client "
              "\"The upstream answered HTTP/1.1 400…\".");
    EXPECT_EQ(d.fix,
              "Do what it says; the incident that the Telltale behind 10.244.2.9:12260 recorded at "
              "this time has the evidence.");
}

TEST(Diagnosis, names_the_way_to_an_inner_telltale_that_names_no_hop) {
    Evidence e = example("attributed");
    e.upstream.first_headers->grpc_message.clear();
    for (const char* hop : {"", "upstream", "upstream;name=\"a", "nowhere;name=\"a\"",
                            "upstream;name=\"a\"x", "upstream;=1"}) {
        e.upstream.first_headers->telltale_hop = hop;
        const Diagnosis d = diagnose(e);
        EXPECT_EQ(d.cause, Cause::metrics_port) << hop;
        EXPECT_EQ(d.hop.address, "10.244.2.9:12260") << hop;
        EXPECT_EQ(d.hop.name, d.hop.address) << hop;
        EXPECT_EQ(d.hop.role, Role::unknown) << hop;
        EXPECT_THAT(d.fix, HasSubstr("Read the incident")) << hop;
    }
}

TEST(Diagnosis, passes_over_words_that_are_no_cause) {
    Evidence e = example("attributed");
    for (const char* cause : {"", "fine", "Metrics_port", "metrics_port ", "everything"}) {
        e.upstream.first_headers->telltale_cause = cause;
        EXPECT_EQ(diagnose(e).cause, Cause::fine) << cause;
        EXPECT_EQ(diagnose(e).attributed_by, "") << cause;
    }
}

TEST(Diagnosis, believes_its_own_eyes_where_the_two_sides_do_not_match) {
    Evidence e = example("metrics_by_registry");
    e.upstream.http1_response->telltale_cause = "loop";
    EXPECT_EQ(diagnose(e).cause, Cause::metrics_port);
    EXPECT_EQ(diagnose(e).attributed_by, "");
}

TEST(Diagnosis, blames_its_client_when_an_inner_telltale_blames_its_own_for_http1) {
    const Diagnosis d = diagnose(example("attributed_to_client"));
    EXPECT_EQ(d.cause, Cause::metrics_scraper);
    EXPECT_EQ(d.hop.position, HopPosition::client);
    EXPECT_EQ(d.hop.address, "10.244.1.5:43210") << "as this one knows it";
    EXPECT_EQ(d.hop.software, "Prometheus");
    EXPECT_THAT(d.explanation, HasSubstr("\"A scraper asks a gRPC port.\""));
    Evidence e = example("attributed_to_client");
    e.upstream.http1_response->telltale_hop = "not a hop";
    EXPECT_EQ(diagnose(e).hop.position, HopPosition::client);
}

// A client of gRPC did nothing wrong: the proxy that spoiled its call stands between the two.
TEST(Diagnosis, does_not_blame_a_grpc_client_when_an_inner_telltale_blames_its_own) {
    Evidence e = example("attributed");
    e.upstream.first_headers->telltale_cause = "downgraded_by_proxy";
    e.upstream.first_headers->telltale_hop = "client;role=ingress;address=\"10.0.0.9:1234\"";
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.hop.position, HopPosition::upstream);
    EXPECT_EQ(d.hop.address, "10.0.0.9:1234");
    EXPECT_EQ(d.hop.role, Role::ingress);
}

TEST(Diagnosis, shows_hostile_words_of_an_inner_telltale_escaped_and_cut) {
    Evidence e = example("attributed");
    e.upstream.first_headers->telltale_hop = "upstream;name=\"" + std::string(200, 'n') + "\"";
    e.upstream.first_headers->grpc_message = "%0d%0a%1b[31m%ff%2" + std::string(300, 'm');
    const Diagnosis d = diagnose(e);
    expect_bounded(d);
    EXPECT_THAT(d.explanation, HasSubstr(R"("\r\n\x1b[31m\xff%2mmm)"));
    EXPECT_EQ(d.hop.name, std::string(80, 'n') + "…");
}

// ---- what was asked after the incident

TEST(Diagnosis, calls_a_hop_by_the_registry_else_by_dns_else_by_its_address) {
    Evidence e = example("http1_application");
    EXPECT_EQ(diagnose(e).hop.name, "10.244.2.9:12260");
    e.dns_name = "squid.office.example";
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.hop.name, "squid.office.example");
    EXPECT_EQ(d.hop.address, "10.244.2.9:12260");
    EXPECT_THAT(d.hop.evidence, Contains("DNS: 10.244.2.9 is squid.office.example"));
    EXPECT_THAT(d.explanation, HasSubstr(" DNS calls 10.244.2.9 squid.office.example."));
    know_group_rpc_metrics(e);
    EXPECT_EQ(diagnose(e).hop.name, "group-rpc-service");
    EXPECT_THAT(diagnose(e).hop.evidence, Contains("DNS: 10.244.2.9 is squid.office.example"));
    EXPECT_THAT(diagnose(e).explanation, Not(HasSubstr("DNS calls")));
}

TEST(Diagnosis, calls_an_ipv6_hop_by_dns_without_brackets) {
    Evidence e = example("http1_application");
    e.upstream_address = "[fd00::9]:12260";
    e.dns_name = "nine.example";
    EXPECT_THAT(diagnose(e).hop.evidence, Contains("DNS: fd00::9 is nine.example"));
}

TEST(Diagnosis, calls_a_client_at_fault_by_dns) {
    Evidence e = example("scraper_agent");
    e.client_dns_name = "prometheus-0.prometheus.monitoring.svc.cluster.local";
    e.dns_name = "not.its.name";
    const Diagnosis d = diagnose(e);
    EXPECT_EQ(d.hop.name, e.client_dns_name);
    EXPECT_EQ(d.hop.address, "10.244.1.5:43210");
    EXPECT_THAT(d.explanation, HasSubstr("DNS calls 10.244.1.5 prometheus-0."));
    EXPECT_THAT(d.explanation, Not(HasSubstr("not.its.name")));
}

TEST(Diagnosis, shows_nothing_of_a_ptr_record_that_is_no_host_name) {
    for (const std::string_view hostile :
         {std::string_view("<script>alert(1)</script>"), std::string_view("a b"),
          std::string_view("a\n.b"), std::string_view("\xc3\xa9.example"), std::string_view("a..b"),
          std::string_view("a\0b", 3), std::string_view(".")}) {
        Evidence e = example("http1_application");
        e.dns_name = hostile;
        e.client_dns_name = hostile;
        const Diagnosis d = diagnose(e);
        EXPECT_EQ(d.hop.name, "10.244.2.9:12260");
        EXPECT_EQ(d.explanation, diagnose(example("http1_application")).explanation);
        EXPECT_EQ(d.hop.evidence, diagnose(example("http1_application")).hop.evidence);
    }
    Evidence e = example("http1_application");
    for (int i = 0; i < 5; ++i) e.dns_name += std::string(60, 'a') + ".";
    e.dns_name += "example";
    EXPECT_EQ(diagnose(e).hop.name, "10.244.2.9:12260") << "longer than a name may be";
}

TEST(Diagnosis, names_both_services_of_an_address_that_dns_knows_as_another_one) {
    const Diagnosis d = diagnose(example("stale_refused_by_dns"));
    EXPECT_EQ(d.cause, Cause::stale_endpoint);
    EXPECT_EQ(d.confidence, Confidence::likely);
    EXPECT_EQ(d.explanation,
              "10.244.2.9:12260 refused the connection: by DNS the address belongs to "
              "friend-rpc-service.openim, but group-rpc-service.openim was asked for.");
    EXPECT_EQ(d.hop.name, "10-244-2-9.friend-rpc-service.openim.svc.cluster.local");
}

TEST(Diagnosis, makes_nothing_of_a_dns_name_that_may_be_of_the_service_asked_for) {
    struct Case {
        std::string_view owner, requested;
        bool other;
    };
    for (const Case& one : std::initializer_list<Case>{
             {"10-244-2-9.group-rpc-service.openim.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", false},
             {"group-rpc-service.openim.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", false},
             {"etcd-0.etcd-headless.openim.svc.cluster.local", "etcd.openim.svc.cluster.local",
              false},
             {"10-1-1-1.openim-group-rpc-metrics.openim.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", false},
             {"GROUP-RPC-SERVICE.openim.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", false},
             {"10-244-2-9.openim.pod.cluster.local", "group-rpc-service.openim.svc.cluster.local",
              false},
             {"node7.example", "group-rpc-service.openim.svc.cluster.local", false},
             {"10-1-1-1.friend-rpc-service.openim.svc.cluster.local", "", false},
             {"10-1-1-1.friend-rpc-service.openim.svc.cluster.local", "group.example", false},
             {"10-1-1-1.svc.svc.svc.cluster.local", "svc.svc.svc.cluster.local", false},
             {"10-1-1-1.friend-rpc-service.openim.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", true},
             {"10-1-1-1.group-rpc-service.staging.svc.cluster.local",
              "group-rpc-service.openim.svc.cluster.local", true},
             {"redis-0.redis.data.svc.k8s.example", "group-rpc.openim.svc.k8s.example", true},
         }) {
        Evidence e = example("refused");
        e.dns_name = one.owner;
        e.requested_dns_name = one.requested;
        EXPECT_EQ(diagnose(e).cause, one.other ? Cause::stale_endpoint : Cause::refused)
            << one.owner << " for " << one.requested;
    }
}

TEST(Diagnosis, is_never_certain_by_a_ptr_record) {
    for (const Rule& rule : rules()) {
        const bool by_dns = rule.need.has(Fact::dns_other_service);
        EXPECT_FALSE(by_dns && rule.confidence == Confidence::certain) << rule.id;
    }
}

TEST(Diagnosis, names_the_sibling_port_that_speaks_grpc) {
    const Diagnosis d = diagnose(example("http1_beside_grpc"));
    EXPECT_EQ(d.cause, Cause::http1_application);
    EXPECT_EQ(d.confidence, Confidence::certain);
    EXPECT_THAT(d.explanation, HasSubstr(" Port 10260 of the same address speaks gRPC."));
    EXPECT_THAT(d.fix, HasSubstr("Dial 10.244.2.9:10260, which speaks gRPC, not 10.244.2.9:12260"));
    EXPECT_THAT(d.hop.evidence,
                Contains("asked after the incident: 12260 speaks HTTP/1, 10260 speaks gRPC"));
}

TEST(Diagnosis, is_certain_of_a_metrics_port_beside_a_grpc_port_or_by_its_exporter) {
    EXPECT_EQ(diagnose(example("exporter_confirmed")).confidence, Confidence::certain);
    EXPECT_EQ(diagnose(example("metrics_beside_grpc")).confidence, Confidence::certain);
    const Diagnosis d = diagnose(example("metrics_confirmed"));
    EXPECT_EQ(d.confidence, Confidence::likely) << "or a REST port that has /metrics, too";
    EXPECT_EQ(d.hop.role, Role::metrics);
    EXPECT_EQ(d.explanation,
              "10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client, and GET /metrics there "
              "gives Prometheus metrics: it is a metrics port, not a gRPC port.");
    Evidence nginx = example("http1_proxy");
    nginx.confirmed = {{.port = 12260, .spoken = Spoken::http1, .metrics = true}};
    EXPECT_EQ(diagnose(nginx).cause, Cause::http1_proxy) << "nginx passes on whose they are";
}

TEST(Diagnosis, is_certain_of_a_tls_port_that_finished_a_handshake) {
    for (const char* rule : {"tls_confirmed", "tls_confirmed_hung_up", "tls_confirmed_silent"}) {
        const Diagnosis d = diagnose(example(rule));
        EXPECT_EQ(d.cause, Cause::tls_required) << rule;
        EXPECT_EQ(d.confidence, Confidence::certain) << rule;
        EXPECT_THAT(d.explanation, HasSubstr("a TLS handshake with it succeeds")) << rule;
    }
    EXPECT_THAT(diagnose(example("tls_confirmed")).fix, Not(HasSubstr("ALPN")));
    EXPECT_THAT(diagnose(example("tls_confirmed_silent")).fix, HasSubstr("switch HTTP/2 on"));
}

TEST(Diagnosis, tells_of_a_sibling_where_the_dialled_port_is_not_reached) {
    for (const char* rule : {"refused", "timed_out"}) {
        Evidence e = example(rule);
        const Confidence before = diagnose(e).confidence;
        e.confirmed = {{.port = 10260, .spoken = Spoken::grpc, .metrics = false},
                       {.port = 10261, .spoken = Spoken::grpc, .metrics = false}};
        const Diagnosis d = diagnose(e);
        EXPECT_EQ(d.confidence, before);
        EXPECT_THAT(d.explanation,
                    HasSubstr(" Ports 10260 and 10261 of the same address speak gRPC."));
        EXPECT_THAT(d.fix, ::testing::StartsWith("If another port was meant, dial "
                                                 "10.244.2.9:10260, which speaks gRPC. "));
    }
}

TEST(Diagnosis, says_when_nothing_was_found_behind_a_port_that_hangs_up) {
    Evidence e = example("closed");
    e.confirmed = {{.port = 12260, .spoken = Spoken::nothing, .metrics = false}};
    EXPECT_EQ(diagnose(e).cause, Cause::closed_before_preface);
    EXPECT_THAT(diagnose(e).explanation, HasSubstr("answered neither HTTP/2 nor TLS nor HTTP/1"));
    e.confirmed = {{.port = 12260, .spoken = Spoken::refused, .metrics = false}};
    EXPECT_THAT(diagnose(e).explanation, HasSubstr("what listened there has gone"));
}

TEST(Diagnosis, doubts_itself_where_the_port_speaks_grpc_when_it_is_asked_again) {
    for (const char* rule : {"metrics_by_registry", "http1_application", "closed", "http1_proxy",
                             "named_protocol", "silent_upstream"}) {
        Evidence e = example(rule);
        const Cause before = diagnose(e).cause;
        e.confirmed = {{.port = 12260, .spoken = Spoken::grpc, .metrics = false}};
        const Diagnosis d = diagnose(e);
        EXPECT_EQ(d.cause, before) << rule;
        EXPECT_EQ(d.confidence, Confidence::possible) << rule;
        EXPECT_THAT(d.explanation, HasSubstr("Asked again after the incident, this port speaks "
                                             "gRPC"))
            << rule;
    }
    Evidence e = example("answer_not_grpc");
    e.confirmed = {{.port = 12260, .spoken = Spoken::grpc, .metrics = false}};
    EXPECT_EQ(diagnose(e).confidence, Confidence::certain) << "one route is wrong, others are not";
    EXPECT_THAT(diagnose(e).explanation, HasSubstr("only this route"));
}

TEST(Diagnosis, says_when_the_port_of_the_registry_does_not_serve_there) {
    Evidence e = example("metrics_by_registry");
    e.confirmed = {{.port = 12260, .spoken = Spoken::http1, .metrics = true},
                   {.port = 10260, .spoken = Spoken::refused, .metrics = false}};
    EXPECT_THAT(diagnose(e).explanation, HasSubstr(" Port 10260 of this address, where the "
                                                   "registry has gRPC, refuses connections."));
}

TEST(Diagnosis, believes_another_telltale_more_than_what_it_asked_itself) {
    Evidence e = example("attributed");
    const Diagnosis before = diagnose(e);
    e.confirmed = {{.port = 12260, .spoken = Spoken::grpc, .metrics = false},
                   {.port = 10260, .spoken = Spoken::grpc, .metrics = false}};
    e.dns_name = "telltale.example";
    EXPECT_EQ(diagnose(e).explanation, before.explanation);
    EXPECT_EQ(diagnose(e).confidence, before.confidence);
}

// What is learned may make a cause more precise; it never makes an incident go away.
TEST(Diagnosis, of_an_incident_stays_an_incident_whatever_is_learned) {
    for (const Example& one : examples()) {
        const bool fine = diagnose(one.evidence).cause == Cause::fine;
        for (size_t spoken = 0; spoken < spoken_names.size(); ++spoken) {
            for (const uint16_t port : {uint16_t{12260}, uint16_t{10260}}) {
                Evidence e = one.evidence;
                e.dns_name = "10-244-2-9.friend-rpc-service.openim.svc.cluster.local";
                e.requested_dns_name = "group-rpc-service.openim.svc.cluster.local";
                e.confirmed.push_back({.port = port,
                                       .spoken = static_cast<Spoken>(spoken),
                                       .metrics = spoken % 2 == 0});
                const Diagnosis d = diagnose(e);
                EXPECT_EQ(d.cause == Cause::fine, fine) << one.rule << " " << spoken;
                expect_bounded(d);
            }
        }
    }
}

// ---- what is no incident

TEST(Diagnosis, does_not_blame_an_upstream_that_closed_after_its_client) {
    Evidence e = connected();
    e.upstream = side(Protocol::closed);
    e.silent_for = 200;
    end(e, Side::client, EndKind::eof);
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
    e.silent_for = 5000;
    EXPECT_EQ(diagnose(e).cause, Cause::silent_upstream);
}

TEST(Diagnosis, takes_a_reset_after_an_answered_call_for_fine) {
    Evidence e = example("fine_http2");
    end(e, Side::upstream, EndKind::reset);
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
    end(e, Side::client, EndKind::reset);
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
}

TEST(Diagnosis, takes_a_graceful_goaway_for_fine) {
    Evidence e = example("fine_http2");
    e.upstream.goaway = Http2Goaway{.error_code = 0, .last_stream = 7, .debug = "max_age"};
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
}

TEST(Diagnosis, lets_http1_probes_be_where_grpc_is_not_declared) {
    Evidence e = example("fine_http1");
    e.client = http1_client("GET", "/healthz", "kube-probe/1.30");
    EXPECT_EQ(diagnose(e).cause, Cause::fine);
    e.expect = Expect::grpc;
    EXPECT_EQ(diagnose(e).cause, Cause::health_probe);
}

// ---- the whole way from bytes

Diagnosis of_bytes(std::string_view client, std::string_view upstream, Expect expect, Evidence& e) {
    Conversation conversation(expect, ConversationLimits{});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, as_bytes(client), 1);
    conversation.on_bytes(Side::upstream, as_bytes(upstream), 2);
    conversation.on_end(Side::upstream, StreamEnd::fin, 3);
    conversation.on_close(4);
    e = connected();
    e.expect = expect;
    end(e, Side::upstream, EndKind::eof);
    conversation.describe(e);
    return diagnose(e);
}

TEST(Diagnosis, of_captured_answers_to_a_grpc_client) {
    const std::map<std::string_view, Cause> causes = {
        {"nginx_plain_400", Cause::http1_proxy},
        {"haproxy_plain_400", Cause::http1_proxy},
        {"squid_400", Cause::forward_proxy},
        {"tinyproxy_http10_400", Cause::forward_proxy},
        {"prometheus_400", Cause::http1_application},
        {"go_not_found_handler_404", Cause::http1_application},
        {"node_http_400", Cause::http1_application},
        {"python_http_server_html", Cause::http1_application},
        {"gunicorn_http20_text_200", Cause::http1_application},
        {"prometheus_cpp_http20_text_400", Cause::metrics_port},
        {"lighttpd_http10_505", Cause::http1_proxy},
        {"openssh_banner", Cause::other_protocol},
        {"mariadb_handshake", Cause::other_protocol},
        {"redis_error", Cause::other_protocol},
        {"vsftpd_greeting", Cause::other_protocol},
        {"openssl_protocol_version_alert", Cause::tls_required},
        {"grpc_go_settings", Cause::fine},
        {"grpc_core_settings", Cause::fine},
        {"nghttpd_http2_404_headers", Cause::http2_not_grpc},
        {"nginx_grpc_pass_to_http1_502_headers", Cause::http2_not_grpc},
        {"haproxy_http2_dead_backend_503_headers", Cause::http2_not_grpc},
        {"grpc_core_unary_answer", Cause::fine},
        {"grpc_go_unimplemented_trailers", Cause::fine},
    };
    const std::string client = client_bytes("grpc_core_first_flight");
    for (const auto& [name, cause] : causes) {
        Evidence e;
        const Diagnosis d = of_bytes(client, upstream_bytes(name), Expect::grpc, e);
        EXPECT_EQ(sniff::name(d.cause), sniff::name(cause)) << name << ": " << d.explanation;
    }
}

TEST(Diagnosis, has_a_cause_for_every_mismatch_and_none_without_one) {
    for (const std::string& client : files_of(Side::client)) {
        for (const std::string& upstream : files_of(Side::upstream)) {
            for (const Expect expect : {Expect::any, Expect::grpc, Expect::http}) {
                Evidence e;
                const Diagnosis d =
                    of_bytes(client_bytes(client), upstream_bytes(upstream), expect, e);
                expect_bounded(d);
                const std::string who = client + " + " + upstream + ", expect " +
                                        std::string(name(expect)) + ": " +
                                        std::string(name(d.cause)) + " " + d.explanation;
                if (e.verdict == Verdict::mismatch) {
                    EXPECT_NE(d.cause, Cause::fine) << who;
                } else {
                    EXPECT_TRUE(!is_mismatch(d.cause) || e.upstream.goaway) << who;
                }
            }
        }
    }
}

// ---- any evidence

template <typename T, size_t N>
T one_of(Random& random, const std::array<std::string_view, N>&) {
    return static_cast<T>(random.below(N));
}

std::string any_text(Random& random) {
    return random.bytes(random.below(random.below(8) == 0 ? 300 : 20));
}

std::string any_cause(Random& random) {
    if (random.below(2) == 0) return {};
    return random.below(2) == 0 ? any_text(random)
                                : std::string(cause_names[random.below(cause_names.size())]);
}

SideEvidence any_side(Random& random) {
    SideEvidence s;
    s.protocol = one_of<Protocol>(random, protocol_names);
    s.bytes = random.below(3) * 100;
    s.first_bytes = any_text(random);
    s.greeting = any_text(random);
    if (random.below(2) == 0) {
        s.http1_request = Http1Request{};
        s.http1_request->method = random.below(3) == 0 ? "CONNECT" : any_text(random);
        s.http1_request->target = any_text(random);
        s.http1_request->version = any_text(random);
        s.http1_request->user_agent = any_text(random);
        s.http1_request->content_type =
            random.below(3) == 0 ? "application/grpc" : any_text(random);
        s.http1_request->forwarded.assign(random.below(12), any_text(random));
    }
    if (random.below(2) == 0) {
        s.http1_response = Http1Response{};
        s.http1_response->version = any_text(random);
        s.http1_response->status = static_cast<int>(random.below(1200)) - 100;
        s.http1_response->server = any_text(random);
        s.http1_response->via = any_text(random);
        s.http1_response->body = any_text(random);
        s.http1_response->headers.assign(random.below(4), {any_text(random), any_text(random)});
        s.http1_response->telltale_cause = any_cause(random);
        s.http1_response->telltale_hop = any_text(random);
    }
    if (random.below(2) == 0) {
        s.first_headers = Http2Headers{};
        s.first_headers->status = static_cast<int>(random.below(700)) - 1;
        s.first_headers->content_type = any_text(random);
        s.first_headers->grpc_message = any_text(random);
        s.first_headers->server = any_text(random);
        s.first_headers->telltale_cause = any_cause(random);
        s.first_headers->telltale_hop = any_text(random);
    }
    if (random.below(3) == 0)
        s.goaway = Http2Goaway{.error_code = static_cast<uint32_t>(random.below(20)),
                               .last_stream = 0,
                               .debug = any_text(random)};
    if (random.below(3) == 0)
        s.tls_alert = TlsAlert{.level = 2, .description = static_cast<uint8_t>(random.below(256))};
    if (random.below(2) == 0)
        s.tls_hello = TlsHello{.sni = any_text(random),
                               .alpn = {any_text(random)},
                               .versions = {0x0303},
                               .complete = true,
                               .hello_retry = false};
    return s;
}

Evidence any_evidence(Random& random) {
    Evidence e;
    e.listener = any_text(random);
    e.expect = one_of<Expect>(random, expect_names);
    e.client_address = any_text(random);
    e.upstream_address = any_text(random);
    e.upstream_port = static_cast<uint16_t>(random.below(65536));
    e.requested = any_text(random);
    e.client = any_side(random);
    e.upstream = any_side(random);
    e.layers.assign(random.below(3), static_cast<Layer>(random.below(5)));
    e.connect_target = any_text(random);
    e.verdict = one_of<Verdict>(random, verdict_names);
    e.outcome = static_cast<Outcome>(random.below(9));
    e.attempts.assign(random.below(9),
                      {.address = any_text(random), .error = static_cast<int>(random.below(140))});
    e.resolve_error = any_text(random);
    e.ended = random.below(2) == 0;
    if (random.below(2) == 0) e.ended_by.side = static_cast<Side>(random.below(2));
    e.ended_by.operation = static_cast<Operation>(random.below(10));
    e.ended_by.kind = static_cast<EndKind>(random.below(6));
    e.ended_by.error = static_cast<int>(random.below(140));
    if (random.below(2) == 0) e.silent_for = static_cast<Millis>(random.below(9000));
    e.now = static_cast<Millis>(random.below(9000));
    e.registry.service = random.below(2) == 0 ? any_text(random) : std::string();
    e.registry.requested_service = random.below(2) == 0 ? any_text(random) : std::string();
    e.registry.port_role = static_cast<PortRole>(random.below(3));
    e.registry.source = any_text(random);
    return e;
}

TEST(Diagnosis, of_any_evidence_is_there_bounded_and_printable) {
    Random random;
    for (int i = 0; i < 4000; ++i) {
        const Evidence e = any_evidence(random);
        const Diagnosis d = diagnose(e);
        expect_bounded(d);
        EXPECT_EQ(d.cause == Cause::fine, d.explanation.empty()) << rule_of(e);
        EXPECT_EQ(d.explanation, diagnose(e).explanation);
        ASSERT_FALSE(HasFailure()) << "seed " << random.seed() << ", rule " << rule_of(e);
    }
}

// ---- docs/runbook.md

TEST(Runbook, has_one_anchor_per_cause) {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/docs/runbook.md");
    ASSERT_TRUE(file.good());
    std::map<std::string, int> lines_below;
    std::string current;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## ")) {
            current = line.substr(3);
            EXPECT_FALSE(lines_below.contains(current)) << "twice: " << current;
            lines_below[current] = 0;
        } else if (!current.empty() && !line.empty()) {
            ++lines_below[current];
        }
    }
    for (const std::string_view cause : cause_names) {
        if (cause == name(Cause::fine)) continue;
        ASSERT_TRUE(lines_below.contains(std::string(cause))) << cause;
        EXPECT_GE(lines_below[std::string(cause)], 4) << cause;
    }
}

}  // namespace
}  // namespace telltale::sniff::test
