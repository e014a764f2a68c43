#include "proxy/answer_text.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/http1.h"
#include "tests/proxy/structured_field.h"
#include "tests/sniff/corpus.h"
#include "tests/sniff/example_evidence.h"

namespace telltale::proxy {
namespace {

using sniff::Cause;
using sniff::Evidence;
using sniff::Protocol;
using sniff::test::Example;
using sniff::test::examples;
using test::Item;
using test::read_item;
using testing::HasSubstr;
using testing::Not;

Evidence example(std::string_view rule) {
    const auto all = examples();
    return std::find_if(all.begin(), all.end(),
                        [rule](const Example& one) { return one.rule == rule; })
        ->evidence;
}

AnswerText text_of(const Evidence& e, bool show_addresses = true) {
    return answer_text(e, diagnose(e), show_addresses);
}

Item status_of(const Evidence& e, bool show_addresses = true) {
    const auto item = read_item(text_of(e, show_addresses).proxy_status);
    EXPECT_TRUE(item.has_value());
    return item.value_or(Item{});
}

bool is_clean_utf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte == 0x7f) return false;
        const size_t size = byte < 0x80 ? 1 : (byte >= 0xf0 ? 4 : (byte >= 0xe0 ? 3 : 2));
        for (size_t tail = 1; tail < size; ++tail) {
            if (i + tail >= text.size()) return false;
            if ((static_cast<unsigned char>(text[i + tail]) & 0xc0U) != 0x80U) return false;
        }
        i += size;
    }
    return true;
}

bool is_header_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void expect_safe(const AnswerText& text) {
    EXPECT_TRUE(is_clean_utf8(text.sentence)) << text.sentence;
    EXPECT_LE(text.sentence.size(), answer_sentence_max);
    EXPECT_LE(text.hop.size(), answer_hop_max);
    EXPECT_LE(text.proxy_status.size(), answer_proxy_status_max);
    EXPECT_TRUE(is_header_value(text.hop)) << text.hop;
    EXPECT_TRUE(is_header_value(text.proxy_status)) << text.proxy_status;
    EXPECT_TRUE(read_item(text.hop).has_value()) << text.hop;
    EXPECT_TRUE(read_item(text.proxy_status).has_value()) << text.proxy_status;
    const auto& names = sniff::cause_names;
    EXPECT_NE(std::find(names.begin(), names.end(), text.cause), names.end()) << text.cause;
    const std::string message = grpc_message(text.sentence);
    EXPECT_TRUE(is_header_value(message)) << message;
    EXPECT_LE(message.size(), answer_grpc_message_max);
}

// ---- what it says

TEST(AnswerText, tells_the_explanation_and_the_fix) {
    const Evidence e = example("metrics_by_registry");
    const auto d = diagnose(e);
    const AnswerText text = answer_text(e, d, true);
    EXPECT_EQ(text.sentence, d.explanation + " " + d.fix);
    EXPECT_EQ(text.cause, "metrics_port");
    EXPECT_EQ(text.hop,
              "upstream;name=\"group-rpc-service\";role=metrics;address=\"10.244.2.9:12260\"");
    EXPECT_EQ(text.proxy_status,
              "telltale;error=http_protocol_error;next-hop=\"10.244.2.9:12260\";"
              "next-protocol=http/1.1;received-status=400;details=\"metrics_port\"");
    EXPECT_FALSE(text.clients_fault);
}

TEST(AnswerText, names_no_hop_by_its_address_twice_and_no_unknown_role) {
    EXPECT_EQ(text_of(example("refused")).hop, "upstream;address=\"10.244.2.9:12260\"");
    EXPECT_EQ(text_of(example("http1_client")).hop, "client;address=\"10.244.1.5:43210\"");
    EXPECT_EQ(text_of(example("loop")).hop,
              "proxy;name=\"group-rpc\";role=proxy;address=\"10.244.2.9:12260\"");
}

TEST(AnswerText, blames_the_client_for_what_the_client_did) {
    for (const Example& one : examples()) {
        const Cause cause = diagnose(one.evidence).cause;
        const bool clients = cause >= Cause::metrics_scraper && cause <= Cause::tls_client;
        EXPECT_EQ(text_of(one.evidence).clients_fault, clients) << one.rule;
    }
}

