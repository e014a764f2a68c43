#include "proxy/admin_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/endpoint.h"

namespace telltale::proxy {
namespace {

Endpoint endpoint_of(const std::string& host) {
    const auto endpoint = numeric_endpoint({.host = host, .port = 1, .unix_path = {}});
    EXPECT_TRUE(endpoint.has_value()) << host;
    return endpoint.value_or(Endpoint());
}

bool may_change(const Endpoint& peer, const Endpoint& local) {
    return why_refused({.peer = peer, .local = local, .host = {}, .origins = {}, .fetch_sites = {}})
        .empty();
}

TEST(AdminGuard, lets_this_host_through) {
    for (const std::string host : {"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(may_change(endpoint_of(host), endpoint_of(host))) << host;
    }
    const auto socket = numeric_endpoint({.host = {}, .port = 0, .unix_path = "/run/admin"});
    EXPECT_TRUE(may_change(*socket, *socket));
}

TEST(AdminGuard, refuses_whoever_comes_from_elsewhere_or_asks_at_another_address) {
    const Endpoint here = endpoint_of("127.0.0.1");
    for (const std::string host : {"10.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2", "fe80::1",
                                   "100::1", "::ffff:10.0.0.1", "::127.0.0.1", "7f00::1"}) {
        EXPECT_FALSE(may_change(endpoint_of(host), here)) << host;
        EXPECT_FALSE(may_change(here, endpoint_of(host))) << host;
    }
    EXPECT_FALSE(may_change(Endpoint(), here)) << "an address of no known family";
}

struct Row {
    std::string host;
    std::vector<std::string_view> origins, fetch_sites;
    bool may;
};

TEST(AdminGuard, tells_its_own_page_from_those_of_others) {
    const std::string_view own = "http://127.0.0.1:15970";
    const std::vector<Row> rows = {
        {"a.example", {}, {}, true},  // no browser
        {"127.0.0.1:15970", {}, {"none"}, true},
        {"127.0.0.1:15970", {own}, {"same-origin"}, true},
        {"127.0.0.1:15970", {own}, {}, true},
        {"localhost:8080", {"http://localhost:8080"}, {}, true},
        {"LocalHost:8080", {"http://localhost:8080"}, {}, true},
        {"localhost", {"http://localhost"}, {}, true},
        {"[::1]:15970", {"http://[::1]:15970"}, {}, true},
        {"127.0.0.1:15970", {own}, {"cross-site"}, false},
        {"127.0.0.1:15970", {own}, {"same-site"}, false},
        {"127.0.0.1:15970", {own}, {""}, false},
        {"127.0.0.1:15970", {own}, {"same-origin", "cross-site"}, false},
        {"127.0.0.1:15970", {"http://127.0.0.1:80"}, {}, false},
        {"127.0.0.1:15970", {"https://127.0.0.1:15970"}, {}, false},
        {"127.0.0.1:15970", {"null"}, {}, false},
        {"127.0.0.1:15970", {""}, {}, false},
        {"127.0.0.1:15970", {own, "http://evil.example"}, {}, false},
        {"", {"http://"}, {}, false},
        // A name of the attacker's that leads to this host: same origin to the browser.
        {"evil.example:15970", {"http://evil.example:15970"}, {"same-origin"}, false},
        {"localhost.evil.example", {"http://localhost.evil.example"}, {}, false},
        {"127.evil.example", {"http://127.evil.example"}, {}, false},
        {"[::1].evil.example", {"http://[::1].evil.example"}, {}, false},
        {"10.0.0.1", {"http://10.0.0.1"}, {}, false},
    };
    const Endpoint here = endpoint_of("127.0.0.1");
    for (const Row& row : rows) {
        const std::string_view refused = why_refused({.peer = here,
                                                      .local = here,
                                                      .host = row.host,
                                                      .origins = row.origins,
                                                      .fetch_sites = row.fetch_sites});
        EXPECT_EQ(refused.empty(), row.may)
            << row.host << " " << (row.origins.empty() ? "-" : row.origins[0]);
        const std::string_view expected = "refused: asked by the page of another site\n";
        EXPECT_EQ(refused, row.may ? std::string_view() : expected);
    }
}

}  // namespace
}  // namespace telltale::proxy
