#include "proxy/endpoint.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace telltale::proxy {
namespace {

Endpoint numeric(const std::string& host, uint16_t port) {
    return *numeric_endpoint({.host = host, .port = port, .unix_path = {}});
}

PeerAddress peer(const Endpoint& endpoint) {
    return {endpoint.data(), static_cast<socklen_t>(endpoint.size())};
}

TEST(EndpointText, shows_each_family_as_people_write_it) {
    EXPECT_EQ(to_text(numeric("10.244.2.9", 12260)), "10.244.2.9:12260");
    EXPECT_EQ(to_text(numeric("fd00::1", 10260)), "[fd00::1]:10260");
    EXPECT_EQ(to_text(numeric("::ffff:10.0.0.1", 80)), "10.0.0.1:80");
    EXPECT_EQ(to_text(*numeric_endpoint({{}, 0, "/run/app.sock"})), "unix:/run/app.sock");
    EXPECT_EQ(to_text(*numeric_endpoint({{}, 0, "@app"})), "unix:@app");
}

TEST(EndpointText, is_the_same_for_the_short_form_that_sessions_keep) {
    for (const auto& endpoint :
         {numeric("127.0.0.1", 1), numeric("::1", 65535), numeric("::ffff:1.2.3.4", 5)}) {
        EXPECT_EQ(peer(endpoint).text(), to_text(endpoint));
    }
    EXPECT_EQ(peer(*numeric_endpoint({{}, 0, "/run/app.sock"})).text(), "unix:");
}

TEST(PeerAddress, is_the_same_host_whatever_the_port_and_the_spelling) {
    const auto first = peer(numeric("10.1.2.3", 1));
    for (const auto& same : {numeric("10.1.2.3", 65535), numeric("::ffff:10.1.2.3", 2)}) {
        EXPECT_TRUE(first.same_host(peer(same))) << to_text(same);
        EXPECT_EQ(first.host_hash(7), peer(same).host_hash(7)) << to_text(same);
    }
    EXPECT_TRUE(peer(numeric("fd00::1", 1)).same_host(peer(numeric("fd00::1", 2))));
    EXPECT_TRUE(peer(*numeric_endpoint({{}, 0, "/a"})).same_host(PeerAddress()));
    EXPECT_EQ(peer(*numeric_endpoint({{}, 0, "/a"})).host_hash(7), PeerAddress().host_hash(7));
}

TEST(PeerAddress, is_another_host_when_any_byte_differs) {
    const std::vector<PeerAddress> hosts = {peer(numeric("10.1.2.3", 1)),
                                            peer(numeric("10.1.2.4", 1)),
                                            peer(numeric("11.1.2.3", 1)),
                                            peer(numeric("::10.1.2.3", 1)),
                                            peer(numeric("fd00::1", 1)),
                                            peer(numeric("fd00::2", 1)),
                                            peer(numeric("fe80::1%1", 1)),
                                            peer(numeric("fe80::1%2", 1)),
                                            peer(numeric("::", 1)),
                                            peer(numeric("0.0.0.0", 1)),
                                            PeerAddress()};
    for (size_t a = 0; a < hosts.size(); ++a) {
        for (size_t b = 0; b < hosts.size(); ++b) {
            EXPECT_EQ(hosts[a].same_host(hosts[b]), a == b) << a << " " << b;
            EXPECT_EQ(hosts[a].host_hash(7) == hosts[b].host_hash(7), a == b) << a << " " << b;
        }
    }
}

TEST(PeerAddress, falls_elsewhere_with_another_secret) {
    const auto host = peer(numeric("10.1.2.3", 1));
    EXPECT_NE(host.host_hash(1), host.host_hash(2));
}

TEST(NumericEndpoint, leaves_names_to_the_resolver) {
    EXPECT_FALSE(numeric_endpoint({"group-rpc-service", 10260, {}}).has_value());
    EXPECT_FALSE(numeric_endpoint({"", 10260, {}}).has_value());
}

TEST(Reaches, sees_through_wildcards_and_mapped_addresses) {
    const std::vector<Endpoint> local = {numeric("10.1.2.3", 0), numeric("fd00::9", 0)};
    EXPECT_TRUE(reaches(numeric("127.0.0.1", 80), numeric("127.0.0.1", 80), local));
    EXPECT_TRUE(reaches(numeric("127.0.0.1", 80), numeric("0.0.0.0", 80), local));
    EXPECT_TRUE(reaches(numeric("10.1.2.3", 80), numeric("::", 80), local));
    EXPECT_TRUE(reaches(numeric("::ffff:10.1.2.3", 80), numeric("0.0.0.0", 80), local));
    EXPECT_TRUE(reaches(numeric("fd00::9", 80), numeric("::", 80), local));
    EXPECT_FALSE(reaches(numeric("127.0.0.1", 81), numeric("0.0.0.0", 80), local));
    EXPECT_FALSE(reaches(numeric("10.9.9.9", 80), numeric("0.0.0.0", 80), local));
    EXPECT_FALSE(reaches(numeric("127.0.0.2", 80), numeric("127.0.0.1", 80), local));
    EXPECT_FALSE(reaches(numeric("fd00::9", 80), numeric("0.0.0.0", 80), local));
}

TEST(LocalAddresses, include_loopback) {
    const auto found = local_addresses();
    EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                            [](const Endpoint& e) { return to_text(e) == "127.0.0.1:0"; }));
}

}  // namespace
}  // namespace telltale::proxy
