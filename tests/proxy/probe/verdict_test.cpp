#include "proxy/probe/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tests/proxy/probe/examples.h"

namespace telltale::proxy::probe {
namespace {

using namespace examples;
using sniff::Spoken;
using testing::HasSubstr;

const Target target{.host = "name", .port = 80};

struct Row {
    std::string name;
    std::function<void(Observations& seen)> saw;
    Finding finding;
    Outlook outlook;
    Spoken spoken;
    std::string says;
};
void PrintTo(const Row& row, std::ostream* out) {
    *out << row.name;
}

const Http2Answer shut = wordless<Http2Answer>(Protocol::closed, End::fin);
const Http2Answer hushed = wordless<Http2Answer>(Protocol::silent, End::timeout);

TlsAnswer no_tls(End end) {
    TlsAnswer answer;
    answer.end = end;
    return answer;
}

std::string head(const std::string& rest) {
    return "HTTP/1.1 400 Bad Request\r\n" + rest + "\r\n\r\n";
}

using enum Finding;
constexpr auto works = Outlook::works;
constexpr auto does_not = Outlook::does_not;

// clang-format off
const std::vector<Row> rows = {
    {"grpc_in_plaintext", [](auto& seen) { seen.h2c = examples::grpc(); seen.tls = no_tls(End::fin); },
     Finding::grpc, works, Spoken::grpc, "name:80 speaks gRPC in plaintext."},
    {"grpc_of_grpc_go", [](auto& seen) { seen.h2c = examples::grpc(); seen.h2c.said.settings = {{5, 16384}}; },
     Finding::grpc, works, Spoken::grpc, "speaks gRPC in plaintext (grpc-go)."},
    {"grpc_that_wants_credentials", [](auto& seen) { seen.h2c = examples::grpc(16, "no token"); },
     Finding::grpc, works, Spoken::grpc, "answered a method that nobody has with grpc-status 16 \"no token\"."},
    {"grpc_of_a_proxy", [](auto& seen) { seen.h2c = examples::grpc(); seen.h2c.said.settings = {{8, 1}, {3, 100}}; },
     Finding::grpc, works, Spoken::grpc, "a proxy: what is behind it can only be told by a call of a real method"},
    {"grpc_that_is_not_serving", [](auto& seen) { seen.h2c = examples::grpc(); seen.h2c.grpc.health = Health::not_serving; },
     Finding::grpc, works, Spoken::grpc, "Its health service says NOT_SERVING."},
    {"grpc_in_both", [](auto& seen) { seen.h2c = examples::grpc(); seen.tls = tls("h2"); seen.tls.http2 = examples::grpc(); },
     grpc_both, works, Spoken::grpc, "speaks gRPC in plaintext and over TLS."},
    {"grpc_in_tls", [](auto& seen) { seen.h2c = shut; seen.tls = tls("h2"); seen.tls.http2 = examples::grpc(); },
     grpc_tls, works, Spoken::tls_h2, "speaks gRPC over TLS only: clients must use TLS."},
    {"grpc_in_tls_behind_a_400", [](auto& seen) {
         seen.h2c = says<Http2Answer>(Protocol::http1, head("Server: nginx"));
         seen.tls = tls("h2"); seen.tls.http2 = examples::grpc(); },
     grpc_tls, works, Spoken::tls_h2, "over TLS only"},
    {"grpc_in_tls_that_nobody_signed", [](auto& seen) {
         seen.tls = tls("h2"); seen.tls.http2 = examples::grpc(); seen.tls.not_trusted = "self-signed certificate"; },
     grpc_tls, works, Spoken::tls_h2, "Its certificate is not trusted by the roots used here (self-signed certificate)."},
    {"grpc_in_tls_that_has_expired", [](auto& seen) {
         seen.tls = tls("h2"); seen.tls.http2 = examples::grpc(); seen.tls.certificate->days_left = -3;
         seen.tls.not_trusted = "certificate has expired"; seen.tls.name_matches = false; },
     grpc_tls, works, Spoken::tls_h2, "Its certificate has expired (2027-01-01T00:00:00Z) and is not for name."},
    {"grpc_in_tls_without_alpn", [](auto& seen) { seen.tls = tls(""); seen.tls.http2_without_alpn = examples::grpc(); },
     grpc_tls_without_alpn, does_not, Spoken::tls, "but selects no protocol by ALPN"},
    {"http2_of_a_page", [](auto& seen) { seen.h2c = http2(404); seen.h2c.grpc.content_type = "text/html"; },
     http2_not_grpc, does_not, Spoken::http2, "speaks HTTP/2 but not gRPC: a gRPC call was answered with HTTP 404 text/html."},
    {"http2_that_resets", [](auto& seen) { seen.h2c = http2(0); seen.h2c.grpc.reset = true; seen.h2c.grpc.reset_code = 7; },
     http2_not_grpc, does_not, Spoken::http2, "RST_STREAM REFUSED_STREAM"},
    {"http2_that_leaves", [](auto& seen) { seen.h2c = http2(0); seen.h2c.said.goaway = sniff::Http2Goaway{.error_code = 11, .last_stream = 0, .debug = {}}; },
     http2_not_grpc, does_not, Spoken::http2, "it left with GOAWAY ENHANCE_YOUR_CALM"},
    {"http2_that_hangs", [](auto& seen) { seen.h2c = http2(0); seen.h2c.end = End::timeout; },
     http2_silent, does_not, Spoken::http2, "a gRPC call was not answered in time."},
    {"http2_without_end", [](auto& seen) { seen.h2c = http2(0); seen.h2c.end = End::limit; },
     http2_silent, does_not, Spoken::http2, "it sent frames without end"},
    {"http2_in_tls", [](auto& seen) { seen.h2c = shut; seen.tls = tls("h2"); seen.tls.http2 = http2(200); },
     http2_not_grpc_tls, does_not, Spoken::tls_h2, "speaks HTTP/2 over TLS but not gRPC"},
    {"h2_selected_and_silence", [](auto& seen) { seen.h2c = shut; seen.tls = tls("h2"); seen.tls.http2 = hushed; seen.tls.end = End::timeout; },
     http2_silent, does_not, Spoken::tls, "selects h2 by ALPN, but says nothing"},
    {"tls_with_http1_alone", [](auto& seen) {
         seen.h2c = says<Http2Answer>(Protocol::http1, head("Server: nginx/1.22.1"));
         seen.tls = tls("http/1.1"); },
     tls_without_h2, does_not, Spoken::tls, "it speaks TLS (nginx 1.22.1), but ALPN selects http/1.1, not h2."},
    {"tls_without_alpn", [](auto& seen) { seen.h2c = shut; seen.tls = tls(""); },
     tls_without_h2, does_not, Spoken::tls, "but ALPN selects nothing, not h2."},
    {"tls_that_refuses_both_protocols", [](auto& seen) { seen.h2c = shut; seen.tls = tls_alert(120); },
     tls_without_h2, does_not, Spoken::tls, "(alert no_application_protocol (120))"},
    {"tls_that_wants_a_certificate", [](auto& seen) {
         seen.h2c = shut; seen.tls = tls("h2"); seen.tls.certificate_asked = true;
         seen.tls.alert = sniff::TlsAlert{.level = 2, .description = 116}; },
     tls_client_certificate, does_not, Spoken::tls, "wants a client certificate before anything else (alert certificate_required (116))"},
    {"tls_that_refuses_a_handshake_without_certificate", [](auto& seen) {
         seen.h2c = shut; seen.tls = tls_alert(40); seen.tls.certificate_asked = true; },
     tls_client_certificate, does_not, Spoken::tls, "handshake_failure"},
    {"http2_that_wants_a_certificate", [](auto& seen) {
         seen.h2c = shut; seen.tls = tls("h2"); seen.tls.certificate_asked = true; seen.tls.http2 = http2(400); },
     http2_not_grpc_tls, does_not, Spoken::tls_h2, "HTTP 400"},
    {"tls_of_another_name", [](auto& seen) { seen.h2c = shut; seen.tls = tls_alert(112); seen.tls.server_name = "name"; },
     tls_wrong_name, does_not, Spoken::tls, "does not know the server name name (alert unrecognized_name (112))."},
    {"tls_without_a_name", [](auto& seen) { seen.h2c = shut; seen.tls = tls_alert(112); },
     tls_wrong_name, does_not, Spoken::tls, "does not know no server name"},
    {"tls_of_an_old_version", [](auto& seen) { seen.h2c = shut; seen.tls = tls_alert(70); },
     tls_failed, does_not, Spoken::tls, "no handshake came about (alert protocol_version (70))."},
    {"an_alert_to_the_preface_where_tls_was_not_tried", [](auto& seen) {
         seen.h2c = says<Http2Answer>(Protocol::tls_alert, "\x15\x03\x01"); },
     tls_failed, does_not, Spoken::tls, "answers the plaintext HTTP/2 preface with a TLS alert."},
    {"metrics_port", [](auto& seen) { seen = metrics_port(); },
     metrics, does_not, Spoken::http1, "cannot serve gRPC: it speaks HTTP/1.1 (Go net/http ServeMux, Prometheus metrics)."},
    {"application", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::http1, head("Server: Jetty(9.4)")); },
     http1_application, does_not, Spoken::http1, "it speaks HTTP/1.1 (Jetty"},
    {"somebody_of_http1", [](auto& seen) { seen.get = says<Http1Answer>(Protocol::http1, "HTTP/1.0 200 OK\r\n\r\n"); seen.h2c = shut; },
     http1_application, does_not, Spoken::http1, "it speaks HTTP/1.0."},
    {"page_without_a_status_line", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::http1, "<!DOCTYPE HTML>\n<p>no"); },
     http1_application, does_not, Spoken::http1, "it speaks HTTP/1."},
    {"reverse_proxy", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::http1, head("Server: nginx/1.22.1")); },
     http1_proxy, does_not, Spoken::http1, "it speaks HTTP/1.1 (nginx 1.22.1, a proxy)."},
    {"proxy_told_by_via", [](auto& seen) { seen.get = says<Http1Answer>(Protocol::http1, head("Via: 1.1 edge")); },
     http1_proxy, does_not, Spoken::http1, "(a proxy)"},
    {"forward_proxy", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::http1, head("Server: squid/5.7")); },
     forward_proxy, does_not, Spoken::http1, "(Squid 5.7, a forward proxy)."},
    {"ssh", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::ssh, "SSH-2.0-OpenSSH_9.2p1 Debian"); },
     other_protocol, does_not, Spoken::other, "cannot serve gRPC: it is OpenSSH 9.2p1."},
    {"redis", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::redis, "-ERR unknown command"); },
     other_protocol, does_not, Spoken::other, "it is Redis."},
    {"smtp", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::smtp, "220 mail ESMTP"); },
     other_protocol, does_not, Spoken::other, "it is SMTP or FTP server"},
    {"unknown_bytes", [](auto& seen) { seen.h2c = says<Http2Answer>(Protocol::other, "\x01\x02hello"); },
     other_protocol, does_not, Spoken::other, "bytes of no known protocol (\"\\x01\\x02hello\")"},
    {"silence", [](auto& seen) { seen.h2c = hushed; seen.tls = no_tls(End::timeout); },
     Finding::silent, does_not, Spoken::nothing, "accepts connections and says nothing, neither to the HTTP/2 preface nor to a TLS hello."},
    {"a_door_that_shuts", [](auto& seen) { seen.h2c = shut; seen.tls = no_tls(End::fin); },
     closes, does_not, Spoken::nothing, "closes them without a word, to the HTTP/2 preface and to a TLS hello."},
    {"a_door_that_slams", [](auto& seen) { seen.h2c = wordless<Http2Answer>(Protocol::reset, End::reset); seen.tls = no_tls(End::reset); },
     closes, does_not, Spoken::nothing, "accepts connections and resets them"},
};
// clang-format on

