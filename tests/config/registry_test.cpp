#include "config/registry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace telltale::config {
namespace {

using sniff::PortRole;
using sniff::RegistryFacts;

Service service(const std::string& name, uint16_t grpc, uint16_t metrics,
                std::vector<std::string> addresses = {}) {
    return {.name = name,
            .grpc = grpc,
            .metrics = metrics,
            .addresses = std::move(addresses),
            .source = name + "'s source"};
}

const Registry registry({
    service("group", 10260, 12260),
    service("user", 10320, 12320),
    service("billing", 50051, 9090, {"10.0.0.1", "0:0::9"}),
    service("orders", 50051, 9090, {"10.0.0.2"}),
    service("search", 50051, 9091),
});

struct Row {
    std::string why, address, requested;
    std::string service;
    PortRole role;
    uint16_t grpc;
    std::string requested_service;
    uint16_t requested_grpc;
};

TEST(Registry, names_the_owner_of_what_was_dialled) {
    const std::vector<Row> rows = {
        {"the metrics port of the service asked for", "10.1.1.1:12260", "group:12260", "group",
         PortRole::metrics, 10260, "group", 10260},
        {"its gRPC port", "10.1.1.1:10260", "group:10260", "group", PortRole::grpc, 10260, "group",
         10260},
        {"an unambiguous port behind a bare address", "127.0.0.1:12320", "127.0.0.1:12320", "user",
         PortRole::metrics, 10320, "", 0},
        {"an unambiguous port on IPv6", "[::1]:12320", "[::1]:12320", "user", PortRole::metrics,
         10320, "", 0},
        {"a port of two services says nothing", "10.1.1.1:9090", "10.1.1.1:9090", "",
         PortRole::unknown, 0, "", 0},
        {"a port of two services, one was asked for", "10.1.1.1:50051", "orders:50051", "orders",
         PortRole::grpc, 50051, "orders", 50051},
        {"an address decides between equal ports", "10.0.0.2:9090", "10.0.0.2:9090", "orders",
         PortRole::metrics, 50051, "", 0},
        {"however the address is spelled", "[::9]:9090", "[::9]:9090", "billing", PortRole::metrics,
         50051, "", 0},
        {"a registered address wins over the name asked for", "10.0.0.1:50051", "orders:50051",
         "billing", PortRole::grpc, 50051, "orders", 50051},
        {"a registered address wins over the port", "10.0.0.1:12260", "10.0.0.1:12260", "billing",
         PortRole::unknown, 50051, "", 0},
        {"the port of another service than the one asked for", "10.1.1.1:10320", "group:10320",
         "user", PortRole::grpc, 10320, "group", 10260},
        {"a port nobody knows", "10.1.1.1:80", "group:80", "", PortRole::unknown, 0, "group",
         10260},
        {"nobody was dialled: the request alone", "", "group:12260", "group", PortRole::metrics,
         10260, "group", 10260},
        {"a Unix socket", "unix:/run/a", "unix:/run/a", "", PortRole::unknown, 0, "", 0},
        {"nothing at all", "", "", "", PortRole::unknown, 0, "", 0},
        {"nonsense", "x:y:z", "[::1", "", PortRole::unknown, 0, "", 0},
        {"a port that is too large", "10.1.1.1:75796", "10.1.1.1:75796", "", PortRole::unknown, 0,
         "", 0},
    };
    for (const Row& row : rows) {
        const RegistryFacts facts = registry.look_up(row.address, row.requested);
        EXPECT_EQ(facts.service, row.service) << row.why;
        EXPECT_EQ(facts.port_role, row.role) << row.why;
        EXPECT_EQ(facts.grpc_port, row.grpc) << row.why;
        EXPECT_EQ(facts.requested_service, row.requested_service) << row.why;
        EXPECT_EQ(facts.requested_grpc_port, row.requested_grpc) << row.why;
    }
}

TEST(Registry, knows_the_names_that_kubernetes_gives_a_service) {
    for (const std::string host :
         {"group", "group.openim", "group.openim.svc", "GROUP.OpenIM",
          "group.openim.svc.cluster.local", "group.openim.svc.cluster.local."}) {
        EXPECT_EQ(registry.look_up("", host + ":10260").requested_service, "group") << host;
    }
    for (const std::string host : {"groups", "my-group", "group.", "x.group", "group.example.com",
                                   "group.openim.svcs", "group.openim.pod"}) {
        const std::string expected = host == "group." ? "group" : "";
        EXPECT_EQ(registry.look_up("", host + ":10260").requested_service, expected) << host;
    }
}

TEST(Registry, prefers_the_longer_of_two_names_that_fit) {
    const Registry both({service("group", 1, 2), service("group.rpc", 3, 4)});
    EXPECT_EQ(both.look_up("", "group.rpc:3").requested_service, "group.rpc");
}

TEST(Registry, tells_services_on_one_host_apart_by_port) {
    const Registry shared({service("a", 1, 2, {"127.0.0.1"}), service("b", 3, 4, {"127.0.0.1"})});
    EXPECT_EQ(shared.look_up("127.0.0.1:4", "127.0.0.1:4").service, "b");
    EXPECT_EQ(shared.look_up("127.0.0.1:9", "127.0.0.1:9").service, "");
    EXPECT_EQ(shared.look_up("127.0.0.1:9", "a:9").service, "a");
}

TEST(Registry, says_where_a_row_comes_from) {
    EXPECT_EQ(registry.look_up("10.1.1.1:12260", "10.1.1.1:12260").source, "group's source");
    EXPECT_EQ(registry.look_up("10.1.1.1:10320", "group:10320").source, "user's source");
    EXPECT_EQ(registry.look_up("10.1.1.1:80", "group:80").source, "group's source");
    EXPECT_EQ(registry.look_up("10.1.1.1:80", "10.1.1.1:80").source, "");
}

TEST(Registry, knows_nothing_when_it_is_empty) {
    EXPECT_EQ(Registry({}).look_up("10.0.0.1:1", "a:1").service, "");
}

}  // namespace
}  // namespace telltale::config
