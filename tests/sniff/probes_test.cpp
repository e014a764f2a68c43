#include "sniff/probe.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/http2.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

using std::string_literals::operator""s;

// Bytes from literal_start up to literal_end leave no choice: any other byte there must be a `no`
// at once.
struct Exemplar {
    std::string_view id;
    std::string bytes;
    size_t literal_start;
    size_t literal_end;
};

std::vector<Exemplar> exemplars() {
    return {
        {"http2_settings", "\0\0\x12\4\0\0\0\0\0"s, 3, 4},
        {"http2_settings", "\0\0\0\4\0\0\0\0\0"s, 0, 1},
        {"http2_settings", "\0\0\x06\4\0\0\0\0\0"s, 6, 9},
        {"http2_goaway", "\0\0\x10\7\0\0\0\0\0"s, 3, 4},
        {"http2_goaway", "\0\0\0\4\1\0\0\0\0"s, 3, 4},
        {"http2_goaway", "\0\0\4\x08\0\0\0\0\0"s, 3, 4},
        {"http2_goaway", "\0\0\x08\6\0\0\0\0\0"s, 6, 9},
        {"tls_server_hello", "\x16\3\3\0\x7a\2\0\0\x76\3\3"s, 0, 2},
        {"tls_server_hello", "\x16\3\3\0\1\2"s, 5, 6},
        {"tls_alert", "\x15\3\3\0\2\2\x28"s, 0, 2},
        {"tls_alert", "\x15\3\1\0\2\1\x70"s, 3, 5},
        {"http1_status_line", "HTTP/1.1 400", 0, 5},
        {"http1_status_line", "HTTP/2.0 200", 8, 9},
        {"html", "<!DOCTYPE HTML", 2, 14},
        {"html", "\r\n <HtMl", 5, 8},
        {"ssh", "SSH-2.", 0, 4},
        {"mysql", "\x4a\0\0\0\n5.5"s, 2, 3},
        {"mysql", "\x17\0\0\0\xff\x10\x04T"s, 2, 3},
        {"postgres", "R\0\0\0\x08\0\0\0\0"s, 1, 4},
        {"postgres", "E\0\0\0\x60SF"s, 2, 3},
        {"postgres", "EFATAL", 2, 6},
        {"redis", "-ERR unknown", 2, 5},
        {"redis", "+PONG\r\n", 1, 7},
        {"smtp", "220 mail", 2, 3},
        {"http2_preface", std::string(http2_preface), 0, 24},
        {"tls_client_hello", "\x16\3\1\2\0\1\0\1\xfc\3\3"s, 0, 2},
        {"tls_client_hello", "\x16\3\1\0\1\1"s, 5, 6},
        {"http1_request", "GET /healthz", 0, 0},
        {"http1_request", "\r\nPOST /a", 0, 0},
        {"http1_request", "CONNECT a:1", 0, 0},
        {"http1_request", "M-SEARCH * H", 0, 0},
        {"http1_request", "PROPFIND http://a/", 10, 13},
        {"http1_request", "PRI * HTTP/2.0\r\n\r\nXX", 0, 0},
    };
}

std::vector<Probe> all_rows() {
    std::vector<Probe> rows;
    for (const Side side : {Side::client, Side::upstream}) {
        rows.insert(rows.end(), probes(side).begin(), probes(side).end());
    }
    return rows;
}

const Probe& row(const std::vector<Probe>& rows, std::string_view id) {
    for (const Probe& probe : rows) {
        if (probe.id == id) return probe;
    }
    ADD_FAILURE() << "no row " << id;
    return rows.front();
}

Match match(const Probe& probe, std::string_view text) {
    return probe.match(as_bytes(text));
}

TEST(MatchLiteral, agrees_while_bytes_agree) {
    EXPECT_EQ(match_literal(as_bytes(""), "SSH-"), Match::more);
    EXPECT_EQ(match_literal(as_bytes("SS"), "SSH-"), Match::more);
    EXPECT_EQ(match_literal(as_bytes("SSH-"), "SSH-"), Match::yes);
    EXPECT_EQ(match_literal(as_bytes("SSH-2.0"), "SSH-"), Match::yes);
    EXPECT_EQ(match_literal(as_bytes("SX"), "SSH-"), Match::no);
}

TEST(ProbeTable, has_rows_with_own_ids_and_their_side) {
    std::set<std::string_view> ids;
    for (const Side side : {Side::client, Side::upstream}) {
        for (const Probe& probe : probes(side)) {
            EXPECT_EQ(probe.speaker, side) << probe.id;
            EXPECT_TRUE(ids.insert(probe.id).second) << probe.id;
            EXPECT_EQ(match(probe, ""), Match::more) << probe.id;
        }
    }
    EXPECT_EQ(ids.size(), 14U);
}

TEST(ProbeTable, has_an_exemplar_for_every_row) {
    std::set<std::string_view> seen;
    for (const Exemplar& exemplar : exemplars()) seen.insert(exemplar.id);
    for (const Probe& probe : all_rows()) EXPECT_TRUE(seen.contains(probe.id)) << probe.id;
}