class VerdictRow : public testing::TestWithParam<Row> {};

TEST_P(VerdictRow, is_told) {
    Observations seen = reached();
    GetParam().saw(seen);
    const Verdict verdict = judge(target, seen);
    EXPECT_EQ(name(verdict.finding), name(GetParam().finding)) << verdict.sentence;
    EXPECT_EQ(verdict.outlook, GetParam().outlook);
    EXPECT_EQ(verdict.spoken, GetParam().spoken);
    EXPECT_THAT(verdict.sentence, HasSubstr(GetParam().says));
    EXPECT_TRUE(verdict.sentence.starts_with("name:80 ")) << verdict.sentence;
    EXPECT_TRUE(verdict.sentence.ends_with('.')) << verdict.sentence;
    EXPECT_TRUE(verdict.outlook == works || !verdict.next.empty());
}

INSTANTIATE_TEST_SUITE_P(Verdict, VerdictRow, testing::ValuesIn(rows),
                         [](const auto& told) { return told.param.name; });

struct UnreachableRow {
    Observations seen;
    Finding finding;
    Spoken spoken;
    std::string says;
};

std::vector<UnreachableRow> unreachable_rows() {
    Observations no_name;
    no_name.resolve_error = "Host not found (authoritative)";
    Observations without_openssl;
    without_openssl.tls.error = "TLS was not tried: libssl is not usable here";
    return {
        {no_name, dns_failure, Spoken::no_reply, "the name name has no address (Host not found"},
        {failed(Reach::refused, ECONNREFUSED), refused, Spoken::refused, "nothing listens"},
        {failed(Reach::timed_out, ETIMEDOUT), no_answer, Spoken::no_reply, "no answer to the SYN"},
        {failed(Reach::unreachable, EHOSTUNREACH), unreachable, Spoken::no_reply, "EHOSTUNREACH"},
        {failed(Reach::local_limit, EMFILE), not_asked, Spoken::unknown, "by this host: EMFILE"},
        {failed(Reach::cut, 0), not_asked, Spoken::unknown, "the time was over"},
        {without_openssl, not_asked, Spoken::unknown, "libssl is not usable here"}};
}