TEST(AnswerText, has_the_registered_error_type_of_each_cause) {
    const std::vector<std::pair<std::string_view, std::string_view>> expected = {
        {"metrics_by_registry", "http_protocol_error"},
        {"http1_proxy", "http_protocol_error"},
        {"http1_application", "http_protocol_error"},
        {"http1_forward_proxy", "http_protocol_error"},
        {"answer_not_grpc", "http_protocol_error"},
        {"named_protocol", "http_protocol_error"},
        {"tls_by_its_own_words", "http_protocol_error"},
        {"tls_alert_to_plaintext", "tls_alert_received"},
        {"alpn_alert", "tls_alert_received"},
        {"alpn_server_hello", "tls_protocol_error"},
        {"plaintext_http1", "tls_protocol_error"},
        {"refused", "connection_refused"},
        {"stale_refused", "connection_refused"},
        {"stale_hung_up", "connection_terminated"},
        {"metrics_hung_up", "connection_terminated"},
        {"timed_out", "connection_timeout"},
        {"unreachable", "destination_ip_unroutable"},
        {"dns_failure", "dns_error"},
        {"no_endpoints", "destination_unavailable"},
        {"closed", "connection_terminated"},
        {"reset", "connection_terminated"},
        {"silent_upstream", "connection_read_timeout"},
        {"scraper_agent", "http_request_error"},
        {"probe_agent", "http_request_error"},
        {"http1_client", "http_request_error"},
        {"grpc_in_http1", "http_request_error"},
        {"tls_client", "http_request_error"},
        {"loop", "proxy_loop_detected"},
        {"local_limit", "proxy_internal_error"},
        {"drained", "proxy_internal_error"},
        {"unexplained", "http_protocol_error"},
    };
    for (const auto& [rule, error] : expected) {
        const Item item = status_of(example(rule));
        EXPECT_EQ(item.value, "telltale");
        EXPECT_EQ(item.parameters.at("error"), error) << rule;
        EXPECT_EQ(item.kinds.at("error"), 't');
        EXPECT_EQ(item.parameters.at("details"), sniff::name(diagnose(example(rule)).cause));
    }
}

TEST(AnswerText, uses_only_registered_parameters_and_only_where_they_hold) {
    const std::set<std::string> registered = {"error",           "next-hop", "next-protocol",
                                              "received-status", "details",  "alert-id",
                                              "alert-message"};
    for (const Example& one : examples()) {
        const Item item = status_of(one.evidence);
        for (const auto& [key, value] : item.parameters) {
            EXPECT_TRUE(registered.contains(key)) << key;
        }
        const bool alert = item.parameters.at("error") == "tls_alert_received";
        EXPECT_EQ(item.parameters.contains("alert-id"), alert) << one.rule;
        const bool http = one.evidence.upstream.http1_response.has_value() ||
                          one.evidence.upstream.first_headers.has_value();
        EXPECT_TRUE(!item.parameters.contains("received-status") || http) << one.rule;
        if (one.evidence.upstream.protocol == Protocol::none) {
            EXPECT_FALSE(item.parameters.contains("next-protocol")) << one.rule;
        }
    }
}

TEST(AnswerText, tells_the_alert_by_number_and_name) {
    const Item item = status_of(example("alpn_alert"));
    EXPECT_EQ(item.parameters.at("alert-id"), "120");
    EXPECT_EQ(item.kinds.at("alert-id"), 'i');
    EXPECT_EQ(item.parameters.at("alert-message"), "no_application_protocol");
    EXPECT_EQ(item.kinds.at("alert-message"), 't');
}

TEST(AnswerText, names_only_protocols_that_were_spoken) {
    Evidence e = example("http1_unknown");
    const auto protocol_of = [&e](std::string_view head) {
        e.upstream.http1_response = sniff::parse_http1_response(sniff::as_bytes(head));
        const Item item = status_of(e);
        const auto found = item.parameters.find("next-protocol");
        return found == item.parameters.end() ? std::string() : found->second;
    };
    EXPECT_EQ(protocol_of("HTTP/1.1 400 Bad\r\n\r\n"), "http/1.1");
    EXPECT_EQ(protocol_of("HTTP/1.0 505 No\r\n\r\n"), "http/1.0");
    EXPECT_EQ(protocol_of("HTTP/2.0 400 As text\r\n\r\n"), "");
    EXPECT_EQ(protocol_of("<html>"), "");
    EXPECT_EQ(status_of(e).parameters.count("received-status"), 0U);
    EXPECT_EQ(status_of(example("answer_not_grpc")).parameters.at("next-protocol"), "h2c");
    EXPECT_EQ(status_of(example("answer_not_grpc")).parameters.at("received-status"), "502");
}

TEST(AnswerText, names_what_was_asked_for_when_nothing_was_dialled) {
    Evidence e = example("dns_failure");
    e.upstream_address.clear();
    EXPECT_EQ(status_of(e).parameters.at("next-hop"), "group-rpc-service:12260");
}

// ---- whatever the wire said

TEST(AnswerText, is_safe_for_every_example) {
    for (const Example& one : examples()) {
        SCOPED_TRACE(one.rule);
        expect_safe(text_of(one.evidence, true));
        expect_safe(text_of(one.evidence, false));
    }
}

