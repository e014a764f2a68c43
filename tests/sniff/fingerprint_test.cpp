#include "sniff/fingerprint.h"

#include "sniff/bytes.h"
#include "sniff/conversation.h"
#include "sniff/fingerprint_match.h"
#include "sniff/greetings.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/sniffer.h"
#include "sniff/tls.h"
#include "tests/sniff/corpus.h"
#include "tests/sniff/example_evidence.h"
#include "tests/sniff/fingerprint_captures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <map>
#include <set>

namespace telltale::sniff::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Fingerprint of_answer(std::string_view text) {
    return fingerprint(http1_answer(text));
}

// What a conversation would know of an upstream that sent these bytes.
SideEvidence seen(std::string_view bytes) {
    Sniffer sniffer(Side::upstream, 16384);
    SideEvidence e = side(sniffer.finish(as_bytes(bytes)));
    e.first_bytes = bytes.substr(0, first_bytes_max);
    e.greeting = greeting_text(e.protocol, as_bytes(bytes));
    if (e.protocol == Protocol::http1) e.http1_response = parse_http1_response(as_bytes(bytes));
    if (e.protocol == Protocol::tls_alert) e.tls_alert = parse_tls_alert(as_bytes(bytes));
    if (e.protocol != Protocol::http2 && e.protocol != Protocol::http2_goaway) return e;
    FrameWalker walker(Side::upstream);
    walker.feed(as_bytes(bytes));
    e.settings = walker.settings();
    if (walker.first_headers() != nullptr) e.first_headers = *walker.first_headers();
    if (walker.goaway() != nullptr) e.goaway = *walker.goaway();
    return e;
}

SideEvidence seen_in(std::string_view capture) {
    return seen(upstream_bytes(capture));
}

// The first call of a gRPC client, answered with these bytes.
Fingerprint of_http2_capture(std::string_view name) {
    Conversation conversation(Expect::grpc, ConversationLimits{});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, as_bytes(client_bytes("grpc_go_first_flight")), 1);
    conversation.on_bytes(Side::upstream, as_bytes(upstream_bytes(name)), 2);
    Evidence e;
    conversation.describe(e);
    return fingerprint(e.upstream);
}

std::vector<const FingerprintRow*> rows_that_claim(const SideEvidence& upstream) {
    std::vector<const FingerprintRow*> found;
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (claims(row, upstream)) found.push_back(&row);
    }
    return found;
}

// The names that the rows give; a library whose program is named as well does not count.
std::set<std::string_view> names_claimed(const SideEvidence& upstream) {
    std::set<std::string_view> names;
    const auto rows = rows_that_claim(upstream);
    for (const FingerprintRow* row : rows) {
        const auto is_built_on_it = [row](const FingerprintRow* other) {
            return !other->on.empty() && row->software != other->software &&
                   row->software.starts_with(other->on);
        };
        if (std::none_of(rows.begin(), rows.end(), is_built_on_it)) names.insert(row->software);
    }
    return names;
}

// Every name that may be right for this capture: its own, and that of what it is built on.
std::set<std::string> names_right_for(std::string_view software) {
    std::set<std::string> right = {"", std::string(software)};
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (row.software != software || row.on.empty()) continue;
        for (const FingerprintRow& other : fingerprint_rows()) {
            if (other.software.starts_with(row.on)) right.insert(std::string(other.software));
        }
    }
    return right;
}

std::vector<NamedCapture> all_named() {
    std::vector<NamedCapture> all(known_captures().begin(), known_captures().end());
    all.insert(all.end(), held_out_captures().begin(), held_out_captures().end());
    return all;
}

TEST(FingerprintCaptures, are_recognised_as_the_program_that_sent_them) {
    for (const auto& [name, software] : known_captures()) {
        EXPECT_EQ(fingerprint(seen_in(name)).software, software) << name;
    }
}

TEST(FingerprintCaptures, of_other_versions_and_configurations_are_recognised_by_the_same_rows) {
    for (const auto& [name, software] : held_out_captures()) {
        EXPECT_EQ(fingerprint(seen_in(name)).software, software) << name;
    }
}

