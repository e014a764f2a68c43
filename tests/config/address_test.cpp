#include "config/address.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "config/load.h"

namespace telltale::config {
namespace {

struct Good {
    std::string text;
    Address address;
    std::string written;  // by Address::text()
};

void expect_good(const std::variant<Address, std::string>& parsed, const Good& row) {
    const auto* address = std::get_if<Address>(&parsed);
    ASSERT_NE(address, nullptr) << row.text << ": " << std::get<std::string>(parsed);
    EXPECT_EQ(*address, row.address) << row.text;
    EXPECT_EQ(address->text(), row.written);
}

std::string problem(const std::variant<Address, std::string>& parsed) {
    const auto* text = std::get_if<std::string>(&parsed);
    return text == nullptr ? "no problem" : *text;
}

TEST(Address, listens_on_everything_that_can_be_written) {
    const std::vector<Good> rows = {
        {"0.0.0.0:15260", {.host = "0.0.0.0", .port = 15260}, "0.0.0.0:15260"},
        {":15260", {.host = "", .port = 15260}, ":15260"},
        {"127.0.0.1:0", {.host = "127.0.0.1", .port = 0}, "127.0.0.1:0"},
        {"[::1]:15260", {.host = "::1", .port = 15260}, "[::1]:15260"},
        {"[::]:65535", {.host = "::", .port = 65535}, "[::]:65535"},
        {"[fe80::1%eth0]:1", {.host = "fe80::1%eth0", .port = 1}, "[fe80::1%eth0]:1"},
        {"localhost:15260", {.host = "127.0.0.1", .port = 15260}, "127.0.0.1:15260"},
        {"unix:/run/app.sock",
         {.host = "", .port = 0, .unix_path = "/run/app.sock"},
         "unix:/run/app.sock"},
        {"unix:@name", {.host = "", .port = 0, .unix_path = "@name"}, "unix:@name"},
    };
    for (const Good& row : rows) expect_good(parse_listen_address(row.text), row);
}

TEST(Address, dials_names_addresses_and_sockets) {
    const std::vector<Good> rows = {
        {"127.0.0.1:10260", {.host = "127.0.0.1", .port = 10260}, "127.0.0.1:10260"},
        {"[::1]:10260", {.host = "::1", .port = 10260}, "[::1]:10260"},
        {"[fe80::1%2]:1", {.host = "fe80::1%2", .port = 1}, "[fe80::1%2]:1"},
        {"localhost:10260", {.host = "localhost", .port = 10260}, "localhost:10260"},
        {"group-rpc-service:10260",
         {.host = "group-rpc-service", .port = 10260},
         "group-rpc-service:10260"},
        {"a.b.svc.cluster.local.:1",
         {.host = "a.b.svc.cluster.local.", .port = 1},
         "a.b.svc.cluster.local.:1"},
        {"unix:/run/app.sock",
         {.host = "", .port = 0, .unix_path = "/run/app.sock"},
         "unix:/run/app.sock"},
    };
    for (const Good& row : rows) expect_good(parse_upstream_address(row.text), row);
}

TEST(Address, takes_a_unix_path_of_107_bytes_and_not_one_more) {
    const std::string longest = "/" + std::string(106, 'x');
    EXPECT_TRUE(std::holds_alternative<Address>(parse_listen_address("unix:" + longest)));
    EXPECT_EQ(problem(parse_listen_address("unix:" + longest + "x")),
              "got a Unix socket path of 108 bytes, expected at most 107");
}

TEST(Address, says_what_is_wrong_with_a_listen_address) {
    const std::string forms =
        "IP:port, :port, [IPv6]:port, unix:/path or unix:@name, such as 0.0.0.0:15260";
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"", "got nothing, expected " + forms},
        {"15260", "got \"15260\", expected " + forms},
        {"::1:15260",
         "got \"::1:15260\", expected brackets around an IPv6 address, such as [::1]:15260"},
        {"[::1]", "got \"[::1]\", expected " + forms},
        {"[127.0.0.1]:1",
         "got \"[127.0.0.1]:1\", expected an IPv6 address in the brackets, such as [::1]:15260"},
        {"[nonsense]:1",
         "got \"[nonsense]:1\", expected an IPv6 address in the brackets, such as [::1]:15260"},
        {"[fe80::1%]:1",
         "got \"[fe80::1%]:1\", expected an IPv6 address in the brackets, such as [::1]:15260"},
        {"0.0.0.0:65536",
         "got \"0.0.0.0:65536\", expected a port from 0 to 65535 after the last ':'"},
        {"0.0.0.0:-1", "got \"0.0.0.0:-1\", expected a port from 0 to 65535 after the last ':'"},
        {"0.0.0.0:", "got \"0.0.0.0:\", expected a port from 0 to 65535 after the last ':'"},
        {"0.0.0.0: 80", "got \"0.0.0.0: 80\", expected a port from 0 to 65535 after the last ':'"},
        {"0.0.0.300:80", "got \"0.0.0.300:80\", expected " + forms},
        {"group-rpc:80",
         "got \"group-rpc:80\", expected an IP address to listen on, such as 0.0.0.0:15260"},
        {"http://0.0.0.0:80", "got \"http://0.0.0.0:80\", expected no scheme, only host:port"},
        {"unix:", "got \"unix:\", expected " + forms},
        {"unix:run/app.sock", "got \"unix:run/app.sock\", expected " + forms},
        {"unix:@", "got \"unix:@\", expected " + forms},
        {"a\x01\n:1", "got \"a\\x01\\n:1\", expected " + forms},
    };
    for (const auto& [text, expected] : rows) {
        EXPECT_EQ(problem(parse_listen_address(text)), expected);
    }
}

