#include "sniff/sniffer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sniff/http2.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

constexpr uint32_t window = 16384;

Protocol at_once(Side speaker, std::string_view text) {
    Sniffer sniffer(speaker, window);
    return sniffer.look(as_bytes(text));
}

// As the bytes come in one by one; the verdict must not change once it is there.
Protocol byte_by_byte(Side speaker, std::string_view text) {
    Sniffer sniffer(speaker, window);
    for (size_t size = 1; size <= text.size(); ++size) {
        const Protocol before = sniffer.protocol();
        const Protocol after = sniffer.look(as_bytes(text.substr(0, size)));
        EXPECT_TRUE(before == Protocol::undecided || before == after) << size;
    }
    return sniffer.protocol();
}

class CorpusSniffer : public testing::TestWithParam<test::Capture> {};

TEST_P(CorpusSniffer, tells_the_protocol_at_once_and_byte_by_byte) {
    const auto& capture = GetParam();
    const std::string bytes = test::bytes_of(capture);
    EXPECT_EQ(name(at_once(capture.speaker, bytes)), name(capture.protocol));
    EXPECT_EQ(name(byte_by_byte(capture.speaker, bytes)), name(capture.protocol));
}

INSTANTIATE_TEST_SUITE_P(Captures, CorpusSniffer,
                         testing::ValuesIn(test::captures().begin(), test::captures().end()),
                         [](const auto& row) {
                             return std::string(name(row.param.speaker)) + "_" +
                                    std::string(row.param.name);
                         });

TEST(Sniffer, stays_undecided_while_the_preface_is_coming) {
    for (size_t size = 1; size < http2_preface.size(); ++size) {
        EXPECT_EQ(at_once(Side::client, http2_preface.substr(0, size)), Protocol::undecided)
            << size;
    }
    EXPECT_EQ(at_once(Side::client, http2_preface), Protocol::http2);
}

TEST(Sniffer, calls_a_preface_that_turns_off_http1_at_the_byte_where_it_does) {
    for (size_t at = 5; at < http2_preface.size(); ++at) {
        std::string text(http2_preface.substr(0, at));
        text += '~';
        EXPECT_EQ(at_once(Side::client, text), Protocol::http1) << at;
    }
}

TEST(Sniffer, does_not_take_other_text_protocols_for_requests) {
    for (const std::string_view text :
         {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "EHLO host.example\r\n",
          "PROXY TCP4 192.0.2.1 1 2\r\n", "USER name\r\n", "*1\r\n$4\r\nPING\r\n", "INFO {}\r\n",
          "\r\n\r\n\r\nGET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET  / HTTP/1.1", " GET / HTTP/1.1"}) {
        EXPECT_EQ(at_once(Side::client, text), Protocol::other) << text;
    }
}

TEST(Sniffer, calls_text_that_no_row_knows_other) {
    for (const std::string_view text :
         {"INFO {\"server_id\":\"N\"}\r\n", "ERROR\r\n", "+OK POP3 ready\r\n", "200 news ready\r\n",
          "HTTP/1.1 4x0 ", "HTTP/11 400", "{}", "<?xml version"}) {
        EXPECT_EQ(at_once(Side::upstream, text), Protocol::other) << text;
    }
}

TEST(Sniffer, calls_http2_frames_of_impossible_length_other) {
    EXPECT_EQ(at_once(Side::upstream, {"\xff\xff\xff\4\0\0\0\0\0", 9}), Protocol::other);
    EXPECT_EQ(at_once(Side::upstream, {"\0\0\5\4\0\0\0\0\0", 9}), Protocol::other);
    EXPECT_EQ(at_once(Side::upstream, {"\0\x41\0\7\0\0\0\0\0", 9}), Protocol::other);
    EXPECT_EQ(at_once(Side::upstream, {"\0\0\x06\4\0\0\0\0\1", 9}), Protocol::other);
}

TEST(Sniffer, calls_http2_that_does_not_begin_with_settings_goaway) {
    EXPECT_EQ(at_once(Side::upstream, {"\0\0\0\4\1\0\0\0\0", 9}), Protocol::http2_goaway);
    EXPECT_EQ(at_once(Side::upstream, {"\0\0\x08\7\0\0\0\0\0", 9}), Protocol::http2_goaway);
    EXPECT_EQ(at_once(Side::upstream, {"\0\0\4\x08\0\0\0\0\0", 9}), Protocol::http2_goaway);
}

TEST(Sniffer, latches) {
    Sniffer sniffer(Side::upstream, window);
    EXPECT_EQ(sniffer.look(as_bytes("SSH-2.0-x")), Protocol::ssh);
    EXPECT_EQ(sniffer.look(as_bytes("HTTP/1.1 200 OK")), Protocol::ssh);
    EXPECT_EQ(sniffer.finish(as_bytes("")), Protocol::ssh);
}

TEST(Sniffer, ends_at_its_window_whatever_the_rows_hope) {
    Sniffer sniffer(Side::upstream, 8);
    EXPECT_EQ(sniffer.look(as_bytes("HTTP/1.")), Protocol::undecided);
    EXPECT_EQ(sniffer.look(as_bytes("HTTP/1.1")), Protocol::other);
    Sniffer whole(Side::upstream, 8);
    EXPECT_EQ(whole.look(as_bytes("HTTP/1.1 200 OK")), Protocol::other);
}

TEST(Sniffer, finishes_with_what_is_there) {
    Sniffer cut(Side::upstream, window);
    EXPECT_EQ(cut.look(as_bytes("HTTP/1.1 ")), Protocol::undecided);
    EXPECT_EQ(cut.finish(as_bytes("HTTP/1.1 ")), Protocol::other);
    Sniffer empty(Side::upstream, window);
    EXPECT_EQ(empty.finish(as_bytes("")), Protocol::undecided);
    Sniffer unseen(Side::upstream, window);
    EXPECT_EQ(unseen.finish(as_bytes("220 ready")), Protocol::smtp);
}

}  // namespace
}  // namespace telltale::sniff