TEST(FingerprintCaptures, that_many_programs_could_have_sent_are_claimed_by_no_row) {
    for (const std::string_view name : unknown_captures()) {
        if (name == "caddy_2_6_two_server_headers") continue;  // named by two, so by none
        EXPECT_THAT(rows_that_claim(seen_in(name)), IsEmpty())
            << name << ": " << rows_that_claim(seen_in(name)).front()->id;
    }
    EXPECT_EQ(fingerprint(seen_in("caddy_2_6_two_server_headers")).id, "");
}

TEST(FingerprintCaptures, are_all_named_or_said_to_be_nameless) {
    std::set<std::string> listed;
    for (const auto& [name, software] : all_named()) {
        EXPECT_TRUE(listed.insert(std::string(name)).second) << name;
    }
    for (const std::string_view name : unknown_captures()) {
        EXPECT_TRUE(listed.insert(std::string(name)).second) << name;
    }
    for (const std::string& name : files_of(Side::upstream))
        EXPECT_TRUE(listed.contains(name)) << name;
}

// A proxy that passes on the Server header of what stands behind it is claimed by the rows of both.
TEST(FingerprintCaptures, are_claimed_by_the_rows_of_one_program_only) {
    const std::map<std::string_view, std::string_view> behind = {
        {"envoy_server_header_passed_on", "Python http.server"},
        {"envoy_http2_server_header_passed_on", "Python http.server"},
        {"caddy_passes_server_on", "Python http.server"},
        {"varnish_passes_server_on", "Python http.server"},
    };
    for (const auto& [name, software] : all_named()) {
        const auto names = names_claimed(seen_in(name));
        const auto other = behind.find(name);
        if (other == behind.end()) {
            EXPECT_THAT(names, UnorderedElementsAre(software)) << name;
        } else {
            EXPECT_THAT(names, UnorderedElementsAre(software, other->second)) << name;
        }
    }
}

TEST(FingerprintRows, rest_on_a_capture_that_they_claim_or_say_where_they_are_documented) {
    std::set<std::string_view> claimed;
    for (const auto& [name, software] : known_captures()) {
        for (const FingerprintRow* row : rows_that_claim(seen_in(name))) claimed.insert(row->id);
    }
    for (const FingerprintRow& row : fingerprint_rows()) {
        EXPECT_NE(claimed.contains(row.id), !row.source.empty()) << row.id;
    }
}

TEST(FingerprintRows, that_are_only_documented_are_never_more_than_possible) {
    size_t documented = 0;
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (row.source.empty()) continue;
        ++documented;
        EXPECT_TRUE(row.source.starts_with("https://")) << row.id;
        EXPECT_EQ(row.confidence, Confidence::possible) << row.id;
    }
    EXPECT_LE(documented, 6U);
}

TEST(FingerprintRows, tell_more_than_forty_programs_from_captures_alone) {
    std::set<std::string_view> programs;
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (row.source.empty()) programs.insert(row.software);
    }
    EXPECT_GE(programs.size(), 80U);
}

TEST(FingerprintRows, have_different_names_and_a_condition) {
    std::set<std::string_view> ids;
    SideEvidence nothing = side(Protocol::http1);
    nothing.http1_response = Http1Response{};
    for (const FingerprintRow& row : fingerprint_rows()) {
        EXPECT_TRUE(ids.insert(row.id).second) << row.id;
        EXPECT_FALSE(row.software.empty()) << row.id;
        for (const Protocol protocol : {Protocol::http1, Protocol::http2, Protocol::other,
                                        Protocol::ssh, Protocol::tls_alert}) {
            nothing.protocol = protocol;
            EXPECT_FALSE(claims(row, nothing)) << row.id << " claims an answer that says nothing";
        }
    }
}

TEST(FingerprintRows, are_built_on_software_that_has_rows_too) {
    for (const FingerprintRow& row : fingerprint_rows()) {
        if (row.on.empty()) continue;
        EXPECT_TRUE(std::any_of(
            fingerprint_rows().begin(), fingerprint_rows().end(),
            [&row](const FingerprintRow& other) { return other.software.starts_with(row.on); }))
            << row.id;
    }
}

// ---- properties: what is not as a program sends it never gets another program's name

