#include "proxy/hide_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/sniff/example_evidence.h"

namespace telltale::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string hidden(std::string_view text) {
    return hide_addresses(std::string(text), sniff::test::connected());
}

TEST(HideAddresses, puts_words_where_peers_were_named) {
    EXPECT_EQ(hidden("10.244.2.9:12260 answered HTTP/1.1 400 to a gRPC client."),
              "The upstream answered HTTP/1.1 400 to a gRPC client.");
    EXPECT_EQ(hidden("10.244.1.5:43210 asked it. 10.244.2.9:12260 answered."),
              "The client asked it. The upstream answered.");
    EXPECT_EQ(hidden("Point the job at it, not at group-rpc-service:12260."),
              "Point the job at it, not at the upstream.");
}

TEST(HideAddresses, says_no_word_twice) {
    EXPECT_EQ(hidden("The client 10.244.1.5:43210 sent neither."), "The client sent neither.");
    EXPECT_EQ(hidden("The upstream 10.244.2.9:12260 of listener x is it."),
              "The upstream of listener x is it.");
}

TEST(HideAddresses, keeps_commands_readable) {
    EXPECT_EQ(hidden("(curl -v http://10.244.2.9:12260/ shows it)"),
              "(curl -v http://HOST:PORT/ shows it)");
    EXPECT_EQ(hidden("openssl s_client -alpn h2 -connect 10.244.2.9:12260 shows it"),
              "openssl s_client -alpn h2 -connect HOST:PORT shows it");
    EXPECT_EQ(hidden("see http://[2001:db8::7]:80/x"), "see http://HOST:PORT/x");
}

TEST(HideAddresses, keeps_names_ports_and_versions) {
    for (const std::string_view text :
         {"Dial group-rpc-service on port 10260; 12260 is its metrics port.",
          "it is nginx 1.22.1, HTTP/1.1 400, at 12:30:45 on 2026-11-22.",
          "The name group-rpc-service does not resolve.", "a :: b", "(0xb)", ""}) {
        EXPECT_EQ(hidden(text), text);
    }
}

TEST(HideAddresses, hides_every_other_literal_with_its_port) {
    EXPECT_EQ(hidden("x 192.168.0.1 y"), "x an address y");
    EXPECT_EQ(hidden("x 192.168.0.1:80, y"), "x an address, y");
    EXPECT_EQ(hidden("a 2001:db8::7 b"), "a an address b");
    EXPECT_EQ(hidden("a [2001:db8::7]:443."), "a an address.");
    EXPECT_EQ(hidden("a fe80::1%eth0, b"), "a an address, b");
    EXPECT_EQ(hidden("a ::1 b"), "a the loopback address b");
    EXPECT_EQ(hidden("not only on 127.0.0.1."), "not only on the loopback address.");
    EXPECT_EQ(hidden("a ::ffff:10.0.0.1 b"), "a an address b");
    EXPECT_EQ(hidden("a 1:2:3:4:5:6:7:8 b"), "a an address b");
    EXPECT_EQ(hidden("10-244-2-9.default.pod"), "An address.default.pod");
    EXPECT_EQ(hidden("host ip-10-0-0-1.internal"), "host ip-an address.internal");
}

TEST(HideAddresses, hides_what_stands_behind_an_escape) {
    for (const std::string_view text : {"\\x0010.0.0.1\\x00", "\\x0afe80::1\\x00", "v10.0.0.1z"}) {
        EXPECT_THAT(hidden(text), Not(HasSubstr("0.0.1"))) << text;
        EXPECT_THAT(hidden(text), Not(HasSubstr("fe80"))) << text;
        EXPECT_THAT(hidden(text), Not(HasSubstr("::1"))) << text;
    }
}

TEST(HideAddresses, hides_the_half_of_an_address_at_a_cut) {
    EXPECT_EQ(hidden("it is 10.244.2…"), "it is …");
    EXPECT_EQ(hidden("it is 2001:db8:…, really"), "it is …, really");
    EXPECT_EQ(hidden("it is cut…"), "it is cut…");
}

TEST(HideAddresses, takes_the_longer_of_two_that_begin_alike) {
    sniff::Evidence e = sniff::test::connected();
    e.upstream_address = "10.0.0.1:80";
    e.client_address = "10.0.0.1:8080";
    EXPECT_EQ(hide_addresses("a 10.0.0.1:8080 b 10.0.0.1:80 c", e),
              "a the client b the upstream c");
}

TEST(HideAddresses, knows_sockets_of_the_file_system_and_what_sentences_make_of_long_names) {
    sniff::Evidence e = sniff::test::connected();
    e.upstream_address = "unix:/run/telltale/app.sock";
    e.requested = std::string(100, 'h') + ":80";
    EXPECT_EQ(hide_addresses("Nothing listens on unix:/run/telltale/app.sock.", e),
              "Nothing listens on the upstream.");
    EXPECT_EQ(hide_addresses("Dial " + std::string(80, 'h') + "… now", e), "Dial the upstream now");
}

TEST(HideAddresses, leaves_a_requested_name_without_a_port) {
    sniff::Evidence e = sniff::test::connected();
    e.requested = "a";
    EXPECT_EQ(hide_addresses("a name and a fault", e), "a name and a fault");
}

}  // namespace
}  // namespace telltale::proxy
