#include "proxy/probe/tls_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "proxy/probe/tls_talk.h"
#include "sniff/tls.h"

namespace telltale::proxy::probe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<TlsClient> client_of(TlsClient::Settings settings) {
    std::string error;
    auto client = TlsClient::make(settings, error);
    EXPECT_NE(client, nullptr) << error;
    return client;
}

std::string taken(TlsClient& client) {
    std::string out;
    client.take(out);
    return out;
}

TEST(TlsClient, offers_the_name_and_the_protocols) {
    const auto client = client_of({.server_name = "group-rpc-service",
                                   .checked_name = "group-rpc-service",
                                   .alpn = {"h2", "http/1.1"},
                                   .ca_file = {}});
    const auto hello = sniff::parse_client_hello(sniff::as_bytes(taken(*client)));
    EXPECT_TRUE(hello.complete);
    EXPECT_EQ(hello.sni, "group-rpc-service");
    EXPECT_THAT(hello.alpn, ElementsAre("h2", "http/1.1"));
    EXPECT_EQ(client->state(), TlsClient::State::handshaking);
}

TEST(TlsClient, sends_no_name_for_an_address) {
    const auto client =
        client_of({.server_name = {}, .checked_name = "10.0.0.1", .alpn = {"h2"}, .ca_file = {}});
    EXPECT_EQ(sniff::parse_client_hello(sniff::as_bytes(taken(*client))).sni, "");
}

TEST(TlsClient, keeps_the_alert_of_the_server) {
    const auto client =
        client_of({.server_name = "a", .checked_name = "a", .alpn = {"h2"}, .ca_file = {}});
    taken(*client);
    std::string plain;
    client->feed(sniff::as_bytes(std::string("\x15\x03\x03\x00\x02\x02\x70", 7)), plain);
    EXPECT_EQ(client->state(), TlsClient::State::ended);
    TlsAnswer answer;
    client->describe(answer);
    ASSERT_TRUE(answer.alert);
    EXPECT_EQ(answer.alert->description, 112);
    EXPECT_FALSE(answer.handshake);
}

TEST(TlsClient, gives_up_at_garbage) {
    for (const std::string& garbage :
         {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string(70000, '\x16'),
          std::string("\x16\x03\x03\xff\xff", 5) + std::string(65536, 'x')}) {
        const auto client =
            client_of({.server_name = "a", .checked_name = "a", .alpn = {"h2"}, .ca_file = {}});
        taken(*client);
        std::string plain;
        client->feed(sniff::as_bytes(garbage), plain);
        EXPECT_EQ(client->state(), TlsClient::State::ended);
        EXPECT_EQ(plain, "");
        TlsAnswer answer;
        client->describe(answer);
        EXPECT_NE(answer.error, "");
    }
}

TEST(TlsClient, says_what_is_wrong_with_a_file_of_roots) {
    std::string error;
    EXPECT_EQ(
        TlsClient::make(
            {.server_name = "a", .checked_name = "a", .alpn = {}, .ca_file = "/nowhere/ca.pem"},
            error),
        nullptr);
    EXPECT_THAT(error, HasSubstr("/nowhere/ca.pem has no certificates in PEM form"));
}

TEST(TlsTalk, hears_what_a_port_without_tls_says_to_a_hello) {
    TlsTalk talk(
        client_of({.server_name = "a", .checked_name = "a", .alpn = {"h2"}, .ca_file = {}}),
        {.authority = "a:1"});
    std::string hello;
    talk.take(hello);
    EXPECT_FALSE(hello.empty());
    talk.feed(sniff::as_bytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    const auto answer = talk.answer(End::finished);
    EXPECT_FALSE(answer.is_tls);
    EXPECT_EQ(answer.outer.http1_response->status, 400);
    EXPECT_FALSE(answer.http2.asked());
    EXPECT_FALSE(answer.http1.asked());
}

}  // namespace
}  // namespace telltale::proxy::probe
