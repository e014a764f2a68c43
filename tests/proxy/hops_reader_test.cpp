#include "proxy/hops/reader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

#include "proxy/admin_pages.h"
#include "proxy/incident.h"
#include "tests/proxy/example_incident.h"

namespace telltale::proxy::hops {
namespace {

Incident example() {
    Incident incident = example_incident();
    incident.evidence.listener_address = "10.244.1.5:15971";
    incident.evidence.upstream_local = "10.244.1.5:51234";
    sniff::Http2Headers asked;
    asked.path = "/openim.group.group/getGroupsInfo";
    asked.user_agent = "grpc-go/1.71.0";
    incident.evidence.client.first_headers = asked;
    return incident;
}

std::string line_of(const Incident& incident) {
    return to_json(incident) + "\n";
}

Repeats repeats(uint64_t count, int seconds_later) {
    const auto first = example().at + std::chrono::seconds(1);
    return {.count = count, .first = first, .last = first + std::chrono::seconds(seconds_later)};
}

TEST(HopsReader, gets_back_what_a_record_says) {
    const Reading reading = read_sightings(line_of(example()), 7);
    ASSERT_EQ(reading.sightings.size(), 1U);
    const Sighting& seen = reading.sightings[0];
    EXPECT_EQ(seen.source, 7U);
    EXPECT_EQ(seen.id, "18f0-0-1");
    EXPECT_EQ(seen.node, "openim-api-7c9/openim");
    EXPECT_EQ(seen.listener, "outbound");
    EXPECT_EQ(seen.direction, "outbound");
    EXPECT_EQ(seen.at, 1795384897396);
    EXPECT_EQ(seen.first, seen.at);
    EXPECT_EQ(seen.last, seen.at);
    EXPECT_EQ(seen.count, 1U);
    EXPECT_EQ(seen.client.address, "10.244.1.5:43210");
    EXPECT_EQ(seen.client.reached, "10.244.1.5:15971");
    EXPECT_EQ(seen.client.protocol, "http/2");
    EXPECT_EQ(seen.client.path, "/openim.group.group/getGroupsInfo");
    EXPECT_EQ(seen.client.user_agent, "grpc-go/1.71.0");
    EXPECT_EQ(seen.upstream.address, "10.244.2.9:12260");
    EXPECT_EQ(seen.upstream.from, "10.244.1.5:51234");
    EXPECT_EQ(seen.upstream.requested, "group-rpc-service:12260");
    EXPECT_EQ(seen.upstream.status, 400);
    EXPECT_EQ(seen.cause, "metrics_port");
    EXPECT_EQ(seen.confidence, sniff::Confidence::certain);
    EXPECT_EQ(seen.hop.position, sniff::HopPosition::upstream);
    EXPECT_EQ(seen.hop.role, "metrics");
    ASSERT_EQ(seen.hop.evidence.size(), 1U);
    EXPECT_EQ(seen.action, "forwarded");
    EXPECT_EQ(reading.wrong_fields, 0U);
    EXPECT_EQ(reading.unreadable, 0U);
}

TEST(HopsReader, reads_the_groups_of_the_incidents_page) {
    const Incident incident = example();
    const std::string page = incidents_json(
        {{.incident = incident, .count = 12, .first = incident.at - std::chrono::seconds(90)},
         {.incident = incident, .count = 1, .first = incident.at}});
    const Reading reading = read_sightings(page, 0);
    ASSERT_EQ(reading.sightings.size(), 2U);
    EXPECT_EQ(reading.sightings[0].count, 12U);
    EXPECT_EQ(reading.sightings[0].first, reading.sightings[0].last - 90000);
    EXPECT_EQ(reading.other_lines, 0U);
}

TEST(HopsReader, takes_an_empty_list_and_an_empty_text_for_no_incidents) {
    for (const char* text : {"", "\n", "[]\n", "[\n]"}) {
        const Reading reading = read_sightings(text, 0);
        EXPECT_TRUE(reading.blank) << text;
        EXPECT_TRUE(reading.sightings.empty());
    }
    EXPECT_FALSE(read_sightings("x", 0).blank);
}

TEST(HopsReader, finds_the_records_among_other_lines_of_a_log) {
    std::string log = "2026-11-22T22:01:30Z info starting { not json\n";
    log += line_of(example());
    log += "{\"level\":\"info\",\"message\":\"an application's own line\"}\n";
    log += "[pod/group-rpc/telltale] " + line_of(example());
    log += "2026-11-22T22:01:30.1Z stdout F " + line_of(example());
    log += "panic: \x1b[31m\xff\n";
    const Reading reading = read_sightings(log, 0);
    EXPECT_EQ(reading.sightings.size(), 3U);
    EXPECT_EQ(reading.objects, 4U);
    EXPECT_EQ(reading.unreadable, 0U);
}

TEST(HopsReader, reads_a_record_that_cri_o_kept_in_two_parts_wherever_it_was_cut) {
    const std::string record = line_of(example());
    const std::string head = "2026-11-22T22:01:30.123456789+00:00 stdout ";
    for (size_t cut = 0; cut < record.size(); ++cut) {
        const Reading reading =
            read_sightings(head + "P " + record.substr(0, cut) + "\n" + head + "F " +
                               record.substr(cut) + head + "F {\"event\":\"incident\n",
                           0);
        ASSERT_EQ(reading.sightings.size(), 1U) << cut;
        EXPECT_EQ(reading.sightings[0].id, "18f0-0-1");
        EXPECT_EQ(reading.first_bad_line, 3U) << "lines count as they are in the file";
    }
}

TEST(HopsReader, unwraps_the_lines_of_dockers_log_files) {
    std::string inside = line_of(example());
    std::string escaped;
    for (const char c : inside) {
        if (c == '"' || c == '\\') escaped += '\\';
        if (c == '\n') {
            escaped += "\\n";
        } else {
            escaped += c;
        }
    }
    const Reading reading =
        read_sightings("{\"log\":\"" + escaped + "\",\"stream\":\"stdout\",\"time\":\"x\"}\n", 0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    EXPECT_EQ(reading.sightings[0].id, "18f0-0-1");
}

TEST(HopsReader, reads_records_that_were_indented_for_people) {
    const Reading reading = read_sightings(
        "[\n  {\n    \"count\": 3,\n    \"incident\": {\n      \"event\": \"incident\",\n      "
        "\"cause\": \"refused\",\n      \"upstream\": {\n        \"address\": \"10.0.0.1:80\"\n"
        "      }\n    }\n  }\n]\n",
        0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    EXPECT_EQ(reading.sightings[0].cause, "refused");
    EXPECT_EQ(reading.sightings[0].count, 3U);
    EXPECT_EQ(reading.sightings[0].upstream.address, "10.0.0.1:80");
}

TEST(HopsReader, counts_summaries_of_repeats_with_their_record) {
    const Incident incident = example();
    const Reading reading = read_sightings(line_of(incident) + to_json(incident, repeats(4, 30)) +
                                               "\n" + to_json(incident, repeats(2, 90)) + "\n",
                                           0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    const Sighting& seen = reading.sightings[0];
    EXPECT_EQ(seen.count, 7U);
    EXPECT_EQ(seen.at, 1795384897396) << "the ports are those of the record";
    EXPECT_EQ(seen.last, seen.at + 91000);
}

TEST(HopsReader, makes_do_with_a_summary_whose_record_was_rotated_away) {
    const Reading reading = read_sightings(to_json(example(), repeats(4, 30)), 0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    const Sighting& seen = reading.sightings[0];
    EXPECT_EQ(seen.count, 4U);
    EXPECT_EQ(seen.id, "");
    EXPECT_EQ(seen.last - seen.first, 30000);
    EXPECT_EQ(seen.upstream.address, "10.244.2.9:12260");
}

TEST(HopsReader, passes_over_unknown_fields_and_leaves_missing_ones_empty) {
    const Reading reading =
        read_sightings(R"({"event":"incident","new":{"a":[1,{"b":null}]},"upstream":{"x":1}})", 0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    const Sighting& seen = reading.sightings[0];
    EXPECT_EQ(seen.cause, "");
    EXPECT_EQ(seen.at, 0);
    EXPECT_EQ(seen.confidence, sniff::Confidence::possible) << "nothing is more than that";
    EXPECT_FALSE(seen.hop.position);
    EXPECT_EQ(reading.wrong_fields, 0U);
}

TEST(HopsReader, counts_fields_of_a_wrong_type_as_missing_and_tells_how_many) {
    const Reading reading = read_sightings(
        R"({"event":"incident","cause":7,"client":[],"upstream":{"status":"x","address":{}},)"
        R"("hop":{"evidence":"none","position":"moon"},"ts":"yesterday"})",
        0);
    ASSERT_EQ(reading.sightings.size(), 1U);
    EXPECT_EQ(reading.wrong_fields, 5U);
    EXPECT_EQ(reading.sightings[0].upstream.address, "");
    EXPECT_EQ(reading.sightings[0].at, 0);
}

TEST(HopsReader, tells_where_a_broken_record_is_and_reads_on) {
    const std::string record = line_of(example());
    const Reading reading = read_sightings("a line\n" + record.substr(0, 300) + "\n" + record, 0);
    EXPECT_EQ(reading.sightings.size(), 1U);
    EXPECT_EQ(reading.unreadable, 1U);
    EXPECT_EQ(reading.first_bad_line, 2U);
}

TEST(HopsReader, bounds_depth_size_and_number) {
    const std::string deep = R"({"event":"incident","a":)" + std::string(100000, '[') + "\n";
    const std::string wide = R"({"event":"incident","cause":"refused","upstream":{},"a":")" +
                             std::string(70000, 'a') + "\"}\n";
    const std::string record = line_of(example());
    Reading reading = read_sightings(deep + wide + record, 0);
    EXPECT_EQ(reading.sightings.size(), 1U);
    EXPECT_EQ(reading.unreadable, 2U);

    std::string many;
    for (int i = 0; i < 50; ++i) {
        many += R"({"event":"incident","cause":"c)" + std::to_string(i) +
                R"(","ts":"2026-11-22T22:00:)" + (i < 10 ? "0" : "") + std::to_string(i) +
                R"(Z","upstream":{}})" + "\n";
    }
    ReadLimits limits;
    limits.sightings = 10;
    reading = read_sightings(many, 0, limits);
    ASSERT_EQ(reading.sightings.size(), 10U);
    EXPECT_EQ(reading.passed_over, 40U);
    EXPECT_EQ(reading.sightings[0].cause, "c40") << "the newest stay";
    EXPECT_EQ(reading.sightings[9].cause, "c49");
    limits.sightings = 3;
    reading = read_sightings(std::string(9, '\n') + record + record + record + record + record +
                                 record + record + record + record,
                             0, limits);
    EXPECT_EQ(reading.sightings.size(), 3U) << "also when all are as old";
    EXPECT_EQ(reading.passed_over, 6U);
}

TEST(HopsReader, cuts_texts_and_takes_counts_that_can_not_be) {
    const Reading reading =
        read_sightings(R"({"count":18446744073709551615,"incident":{"cause":")" +
                           std::string(5000, 'x') + R"("}}{"count":-5,"incident":{}})",
                       0);
    ASSERT_EQ(reading.sightings.size(), 2U);
    EXPECT_EQ(reading.sightings[0].cause.size(), ReadLimits().text_bytes);
    EXPECT_EQ(reading.sightings[0].count, 1'000'000'000'000U);
    EXPECT_EQ(reading.sightings[1].count, 1U);
}