void make_hostile(sniff::test::Random& random, std::string& text) {
    constexpr std::array<std::string_view, 8> nasty = {
        "\r\nx-evil: 1", "\"; error=x", "\\",           "\x1b[31m",
        "\xff\xfe\xc3",  "%0d%0a",      " 10.9.8.7:6 ", "[2001:db8::bad]:1"};
    text = random.bytes(random.below(300));
    text.insert(random.below(text.size() + 1), nasty[random.below(nasty.size())]);
}

Evidence hostile(Evidence e, sniff::test::Random& random) {
    std::vector<std::string*> texts = {&e.listener,          &e.client_address,
                                       &e.upstream_address,  &e.requested,
                                       &e.connect_target,    &e.resolve_error,
                                       &e.registry.service,  &e.registry.requested_service,
                                       &e.upstream.greeting, &e.upstream.first_bytes};
    if (e.upstream.http1_response) {
        texts.push_back(&e.upstream.http1_response->server);
        texts.push_back(&e.upstream.http1_response->version);
    }
    if (e.upstream.first_headers) {
        texts.push_back(&e.upstream.first_headers->content_type);
        texts.push_back(&e.upstream.first_headers->grpc_message);
    }
    if (e.client.http1_request) {
        texts.push_back(&e.client.http1_request->target);
        texts.push_back(&e.client.http1_request->user_agent);
    }
    for (std::string* text : texts) {
        if (random.below(2) == 0) make_hostile(random, *text);
    }
    return e;
}

TEST(AnswerText, is_safe_for_hostile_evidence) {
    sniff::test::Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    for (int round = 0; round < 20; ++round) {
        for (const Example& one : examples()) {
            const Evidence e = hostile(one.evidence, random);
            SCOPED_TRACE(one.rule);
            for (const bool show : {true, false}) {
                const AnswerText text = text_of(e, show);
                expect_safe(text);
                const std::string head = http1_answer(text, true);
                EXPECT_EQ(std::count(head.begin(), head.end(), '\n'), 9);
                EXPECT_EQ(std::count(head.begin(), head.end(), '\r'), 9);
            }
        }
    }
}

// ---- without addresses

// Every IP address in a text, by brute force.
std::vector<std::string> addresses_in(std::string_view text) {
    std::vector<std::string> found;
    std::array<unsigned char, 16> bytes{};
    for (size_t at = 0; at < text.size(); ++at) {
        const std::string_view rest = text.substr(at);
        const size_t run =
            std::min(rest.find_first_not_of("0123456789abcdefABCDEF.:"), rest.size());
        for (size_t size = 3; size <= std::min<size_t>(run, 45); ++size) {
            const std::string part(rest.substr(0, size));
            const bool v4 = inet_pton(AF_INET, part.c_str(), bytes.data()) == 1;
            const bool v6 = inet_pton(AF_INET6, part.c_str(), bytes.data()) == 1;
            if (v4 || v6) found.push_back(part);
        }
    }
    return found;
}

void expect_hidden(const Evidence& e) {
    const AnswerText text = text_of(e, false);
    const std::string all = text.sentence + "\n" + std::string(text.cause) + "\n" + text.hop +
                            "\n" + text.proxy_status + "\n" + http1_answer(text, false);
    EXPECT_TRUE(addresses_in(all).empty()) << all;
    std::vector<std::string> secrets = {e.client_address, e.upstream_address, e.requested,
                                        e.connect_target};
    for (const auto& attempt : e.attempts) secrets.push_back(attempt.address);
    for (const std::string& secret : secrets) {
        if (secret.find(':') == std::string::npos) continue;
        EXPECT_THAT(all, Not(HasSubstr(secret)));
    }
}

TEST(AnswerText, without_addresses_tells_no_address_of_any_example) {
    auto all = examples();
    for (Example& one : all) {
        SCOPED_TRACE(one.rule);
        expect_hidden(one.evidence);
        one.evidence.attempts = {{.address = "[2001:db8::9]:12260", .error = ECONNREFUSED},
                                 {.address = "10.244.2.9:12260", .error = ETIMEDOUT}};
        expect_hidden(one.evidence);
        one.evidence.layers = {sniff::Layer::connect_tunnel};
        one.evidence.connect_target = "user-rpc-service:10110";
        expect_hidden(one.evidence);
        one.evidence.upstream_address = "[fd00:10:244::9]:12260";
        one.evidence.client_address = "unix:/run/client.sock";
        expect_hidden(one.evidence);
    }
}