TEST(FingerprintProperty, a_capture_cut_anywhere_has_no_wrong_name) {
    for (const auto& [name, software] : all_named()) {
        const std::string bytes = upstream_bytes(name);
        std::set<std::string> right = names_right_for(software);
        right.merge(names_right_for("Python http.server"));  // what the proxies stand before
        for (size_t size = 0; size < std::min<size_t>(bytes.size(), 700); ++size) {
            const SideEvidence e = seen(std::string_view(bytes).substr(0, size));
            const Fingerprint found = fingerprint(e);
            if (found.id == telltale::sniff::name(e.protocol))
                continue;  // says no more than the protocol
            EXPECT_TRUE(right.contains(found.software))
                << name << " cut at " << size << ": " << found.id;
        }
    }
}

// Splits head and body; empty when there is no head.
struct Parts {
    std::string status_line;
    std::vector<std::string> headers;
    std::string body;
};

Parts parts_of(std::string_view text) {
    Parts parts;
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return parts;
    std::string_view head = text.substr(0, end);
    parts.body = text.substr(end + 4);
    while (!head.empty()) {
        const size_t line = std::min(head.find("\r\n"), head.size());
        if (parts.status_line.empty()) {
            parts.status_line = head.substr(0, line);
        } else {
            parts.headers.emplace_back(head.substr(0, line));
        }
        head.remove_prefix(std::min(line + 2, head.size()));
    }
    return parts;
}

std::string joined(const Parts& parts) {
    std::string text = parts.status_line + "\r\n";
    for (const std::string& header : parts.headers) text += header + "\r\n";
    return text + "\r\n" + parts.body;
}

template <typename Change>
void expect_no_wrong_name(const Change& change) {
    Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    for (const auto& [name, software] : all_named()) {
        const Parts parts = parts_of(upstream_bytes(name));
        if (!parts.status_line.starts_with("HTTP/")) continue;
        std::set<std::string> right = names_right_for(software);
        right.merge(names_right_for("Python http.server"));  // what the proxies stand before
        for (int round = 0; round < 20; ++round) {
            Parts changed = parts;
            change(changed, random);
            const Fingerprint found = fingerprint(seen(joined(changed)));
            EXPECT_TRUE(right.contains(found.software)) << found.id << " for\n" << joined(changed);
        }
    }
}

TEST(FingerprintProperty, an_answer_whose_headers_were_shuffled_has_no_wrong_name) {
    expect_no_wrong_name([](Parts& parts, Random& random) {
        for (size_t i = parts.headers.size(); i > 1; --i) {
            std::swap(parts.headers[i - 1], parts.headers[random.below(i)]);
        }
    });
}

TEST(FingerprintProperty, an_answer_with_random_header_names_has_no_wrong_name) {
    expect_no_wrong_name([](Parts& parts, Random& random) {
        for (std::string& header : parts.headers) {
            if (random.below(2) == 0) continue;
            std::string name = "X-";
            for (size_t i = 0; i < 8; ++i) name += static_cast<char>('a' + random.below(26));
            header.replace(0, std::min(header.find(':'), header.size()), name);
        }
    });
}

TEST(FingerprintProperty, an_answer_with_another_body_and_status_has_no_wrong_name) {
    expect_no_wrong_name([](Parts& parts, Random& random) {
        parts.body = random.bytes(random.below(200));
        const auto space = parts.status_line.find(' ');
        parts.status_line.replace(space + 1, 3, std::to_string(200 + random.below(400)));
    });
}

TEST(FingerprintProperty, random_settings_are_recognised_only_where_a_row_fits_them) {
    Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    size_t named = 0;
    for (int round = 0; round < 20000; ++round) {
        SideEvidence e = side(Protocol::http2);
        for (size_t left = random.below(6); left > 0; --left) {
            e.settings.push_back({.id = static_cast<uint16_t>(1 + random.below(9)),
                                  .value = static_cast<uint32_t>(random.below(1U << 31U))});
        }
        if (!fingerprint(e).id.empty()) ++named;
    }
    EXPECT_LT(named, 200U);  // what is short and free in its values can be hit
}

TEST(FingerprintProperty, random_bytes_have_no_name) {
    Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    for (int round = 0; round < 2000; ++round) {
        EXPECT_EQ(fingerprint(seen(random.bytes(random.below(600)))).id, "");
    }
}

// ---- hostile answers

