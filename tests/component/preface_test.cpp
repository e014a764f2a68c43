#include <gtest/gtest.h>

#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string empty_settings("\0\0\0\4\0\0\0\0\0", 9);

TEST(Preface, split_at_every_byte_reaches_the_upstream_in_one_segment) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    for (size_t split = 1; split < preface.size(); ++split) {
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        client.send(preface.substr(0, split));
        // Not one byte goes out while the rest may still come; then everything does, at once.
        ASSERT_TRUE(sidecar.wait_until([&] {
            return sidecar.get("/connections").find("\"from_client\":" + std::to_string(split)) !=
                   std::string::npos;
        })) << sidecar.get("/connections");
        client.send(preface.substr(split) + empty_settings);
        const Received first = server.receive_some();
        EXPECT_GE(first.bytes.size(), preface.size()) << "split at " << split;
        std::string all = first.bytes;
        if (all.size() < preface.size() + 9)
            all += server.receive(preface.size() + 9 - all.size()).bytes;
        EXPECT_EQ(all, preface + empty_settings);
        client.close();
        EXPECT_EQ(server.receive_to_end().end, End::fin);
    }
}

TEST(Preface, begun_and_left_goes_out_after_the_hold) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.sniff.preface_hold = std::chrono::milliseconds(100);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("PRI * HT");
    EXPECT_EQ(server.receive(8).bytes, "PRI * HT");
    client.send("TP/2.0");
    EXPECT_EQ(server.receive(6).bytes, "TP/2.0");
    client.close();
    server.close();
}

TEST(Preface, begun_and_ended_goes_out_with_the_fin) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("PR");
    client.shutdown_send();
    const Received got = server.receive_to_end();
    EXPECT_EQ(got.bytes, "PR");
    EXPECT_EQ(got.end, End::fin);
    server.close();
}

TEST(Preface, other_protocols_are_not_held) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.sniff.preface_hold = std::chrono::seconds(60);
    Sidecar sidecar(config);
    for (const std::string first : {"POST", "G", "\x16\x03", "PUT / HTTP/1.1\r\n"}) {
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        client.send(first);
        EXPECT_EQ(server.receive(first.size()).bytes, first);
        client.close();
        EXPECT_EQ(server.receive_to_end().end, End::fin);
    }
}

}  // namespace
}  // namespace telltale::test