// Openers that never close: each attempt must end soon, or a log of them would take hours.
TEST(HopsReader, gives_up_soon_on_objects_without_an_end) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += "{\"a\":\n";
    const Reading reading = read_sightings(text, 0);
    EXPECT_EQ(reading.objects, 0U);
    EXPECT_EQ(reading.other_lines, 20000U);
}

// One line may hold all of the text, and must not be gone through for each object in it.
TEST(HopsReader, reads_many_objects_in_one_line) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += R"(x{"event":"incident","cause":"refused"})";
    EXPECT_EQ(read_sightings(text, 0).objects, 20000U);
}

TEST(HopsReader, survives_any_change_of_a_log) {
    const std::string good =
        line_of(example()) +
        incidents_json({{.incident = example(), .count = 2, .first = example().at}});
    std::mt19937 random(20261122);  // NOLINT(cert-msc51-cpp): the same every time
    constexpr std::string_view bytes =
        "{}[]\",:\\\n\0\xff"
        "0e-";
    for (int round = 0; round < 3000; ++round) {
        std::string text = good;
        for (int i = 0; i < 8; ++i) {
            text[random() % text.size()] = bytes[random() % bytes.size()];
        }
        const Reading reading = read_sightings(text, 0);
        EXPECT_LE(reading.sightings.size(), 10U);
        for (const Sighting& seen : reading.sightings) EXPECT_LE(seen.cause.size(), 1024U);
    }
}

TEST(ParseUtc, takes_what_records_write_and_nothing_else) {
    EXPECT_EQ(parse_utc("2026-11-22T22:01:37.396Z"), 1795384897396);
    EXPECT_EQ(parse_utc("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(parse_utc("1969-12-31T23:59:59.999Z"), -1);
    EXPECT_EQ(parse_utc("2026-11-22T22:01:37.396123456Z"), 1795384897396);
    EXPECT_EQ(parse_utc("2024-02-29T00:00:00.5Z"), 1709164800500);
    for (const char* wrong :
         {"", "yesterday", "2026-11-22T22:01:37.396", "2026-13-01T00:00:00Z",
          "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22 22:01:37Z",
          "+026-11-22T22:01:37Z", "2026-11-22T22:01:3.7Z", "2026-11-22T22:01:37.3x6Z",
          "2026-11-22T22:01:37.396+02:00", "99999-11-22T22:01:37Z"}) {
        EXPECT_EQ(parse_utc(wrong), std::nullopt) << wrong;
    }
}

}  // namespace
}  // namespace telltale::proxy::hops