TEST(AnswerText, without_addresses_tells_none_that_the_wire_said) {
    sniff::test::Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    for (int round = 0; round < 2; ++round) {
        for (const Example& one : examples()) {
            SCOPED_TRACE(one.rule);
            const AnswerText text = text_of(hostile(one.evidence, random), false);
            EXPECT_TRUE(addresses_in(text.sentence).empty()) << text.sentence;
            EXPECT_TRUE(addresses_in(text.hop + "\n" + text.proxy_status).empty()) << text.hop;
        }
    }
}

TEST(AnswerText, without_addresses_still_says_what_to_change) {
    const AnswerText text = text_of(example("metrics_by_registry"), false);
    EXPECT_THAT(text.sentence, testing::StartsWith("The upstream answered HTTP/1.1 400"));
    EXPECT_THAT(text.sentence, HasSubstr("Dial group-rpc-service on port 10260"));
    EXPECT_THAT(text.sentence, HasSubstr("12260 is its metrics port"));
    EXPECT_EQ(text.hop, "upstream;name=\"group-rpc-service\";role=metrics");
    EXPECT_EQ(text.proxy_status,
              "telltale;error=http_protocol_error;next-hop=\"group-rpc-service\";"
              "next-protocol=http/1.1;received-status=400;details=\"metrics_port\"");
    EXPECT_EQ(text_of(example("refused"), false).hop, "upstream");
    EXPECT_EQ(text_of(example("refused"), false).proxy_status,
              "telltale;error=connection_refused;details=\"refused\"");
}

// ---- encodings

std::string decoded(std::string_view message) {
    std::string out;
    for (size_t i = 0; i < message.size(); ++i) {
        if (message[i] != '%') {
            out += message[i];
            continue;
        }
        out += static_cast<char>(std::stoi(std::string(message.substr(i + 1, 2)), nullptr, 16));
        i += 2;
    }
    return out;
}

TEST(GrpcMessage, encodes_percent_and_what_is_not_printable_ascii) {
    EXPECT_EQ(grpc_message("a gRPC client: \"x\" ~"), "a gRPC client: \"x\" ~");
    EXPECT_EQ(grpc_message("100% ü…"), "100%25 %C3%BC%E2%80%A6");
    EXPECT_EQ(grpc_message(""), "");
}

TEST(GrpcMessage, makes_clean_text_of_anything) {
    EXPECT_EQ(decoded(grpc_message("a\r\nb\xff")), "a\\x0d\\x0ab\\xff");
}

TEST(GrpcMessage, is_cut_between_characters) {
    for (size_t ascii = 0; ascii < 30; ++ascii) {
        std::string sentence(ascii, 'a');
        for (int i = 0; i < 200; ++i) sentence += "ü";
        const std::string message = grpc_message(sentence);
        EXPECT_LE(message.size(), answer_grpc_message_max);
        EXPECT_GT(message.size(), answer_grpc_message_max - 20);
        const std::string text = decoded(message);
        EXPECT_TRUE(is_clean_utf8(text));
        EXPECT_TRUE(text.ends_with("ü…"));
    }
    EXPECT_EQ(grpc_message(std::string(1024, 'a')), std::string(1024, 'a'));
    EXPECT_EQ(grpc_message(std::string(1025, 'a')), std::string(1015, 'a') + "%E2%80%A6");
}

TEST(Http1Answer, is_a_whole_response_that_closes) {
    const AnswerText text = text_of(example("metrics_by_registry"));
    const std::string answer = http1_answer(text, false);
    const auto response = sniff::parse_http1_response(sniff::as_bytes(answer));
    EXPECT_TRUE(response.head_complete);
    EXPECT_EQ(response.version, "HTTP/1.1");
    EXPECT_EQ(response.status, 502);
    EXPECT_EQ(response.reason, "Bad Gateway");
    EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(response.connection, "close");
    const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
    EXPECT_EQ(body, text.sentence + "\n");
    EXPECT_EQ(response.content_length, std::to_string(body.size()));
    std::map<std::string, std::string> fields(response.headers.begin(), response.headers.end());
    EXPECT_EQ(fields.at("cache-control"), "no-store");
    EXPECT_EQ(fields.at("x-telltale-cause"), "metrics_port");
    EXPECT_EQ(fields.at("x-telltale-hop"), text.hop);
    EXPECT_EQ(fields.at("proxy-status"), text.proxy_status);
}

TEST(Http1Answer, to_head_has_the_same_fields_and_no_body) {
    const AnswerText text = text_of(example("metrics_by_registry"));
    const std::string whole = http1_answer(text, false);
    EXPECT_EQ(http1_answer(text, true), whole.substr(0, whole.find("\r\n\r\n") + 4));
}

TEST(Http1Answer, is_400_where_the_client_is_at_fault) {
    EXPECT_TRUE(http1_answer(text_of(example("scraper_agent")), false)
                    .starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

}  // namespace
}  // namespace telltale::proxy