TEST(Address, says_what_is_wrong_with_an_upstream_address) {
    const std::string forms =
        "host:port, [IPv6]:port, unix:/path or unix:@name, such as 127.0.0.1:10260";
    const std::vector<std::pair<std::string, std::string>> rows = {
        {":10260", "got \":10260\", expected a host before the port, such as 127.0.0.1:10260"},
        {"host:0", "got \"host:0\", expected a port from 1 to 65535 after the last ':'"},
        {"host:10260x", "got \"host:10260x\", expected a port from 1 to 65535 after the last ':'"},
        {"host:99999999999999999999999",
         "got \"host:99999999999999999999999\", expected a port from 1 to 65535 after the last "
         "':'"},
        {"host", "got \"host\", expected " + forms},
        {"ho st:1", "got \"ho st:1\", expected " + forms},
        {"host..x:1", "got \"host..x:1\", expected " + forms},
        {"dns:///host:1", "got \"dns:///host:1\", expected no scheme, only host:port"},
        {"fe80::1%eth0:1",
         "got \"fe80::1%eth0:1\", expected brackets around an IPv6 address, such as [::1]:15260"},
    };
    for (const auto& [text, expected] : rows) {
        EXPECT_EQ(problem(parse_upstream_address(text)), expected);
    }
}

TEST(CanonicalIp, has_one_spelling_per_address) {
    EXPECT_EQ(canonical_ip("10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(canonical_ip("0:0:0::1"), "::1");
    EXPECT_EQ(canonical_ip("::FFFF:10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(canonical_ip("FE80::1%eth0"), "fe80::1%eth0");
    EXPECT_EQ(canonical_ip("10.0.0.1%eth0"), std::nullopt);
    EXPECT_EQ(canonical_ip(std::string_view("10.0.0.1\0x", 10)), std::nullopt);
    EXPECT_EQ(canonical_ip("10.0.0"), std::nullopt);
    EXPECT_EQ(canonical_ip(""), std::nullopt);
}

}  // namespace
}  // namespace telltale::config