TEST(Fingerprint, does_not_believe_an_answer_that_claims_to_be_ten_programs) {
    const std::string ten =
        "HTTP/1.1 503 Service Unavailable\r\nServer: nginx/1.22.1\r\nServer: envoy\r\nServer: "
        "Apache/2.4\r\nServer: squid/5.7\r\nVia: 1.1 varnish (Varnish/7.1), 1.1 Caddy, 1.1 "
        "squid\r\nX-Varnish: 1\r\nX-Squid-Error: ERR 0\r\nX-Envoy-Upstream-Service-Time: "
        "1\r\nX-Powered-By: Express\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n"
        "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this "
        "request.\n</body></html>\n";
    EXPECT_EQ(of_answer(ten).id, "");
    EXPECT_EQ(of_answer("HTTP/1.1 200 OK\r\nServer: nginx/1.2 envoy squid/5 Caddy h2o Jetty(9) "
                        "gunicorn uvicorn daphne thin\r\n\r\n")
                  .id,
              "");
}

TEST(Fingerprint, gives_no_name_when_one_header_names_two_programs) {
    EXPECT_EQ(of_answer("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1 squid/5.7\r\n\r\n").id, "");
    EXPECT_EQ(of_answer("HTTP/1.1 200 OK\r\nServer: nginx\r\nServer: envoy\r\n\r\n").id, "");
}

TEST(Fingerprint, is_less_sure_when_a_weaker_clue_contradicts_itself) {
    const Fingerprint f =
        of_answer("HTTP/1.1 503 x\r\nX-Squid-Error: ERR 0\r\nServer: nginx/1.22.1 Caddy\r\n\r\n");
    EXPECT_EQ(f.software, "Squid");
    EXPECT_EQ(f.confidence, Confidence::possible);
}

TEST(Fingerprint, takes_settings_before_several_server_headers) {
    SideEvidence s = http2_answer(503, "text/html");
    s.settings = {{.id = 8, .value = 1}, {.id = 3, .value = 100}};
    s.first_headers->server = "nginx/1.22.1";
    s.first_headers->server_fields = 10;
    EXPECT_EQ(fingerprint(s).software, "HAProxy");
    EXPECT_EQ(fingerprint(s).confidence, Confidence::possible);
    s.settings.clear();
    EXPECT_EQ(fingerprint(s).id, "");
}

TEST(Fingerprint, cuts_and_escapes_what_a_hostile_server_calls_itself) {
    for (const std::string& server :
         {std::string("nginx/<script>alert(1)</script>"),
          "nginx/1.2\x1b[31m" + std::string(64, '\xff'), "nginx/" + std::string(1024 * 1024, 'A'),
          std::string(1024 * 1024, '(') + " nginx/1"}) {
        SideEvidence e = side(Protocol::http1);
        e.http1_response = Http1Response{};
        e.http1_response->version = "HTTP/1.1";
        e.http1_response->status = 400;
        e.http1_response->server = server;
        e.http1_response->headers = {{"Server", server}};
        const Fingerprint f = fingerprint(e);
        EXPECT_LE(f.version.size(), 200U);
        EXPECT_LE(f.reason.size(), 400U);
        std::string shown = f.version + f.reason;
        const std::string cut_mark = "\xe2\x80\xa6";  // …
        for (size_t at = 0; (at = shown.find(cut_mark)) != std::string::npos;) shown.erase(at, 3);
        for (const char c : shown) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << shown;
    }
}

TEST(Fingerprint, names_the_last_hop_of_a_via_header) {
    const Fingerprint f = of_answer(
        "HTTP/1.1 200 OK\r\nServer: gunicorn\r\nVia: 1.1 varnish (Varnish/7.1), 1.1 edge "
        "(squid/5.7)\r\n\r\n");
    EXPECT_EQ(f.software, "Squid");
    EXPECT_EQ(f.version, "5.7");
    EXPECT_EQ(f.role, Role::forward_proxy);
    EXPECT_EQ(of_answer("HTTP/1.1 200 OK\r\nVia: 1.1 varnish, 1.1 unheard-of\r\n\r\n").id, "");
}

