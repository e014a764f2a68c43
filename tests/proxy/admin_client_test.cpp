#include "proxy/admin_client.h"

#include <gtest/gtest.h>

#include <string>

namespace telltale::proxy {
namespace {

TEST(AdminClient, knows_admin_addresses) {
    const auto text = [](const char* source) {
        const auto address = admin_address(source);
        return address ? address->text() : std::string();
    };
    EXPECT_EQ(text("http://10.0.0.1:15970"), "10.0.0.1:15970");
    EXPECT_EQ(text("http://10.0.0.1:8080/incidents?format=text"), "10.0.0.1:8080");
    EXPECT_EQ(text("10.0.0.1"), "10.0.0.1:15970");
    EXPECT_EQ(text("http://group-rpc.openim.svc/"), "group-rpc.openim.svc:15970");
    EXPECT_EQ(text("[fd00::1]"), "[fd00::1]:15970");
    EXPECT_EQ(text("unix:/run/telltale/admin.sock"), "unix:/run/telltale/admin.sock");
    for (const char* none : {"https://10.0.0.1", "logs/a.json", "", "http://", "10.0.0.300"}) {
        EXPECT_EQ(text(none), "") << none;
    }
}

}  // namespace
}  // namespace telltale::proxy
