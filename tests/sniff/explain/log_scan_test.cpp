#include "sniff/explain/log_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "sniff/explain/explain.h"

namespace telltale::sniff::explain::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view refused =
    "2026-11-23T10:00:01Z dial tcp 10.0.0.1:50051: connect: connection refused\n";
constexpr std::string_view too_large =
    "2026-11-23T10:00:02.5Z error reading server preface: http2: frame too large\n";

std::vector<Finding> scanned(std::string_view log, size_t chunk = 7) {
    LogScan scan;
    for (size_t at = 0; at < log.size(); at += chunk) scan.feed(log.substr(at, chunk));
    scan.finish();
    return scan.findings();
}

TEST(LogScan, gives_each_finding_once_with_its_lines) {
    std::string log = "started\n";
    for (int i = 0; i < 10; ++i) log += refused;
    log += too_large;
    log += refused;
    const auto findings = scanned(log);
    ASSERT_THAT(findings, SizeIs(2));
    EXPECT_EQ(findings[0].id, "go_refused");
    EXPECT_EQ(findings[0].count, 11U);
    EXPECT_EQ(findings[0].first_line, 2U);
    EXPECT_EQ(findings[0].last_line, 13U);
    EXPECT_EQ(findings[0].first_time, "2026-11-23T10:00:01Z");
    EXPECT_EQ(findings[1].id, "grpc_go_frame_too_large");
    EXPECT_EQ(findings[1].count, 1U);
    EXPECT_EQ(findings[1].first_line, 12U);
    EXPECT_EQ(findings[1].first_time, "2026-11-23T10:00:02.5Z");
}

TEST(LogScan, does_not_care_how_the_log_is_cut_into_chunks) {
    const std::string log = std::string(refused) + std::string(too_large) + std::string(refused);
    for (const size_t chunk : {size_t{1}, size_t{2}, size_t{3}, log.size()}) {
        const auto findings = scanned(log, chunk);
        ASSERT_THAT(findings, SizeIs(2));
        EXPECT_EQ(findings[0].count, 2U);
    }
}

TEST(LogScan, counts_a_last_line_without_an_end) {
    EXPECT_THAT(scanned("frame with invalid size"), SizeIs(1));
    EXPECT_THAT(scanned(""), IsEmpty());
}

TEST(LogScan, counts_addresses) {
    const auto findings = scanned(
        "dial tcp 10.0.0.1:50051: connect: connection refused\n"
        "dial tcp 10.0.0.2:50051: connect: connection refused\n"
        "dial tcp 10.0.0.2:50051: connect: connection refused\n");
    ASSERT_THAT(findings, SizeIs(1));
    ASSERT_THAT(findings[0].addresses, SizeIs(2));
    EXPECT_EQ(findings[0].addresses[1].address, "10.0.0.2:50051");
    EXPECT_EQ(findings[0].addresses[1].count, 2U);
}

TEST(LogScan, tells_texts_apart_whose_number_says_another_thing) {
    const auto findings = scanned(
        "upstream sent too large http2 frame: 4740180 while\n"
        "upstream sent too large http2 frame: 3940676 while\n"
        "upstream sent too large http2 frame: 4740180 while\n");
    ASSERT_THAT(findings, SizeIs(2));
    EXPECT_EQ(findings[0].count, 2U);
}

TEST(LogScan, finds_a_text_at_every_place_of_an_endless_line) {
    const std::string text = "error reading server preface: http2: frame too large";
    for (const size_t before :
         {line_window - line_overlap - 20, line_window - 20, 3 * line_window - 7}) {
        const auto findings =
            scanned(std::string(before, 'x') + text + std::string(before, 'y'), 4096);
        ASSERT_THAT(findings, SizeIs(1)) << before;
        EXPECT_EQ(findings[0].count, 1U);
        EXPECT_EQ(findings[0].first_line, 1U);
    }
}

TEST(LogScan, keeps_no_more_than_a_window_of_a_line_and_a_limit_of_findings) {
    std::string log;
    for (int i = 0; i < 1000; ++i) {
        log += "upstream sent too large http2 frame: " + std::to_string(4740180 + i) + " while\n";
    }
    LogScan scan;
    scan.feed(log);
    scan.finish();
    EXPECT_THAT(scan.findings(), SizeIs(findings_max));
    EXPECT_EQ(scan.not_kept(), 1000 - findings_max);
}

TEST(LogScan, reads_the_times_of_the_usual_logs) {
    EXPECT_EQ(line_time("2026/11/23 09:59:26 [error] 7327#7327"), "2026/11/23 09:59:26");
    EXPECT_EQ(line_time("{\"ts\":\"2026-11-22T22:01:37.396Z\",\"level\""),
              "2026-11-22T22:01:37.396Z");
    EXPECT_EQ(line_time("2024-02-26 13:42:00,494 INFO"), "2024-02-26 13:42:00,494");
    EXPECT_EQ(line_time("no time at all"), "");
}

// ---- properties: any bytes, and little time for them

constexpr size_t ten_mib = size_t{10} << 20U;

std::string repeated(std::string_view piece, size_t size) {
    std::string out;
    out.reserve(size + piece.size());
    while (out.size() < size) out += piece;
    return out;
}

TEST(LogScan, ends_soon_whatever_is_repeated) {
    for (const std::string_view piece :
         {"a",
          "[",
          "\\",
          "\"",
          "\n",
          "\x1b[",
          "\x1b]",
          "\\u",
          "{",
          " - - ",
          "upstream ",
          "->1.2.3.4:5",
          "Failed parsing HTTP/2",
          "error reading server preface: ",
          "received ",
          "SSL routines:",
          "upstream connect error or disconnect/reset before headers. ",
          "malformed HTTP response \"\\x00\\x00",
          "\"event\":\"incident\"",
          "1.1.1.1:"}) {
        LogScan scan;
        const std::string log = repeated(piece, ten_mib / 10);
        scan.feed(log);
        scan.finish();
        EXPECT_LE(scan.findings().size(), findings_max) << piece;
    }
}

TEST(LogScan, ends_soon_with_ten_mebibytes_of_one_letter) {
    for (const char letter : {'a', '['}) {
        LogScan scan;
        scan.feed(std::string(ten_mib, letter));
        scan.finish();
        EXPECT_THAT(scan.findings(), IsEmpty());
    }
}

TEST(LogScan, survives_random_bytes_and_random_pieces_of_known_texts) {
    std::mt19937 random(20261123);
    for (int round = 0; round < 50; ++round) {
        std::string log;
        while (log.size() < 4096) {
            const auto tables = error_texts();
            const auto& table = tables[random() % tables.size()];
            const std::string_view example = table[random() % table.size()].example;
            const size_t from = random() % (example.size() + 1);
            log += example.substr(from, random() % 64);
            log += static_cast<char>(random() % 256);
        }
        EXPECT_LE(scanned(log, 1 + random() % 512).size(), findings_max);
        if (round % 10 == 0) {
            EXPECT_LE(explain(log).size(), 4096U);
        }
    }
}

}  // namespace
}  // namespace telltale::sniff::explain::test