TEST(Fingerprint, calls_a_program_a_proxy_when_it_passes_on_the_server_header_of_another) {
    SideEvidence s = seen_in("traefik_http2_settings");
    s.first_headers = Http2Headers{};
    s.first_headers->status = 404;
    s.first_headers->server = "gunicorn";
    s.first_headers->server_fields = 1;
    EXPECT_EQ(fingerprint(s).software, "Go net/http (HTTP/2)");
    EXPECT_EQ(fingerprint(s).role, Role::proxy);
    s.first_headers->server = "Caddy";
    EXPECT_EQ(fingerprint(s).software, "Caddy");
}

TEST(Fingerprint, heeds_how_the_upstream_ended_where_that_is_known) {
    SideEvidence node = seen_in("node_http_400");
    node.end = EndKind::eof;
    EXPECT_EQ(fingerprint(node).software, "Node.js http");
    node.end = EndKind::reset;
    EXPECT_EQ(fingerprint(node).id, "");
}

TEST(Fingerprint, names_captures_through_a_whole_conversation) {
    EXPECT_EQ(of_http2_capture("envoy_http2_settings").software, "Envoy");
    EXPECT_EQ(of_http2_capture("apache_http2_404").software, "Apache httpd");
    EXPECT_EQ(of_http2_capture("tomcat_9_http2_settings_tuned").software, "Tomcat");
    EXPECT_EQ(of_http2_capture("gin_404").software, "Gin (Go)");
    EXPECT_EQ(of_http2_capture("jsse_unexpected_message_alert").software, "Java (JSSE) or GnuTLS");
    EXPECT_EQ(of_http2_capture("nats_info").version, "2.9.10");
    EXPECT_EQ(of_http2_capture("grpc_netty_to_get").software, "Netty (grpc-java)");
}

// ---- the small languages of the table

TEST(FingerprintPattern, stars_stand_for_anything_and_bars_for_either) {
    EXPECT_TRUE(text_fits("220 localhost ESMTP Exim 4.96", "220 * ESMTP Exim ", Anchor::begin));
    EXPECT_FALSE(text_fits("220 localhost ESMTP Exim 4.96", "220 * ESMTP Exim ", Anchor::whole));
    EXPECT_TRUE(text_fits("/graph", "/graph|/query", Anchor::whole));
    EXPECT_TRUE(text_fits("/query", "/graph|/query", Anchor::whole));
    EXPECT_FALSE(text_fits("/graphs", "/graph|/query", Anchor::whole));
    EXPECT_TRUE(text_fits("PHP/8.2", "PHP/*", Anchor::whole));
    EXPECT_FALSE(text_fits("xPHP/8.2", "PHP/*", Anchor::whole));
    EXPECT_FALSE(text_fits("", "a*", Anchor::begin));
}

TEST(FingerprintPattern, settings_may_be_free_listed_or_missing) {
    const std::vector<Http2Setting> sent = {{.id = 8, .value = 1}, {.id = 3, .value = 250}};
    EXPECT_TRUE(settings_fit(sent, "8=1 [1=*] 3=*"));
    EXPECT_TRUE(settings_fit(sent, "8=0|1 3=100|250"));
    EXPECT_FALSE(settings_fit(sent, "8=1 3=100"));
    EXPECT_FALSE(settings_fit(sent, "3=* 8=1"));
    EXPECT_FALSE(settings_fit(sent, "8=1"));
    EXPECT_FALSE(settings_fit(sent, "8=1 3=* 4=*"));
    EXPECT_FALSE(settings_fit(sent, "none"));
    EXPECT_TRUE(settings_fit({}, "none"));
}

TEST(FingerprintPattern, frames_are_those_of_the_connection_without_ack) {
    const std::string bytes = upstream_bytes("tomcat_9_http2_settings_tuned");
    EXPECT_TRUE(frames_fit(bytes, "WINDOW_UPDATE *; PING 1"));
    EXPECT_TRUE(frames_fit(bytes, "[SETTINGS 1=*]; WINDOW_UPDATE 983041"));
    EXPECT_FALSE(frames_fit(bytes, "PING 1"));
    EXPECT_FALSE(frames_fit(bytes.substr(0, 30), "WINDOW_UPDATE *"));
    EXPECT_TRUE(frames_fit(bytes.substr(0, 30), "?WINDOW_UPDATE *"));
}

