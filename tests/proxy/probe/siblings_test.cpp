#include "proxy/probe/siblings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace telltale::proxy::probe {
namespace {

using testing::HasSubstr;

const std::vector<config::Service> services = {
    {.name = "group-rpc-service",
     .grpc = 10260,
     .metrics = 12260,
     .addresses = {},
     .source = "openim data set"},
    {.name = "user-rpc-service", .grpc = 10320, .metrics = 12320, .addresses = {}}};

std::vector<uint16_t> ports_of(const std::vector<Sibling>& siblings) {
    std::vector<uint16_t> ports;
    for (const Sibling& sibling : siblings) ports.push_back(sibling.port);
    return ports;
}

TEST(ProbeSiblings, are_the_other_port_of_the_service_in_the_registry) {
    const auto of_metrics = siblings_of("10.0.0.1", 12260, services, {});
    ASSERT_EQ(ports_of(of_metrics), (std::vector<uint16_t>{10260}));
    EXPECT_EQ(of_metrics[0].why, "gRPC port of group-rpc-service by the openim data set");
    EXPECT_EQ(ports_of(siblings_of("10.0.0.1", 10260, services, {})),
              (std::vector<uint16_t>{12260}));
}

TEST(ProbeSiblings, are_both_ports_of_the_service_that_was_named) {
    EXPECT_EQ(ports_of(siblings_of("group-rpc-service", 80, services, {})),
              (std::vector<uint16_t>{10260, 12260}));
    // Its name, but the port of another.
    EXPECT_EQ(ports_of(siblings_of("group-rpc-service.openim.svc", 12320, services, {})),
              (std::vector<uint16_t>{10260, 12260, 10320}));
}

TEST(ProbeSiblings, are_known_for_programs_that_have_a_pair_of_ports) {
    const auto siblings = siblings_of("10.0.0.1", 4318, {}, {});
    ASSERT_EQ(ports_of(siblings), (std::vector<uint16_t>{4317}));
    EXPECT_EQ(siblings[0].why, "gRPC port of OTLP by default");
    EXPECT_EQ(ports_of(siblings_of("10.0.0.1", 4317, {}, {})), (std::vector<uint16_t>{4318}));
    EXPECT_THAT(ports_of(siblings_of("10.0.0.1", 8848, {}, {})), testing::ElementsAre(9848, 9849));
}

TEST(ProbeSiblings, that_were_asked_for_come_first_and_once) {
    const auto siblings = siblings_of("10.0.0.1", 12260, services, {1, 10260, 12260, 1});
    ASSERT_EQ(ports_of(siblings), (std::vector<uint16_t>{1, 10260}));
    EXPECT_EQ(siblings[0].why, "");
    EXPECT_THAT(siblings[1].why, HasSubstr("group-rpc-service"));
}

TEST(ProbeSiblings, come_from_rows_that_name_a_page_of_the_program) {
    std::set<std::pair<uint16_t, uint16_t>> seen;
    for (const PortPair& pair : port_pairs()) {
        EXPECT_TRUE(pair.source.starts_with("https://")) << pair.program;
        EXPECT_NE(pair.other, pair.grpc) << pair.program;
        EXPECT_FALSE(pair.other_is.empty()) << pair.program;
    }
    for (const auto& [other, grpc] : {std::pair{4318, 4317}, std::pair{6333, 6334},
                                      std::pair{2380, 2379}, std::pair{12800, 11800}}) {
        const auto fits = [&](const PortPair& pair) {
            return pair.other == other && pair.grpc == grpc;
        };
        EXPECT_TRUE(std::any_of(port_pairs().begin(), port_pairs().end(), fits)) << other;
    }
}

TEST(ProbeSiblings, are_read_from_numbers_and_ranges) {
    std::string error;
    EXPECT_EQ(parse_ports("10260,10200-10202", error),
              (std::vector<uint16_t>{10260, 10200, 10201, 10202}));
    EXPECT_EQ(parse_ports("65535-65535", error), (std::vector<uint16_t>{65535}));
    EXPECT_EQ(parse_ports("1-64", error).size(), siblings_max);
    for (const char* wrong :
         {"", ",", "1,", "0", "65536", "2-1", "1-", "-1", "a", "1-65535", "1-64,65"}) {
        error.clear();
        EXPECT_TRUE(parse_ports(wrong, error).empty()) << wrong;
        EXPECT_FALSE(error.empty()) << wrong;
    }
}

}  // namespace
}  // namespace telltale::proxy::probe
