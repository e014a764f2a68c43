#include "proxy/probe/target.h"

#include <gtest/gtest.h>

#include <string>

namespace telltale::proxy::probe {
namespace {

TEST(ProbeTarget, takes_names_and_addresses_with_a_port) {
    std::string error;
    for (const auto& [text, host, port] :
         {std::tuple{"group-rpc-service:12260", "group-rpc-service", 12260},
          std::tuple{"10.0.0.1:1", "10.0.0.1", 1}, std::tuple{"[::1]:65535", "::1", 65535},
          std::tuple{"[fe80::1%eth0]:80", "fe80::1%eth0", 80}}) {
        const auto target = parse_target(text, error);
        ASSERT_TRUE(target) << text << ": " << error;
        EXPECT_EQ(target->host, host);
        EXPECT_EQ(target->port, port);
        EXPECT_EQ(target->text(), text);
    }
}

TEST(ProbeTarget, says_what_is_wrong_with_anything_else) {
    for (const auto& [text, says] :
         {std::pair{"localhost", "\"localhost\" has no port; say HOST:PORT"},
          std::pair{"localhost:", "has no port"}, std::pair{"", "\"\" has no port"},
          std::pair{"localhost:0", "no port from 1 to 65535"},
          std::pair{"localhost:65536", "no port from 1 to 65535"},
          std::pair{"localhost:grpc", "no port from 1 to 65535"}, std::pair{":80", "no host name"},
          std::pair{"a b:80", "no host name"}, std::pair{"a/b:80", "no host name"},
          std::pair{"http://localhost:80", "is a URL; say HOST:PORT"},
          std::pair{"::1", "needs brackets and a port: [::1]:PORT"},
          std::pair{"::1:80", "needs brackets"}, std::pair{"\x1b[31m:80", "\\x1b[31m"}}) {
        std::string error;
        EXPECT_FALSE(parse_target(text, error)) << text;
        EXPECT_NE(error.find(says), std::string::npos) << text << ": " << error;
    }
}

}  // namespace
}  // namespace telltale::proxy::probe
