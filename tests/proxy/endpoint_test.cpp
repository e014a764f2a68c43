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