TEST(FingerprintPattern, products_stand_outside_comments) {
    EXPECT_EQ(find_product("acme (nginx nginx (nginx)) x", "nginx"), std::string_view::npos);
    EXPECT_EQ(find_product("acme (a) nginx/1", "nginx"), 9U);
    EXPECT_EQ(find_product("acme/nginx", "nginx"), std::string_view::npos);
    EXPECT_EQ(find_via("1.1 varnish (Varnish/7.1)", "varnish"), 4U);
    EXPECT_EQ(find_via("varnish 1.1", "varnish"), std::string_view::npos);
    EXPECT_EQ(version_behind("Yaws 2.1.1", 4), "2.1.1");
    EXPECT_EQ(version_behind("proxy.py v2.4.10", 8), "2.4.10");
    EXPECT_EQ(version_behind("monit is up", 5), "");
}

TEST(Fingerprint, reads_the_version_behind_the_name) {
    EXPECT_EQ(fingerprint(http1_capture("nginx_plain_400")).version, "1.22.1");
    EXPECT_EQ(fingerprint(http1_capture("squid_400")).version, "5.7");
    EXPECT_EQ(
        of_answer("HTTP/1.1 404 Not Found\r\nServer: Jetty(9.4.57.v20241219)\r\n\r\n").version,
        "9.4.57.v20241219");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: Python/3.11 aiohttp/3.8.4\r\n\r\n").software,
        "aiohttp");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: Python/3.11 aiohttp/3.8.4\r\n\r\n").version,
        "3.8.4");
    EXPECT_EQ(of_answer("HTTP/1.1 400 Bad Request\r\nserver: envoy\r\n\r\n").version, "");
}

TEST(Fingerprint, keeps_to_the_next_hop_when_a_proxy_passes_a_server_header_on) {
    SideEvidence s = http2_answer(502, "text/html");
    s.settings = {{.id = 8, .value = 1}, {.id = 3, .value = 100}};
    s.first_headers->server = "nginx/1.25.3";
    EXPECT_EQ(fingerprint(s).software, "HAProxy");
    s.settings = {{.id = 3, .value = 128}, {.id = 4, .value = 65536}, {.id = 5, .value = 16777215}};
    EXPECT_EQ(fingerprint(s).software, "nginx");
    EXPECT_EQ(fingerprint(s).version, "1.25.3");
}

TEST(Fingerprint, does_not_recognise_a_page_that_merely_mentions_a_name) {
    const std::string page =
        "<html><body>nginx/1.22.1, HAProxy, Squid, envoy: <h1>400 Bad request</h1>\nYour browser "
        "sent an invalid request."
        " No context found for request <title>Error response</title></body></html>";
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: my-nginx-like\r\nX-Note: squid\r\n\r\n" +
                  page)
            .id,
        "");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: acme (nginx/1.2 inside)\r\n\r\n" + page).id,
        "");
    EXPECT_EQ(
        of_answer("<!DOCTYPE HTML>\n<html><p>About <title>Error response</title> pages</p></html>")
            .id,
        "");
}

TEST(Fingerprint, names_databases_and_ssh_by_their_greeting) {
    SideEvidence s = side(Protocol::mysql);
    s.greeting = "5.5.5-10.11.19-MariaDB-0+deb12u1";
    EXPECT_EQ(fingerprint(s).software, "MariaDB");
    EXPECT_EQ(fingerprint(s).role, Role::database);
    s = side(Protocol::ssh);
    s.greeting = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10";
    EXPECT_EQ(fingerprint(s).software, "OpenSSH");
    EXPECT_EQ(fingerprint(s).version, "9.2p1");
}

TEST(Fingerprint, escapes_hostile_versions_and_reasons) {
    const Fingerprint f =
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: nginx/1.2 \"\x1b[31m\xff\r\n\r\n");
    for (const char c : f.version + f.reason) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << f.reason;
}

TEST(Product, is_the_first_token_of_a_user_agent) {
    EXPECT_EQ(first_product("Prometheus/2.42.0").name, "Prometheus");
    EXPECT_EQ(first_product("Prometheus/2.42.0").version, "2.42.0");
    EXPECT_EQ(first_product("").name, "");
    EXPECT_EQ(first_product("\x01").name, "");
}

}  // namespace
}  // namespace telltale::sniff::test