TEST(ProbeTable, says_more_or_yes_on_every_prefix_of_an_exemplar) {
    const auto rows = all_rows();
    for (const Exemplar& exemplar : exemplars()) {
        const Probe& probe = row(rows, exemplar.id);
        SCOPED_TRACE(exemplar.id);
        bool was_yes = false;
        for (size_t size = 0; size < exemplar.bytes.size(); ++size) {
            const Match answer = match(probe, std::string_view(exemplar.bytes).substr(0, size));
            EXPECT_NE(answer, Match::no) << size;
            EXPECT_FALSE(was_yes && answer != Match::yes) << size;
            was_yes = answer == Match::yes;
        }
        EXPECT_EQ(match(probe, exemplar.bytes), Match::yes);
    }
}

TEST(ProbeTable, says_no_at_once_when_a_byte_of_a_literal_is_another) {
    const auto rows = all_rows();
    for (const Exemplar& exemplar : exemplars()) {
        const Probe& probe = row(rows, exemplar.id);
        for (size_t at = exemplar.literal_start; at < exemplar.literal_end; ++at) {
            std::string text = exemplar.bytes.substr(0, at + 1);
            for (int byte = 0; byte < 256; ++byte) {
                const char c = static_cast<char>(byte);
                // Letters of HTML may be of either case.
                if ((c | 0x20) == (exemplar.bytes[at] | 0x20)) continue;
                // "HTTP/" has no alternative, nor have the others: nothing else starts like this
                // row.
                text[at] = c;
                if (exemplar.id == "smtp" && (c == '1' || c == '4' || c == '5')) continue;
                EXPECT_EQ(match(probe, text), Match::no) << exemplar.id << " " << at << " " << byte;
            }
        }
    }
}

// If every reachable `more` has a next byte that is not `no`, and the window ends all of them, then
// `more` is honest.
TEST(ProbeTable, says_more_only_while_some_next_byte_is_not_a_no) {
    test::Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    for (const Probe& probe : all_rows()) {
        for (int walk = 0; walk < 40; ++walk) {
            std::string text;
            while (match(probe, text) == Match::more) {
                ASSERT_LT(text.size(), probe.window) << probe.id;
                std::vector<char> hopeful;
                for (int byte = 0; byte < 256; ++byte) {
                    text.push_back(static_cast<char>(byte));
                    if (match(probe, text) != Match::no) hopeful.push_back(text.back());
                    text.pop_back();
                }
                ASSERT_FALSE(hopeful.empty())
                    << probe.id << " after " << testing::PrintToString(text);
                text += hopeful[random.below(hopeful.size())];
            }
            EXPECT_EQ(match(probe, text), Match::yes) << probe.id;
        }
    }
}

TEST(ProbeTable, never_takes_back_a_no_or_a_yes_and_decides_within_the_window) {
    test::Random random;
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(random.seed()));
    const auto rows = all_rows();
    const auto starts = exemplars();
    for (int round = 0; round < 800; ++round) {
        std::string text =
            random.mutate(starts[random.below(starts.size())].bytes) + random.bytes(100);
        for (const Probe& probe : rows) {
            Match last = Match::more;
            for (size_t size = 0; size <= text.size(); ++size) {
                const Match answer = match(probe, std::string_view(text).substr(0, size));
                ASSERT_TRUE(last == Match::more || answer == last) << probe.id << " at " << size;
                last = answer;
                ASSERT_FALSE(size >= probe.window && answer == Match::more) << probe.id;
            }
        }
    }
}

TEST(ProbeTable, has_at_most_one_row_for_a_capture) {
    for (const test::Capture& capture : test::captures()) {
        const std::string bytes = test::bytes_of(capture);
        std::vector<std::string_view> yes;
        for (const Probe& probe : probes(capture.speaker)) {
            if (match(probe, bytes) == Match::yes) yes.push_back(probe.id);
        }
        EXPECT_EQ(yes.size(), capture.protocol == Protocol::other ? 0U : 1U)
            << capture.name << ": " << testing::PrintToString(yes);
    }
}

TEST(ProbeTable, has_no_two_rows_for_one_exemplar) {
    const auto rows = all_rows();
    for (const Exemplar& exemplar : exemplars()) {
        for (const Probe& probe : rows) {
            if (probe.speaker != row(rows, exemplar.id).speaker || probe.id == exemplar.id)
                continue;
            EXPECT_NE(match(probe, exemplar.bytes), Match::yes)
                << probe.id << " took " << exemplar.id;
        }
    }
}

TEST(Corpus, is_listed_file_by_file) {
    for (const Side side : {Side::client, Side::upstream}) {
        std::set<std::string> listed;
        for (const auto& capture : test::captures()) {
            if (capture.speaker == side) listed.insert(std::string(capture.name));
        }
        const auto files = test::files_of(side);
        EXPECT_EQ(std::set<std::string>(files.begin(), files.end()), listed);
    }
}

}  // namespace
}  // namespace telltale::sniff
