#include "proxy/probe/report_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <string>

#include "tests/proxy/probe/examples.h"

namespace telltale::proxy::probe {
namespace {

using namespace examples;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Report report_of(Observations seen) {
    Report report;
    report.target = {.host = "10.0.0.1", .port = 12260};
    report.seen = std::move(seen);
    report.verdict = judge(report.target, report.seen);
    return report;
}

void add_sibling(Report& report, uint16_t port, Observations seen, std::string why = {}) {
    const Verdict verdict = judge({.host = "10.0.0.1", .port = port}, seen);
    report.siblings.push_back(
        {.port = port, .why = std::move(why), .seen = std::move(seen), .verdict = verdict});
}

Observations serving() {
    Observations seen = reached();
    seen.h2c = grpc();
    return seen;
}

TEST(ProbeReport, begins_with_the_verdict_and_the_port_that_speaks_grpc) {
    Report report = report_of(metrics_port());
    add_sibling(report, 10260, serving(), "gRPC port of group-rpc-service by the openim data set");
    const std::string text = to_text(report, Colour::off);
    EXPECT_THAT(
        text,
        StartsWith("10.0.0.1:12260 cannot serve gRPC: it speaks HTTP/1.1 (Go net/http ServeMux, "
                   "Prometheus metrics). 10260 on the same address speaks gRPC.\n"));
    EXPECT_THAT(
        text, HasSubstr("\n  10260      speaks gRPC in plaintext; gRPC port of group-rpc-service"));
    EXPECT_THAT(text, HasSubstr("\n  next       point the client at 10.0.0.1:10260 (gRPC port of"));
    EXPECT_THAT(text, HasSubstr("\n  tcp        10.0.0.1:80 connected in 0.2 ms\n"));
    EXPECT_THAT(text, HasSubstr("\n  /metrics   HTTP/1.1 200, Prometheus text format\n"));
    EXPECT_THAT(text, Not(HasSubstr("this is its metrics port"))) << "one such step is enough";
}

TEST(ProbeReport, says_when_no_port_beside_it_helps) {
    Report report = report_of(metrics_port());
    add_sibling(report, 1, failed(Reach::refused, ECONNREFUSED));
    EXPECT_THAT(headline(report), HasSubstr(". 1, tried beside it, does not speak gRPC either."));
    add_sibling(report, 2, metrics_port());
    EXPECT_THAT(headline(report), HasSubstr(". None of 2 ports tried beside it speaks gRPC."));
    add_sibling(report, 3, serving());
    add_sibling(report, 4, serving());
    EXPECT_THAT(headline(report), HasSubstr(". 3 and 4 on the same address speak gRPC."));
}

TEST(ProbeReport, tells_ports_of_tls_apart) {
    Report report = report_of(metrics_port());
    Observations in_tls = reached();
    in_tls.tls = tls("h2");
    in_tls.tls.http2 = grpc();
    add_sibling(report, 443, in_tls);
    EXPECT_THAT(headline(report), HasSubstr("443 on the same address speaks gRPC over TLS."));
    EXPECT_THAT(next_steps(report).front(), HasSubstr("10.0.0.1:443, with TLS"));
}

TEST(ProbeReport, shows_certificate_health_and_services) {
    Observations seen = reached();
    seen.tls = tls("h2");
    seen.tls.not_trusted = "self-signed certificate";
    seen.tls.http2 = grpc();
    seen.tls.http2.grpc.health = Health::serving;
    seen.tls.http2.grpc.reflection = Reflection::listed;
    seen.tls.http2.grpc.services = {"a.A", "b.B"};
    const std::string text = to_text(report_of(seen), Colour::off);
    for (const char* line : {"  tls        TLSv1.3, ALPN h2\n",
                             "  cert       CN = name for name, by CN = roots, until "
                             "2027-01-01T00:00:00Z (40 days left)\n",
                             "  trust      not trusted: self-signed certificate, is for name\n",
                             "  health     SERVING\n", "  services   a.A, b.B\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

TEST(ProbeReport, is_coloured_only_where_asked) {
    const Report report = report_of(serving());
    EXPECT_THAT(to_text(report, Colour::off), Not(HasSubstr("\x1b")));
    EXPECT_THAT(to_text(report, Colour::on), StartsWith("\x1b[1;32m"));
    EXPECT_THAT(to_text(report_of(metrics_port()), Colour::on), StartsWith("\x1b[1;31m"));
}

TEST(ProbeReport, is_one_line_of_json) {
    Report report = report_of(metrics_port());
    add_sibling(report, 10260, serving(), "why");
    const std::string line = to_json(report);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto value = boost::json::parse(line).as_object();
    EXPECT_EQ(value.at("target").as_string(), "10.0.0.1:12260");
    EXPECT_EQ(value.at("finding").as_string(), "metrics");
    EXPECT_EQ(value.at("outlook").as_string(), "does_not");
    EXPECT_EQ(value.at("spoken").as_string(), "http1");
    EXPECT_EQ(value.at("h2c").at("http1").at("status").as_int64(), 400);
    EXPECT_TRUE(value.at("metrics").at("prometheus").as_bool());
    EXPECT_EQ(value.at("siblings").at(0).at("spoken").as_string(), "grpc");
    EXPECT_EQ(value.at("siblings").at(0).at("port").as_int64(), 10260);
    EXPECT_TRUE(value.at("tls").at("certificate").is_null());
}

TEST(ProbeReport, escapes_and_cuts_whatever_a_peer_says) {
    const std::string evil = "\x1b[2J<script>\xff\xfe\r\n" + std::string(1U << 16U, 'A');
    Observations seen = reached();
    seen.h2c = grpc(2, evil);
    seen.h2c.grpc.server = evil;
    seen.h2c.grpc.content_type = evil;
    seen.h2c.grpc.reflection = Reflection::listed;
    seen.h2c.grpc.services.assign(services_max, evil.substr(0, 256));
    seen.tls = tls("h2");
    seen.tls.alpn = evil;
    seen.tls.certificate = Certificate{.subject = evil,
                                       .issuer = evil,
                                       .names = {evil, evil},
                                       .not_before = evil,
                                       .not_after = evil,
                                       .days_left = -1};
    seen.get = says<Http1Answer>(Protocol::http1, "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n");
    seen.get.said.http1_response->server = evil;
    seen.get.said.http1_response->location = evil;
    seen.get.said.first_bytes = evil;
    const Report report = report_of(seen);
    for (const std::string& out : {to_json(report), to_text(report, Colour::off)}) {
        EXPECT_LT(out.size(), 128U << 10U);
        EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte == '\n' || (byte >= 0x20 && byte != 0x7f);
        }));
        EXPECT_THAT(out, Not(HasSubstr("\xff")));
    }
    EXPECT_EQ(to_json(report).find('\n'), std::string::npos);
    EXPECT_TRUE(boost::json::parse(to_json(report)).is_object());
}

TEST(ProbeReport, keeps_one_word_per_port_for_the_incident_record) {
    const Observations seen = metrics_port();
    const auto kept = confirmed(12260, seen, judge({.host = "a", .port = 12260}, seen));
    EXPECT_EQ(kept.port, 12260);
    EXPECT_EQ(kept.spoken, sniff::Spoken::http1);
    EXPECT_TRUE(kept.metrics);
}

}  // namespace
}  // namespace telltale::proxy::probe