TEST(Verdict, tells_what_was_never_reached) {
    for (const UnreachableRow& row : unreachable_rows()) {
        const Verdict verdict = judge(target, row.seen);
        EXPECT_EQ(name(verdict.finding), name(row.finding)) << verdict.sentence;
        EXPECT_EQ(verdict.outlook, Outlook::unreachable);
        EXPECT_EQ(verdict.spoken, row.spoken);
        EXPECT_THAT(verdict.sentence, HasSubstr(row.says));
    }
}

TEST(Verdict, names_each_address_that_failed) {
    Observations seen = failed(Reach::refused, ECONNREFUSED);
    seen.attempts.push_back({.address = "[::1]:80", .reach = Reach::timed_out, .error = ETIMEDOUT});
    EXPECT_THAT(
        judge(target, seen).sentence,
        HasSubstr(
            "(10.0.0.1:80: ECONNREFUSED (connection refused); [::1]:80: ETIMEDOUT (timed out))."));
}

TEST(Verdict, has_a_row_for_every_finding) {
    std::set<Finding> told;
    for (const Row& row : rows) told.insert(row.finding);
    for (const UnreachableRow& row : unreachable_rows()) told.insert(row.finding);
    EXPECT_EQ(told.size(), finding_names.size());
}

TEST(Verdict, never_prints_what_a_peer_sent_as_it_is) {
    Observations seen = reached();
    seen.h2c = examples::grpc(13, "\x1b[31m<b>\r\nred");
    EXPECT_THAT(judge(target, seen).sentence, HasSubstr("\"\\x1b[31m<b>\\r\\nred\""));
}

}  // namespace
}  // namespace telltale::proxy::probe
