#include "proxy/ending_code.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace telltale::proxy {
namespace {

using sniff::Ending;
using sniff::EndKind;
using sniff::Operation;
using sniff::Phase;
using sniff::Side;

constexpr std::optional<Side> telltale = std::nullopt;

struct Row {
    std::string why;
    Ending ending;
    std::string code;
};

TEST(EndingCode, says_who_and_when) {
    const std::vector<Row> rows = {
        {"a client that hangs up",
         {Side::client, Operation::read, EndKind::eof, 0, Phase::relaying},
         "CR"},
        {"a client that resets",
         {Side::client, Operation::read, EndKind::reset, ECONNRESET, Phase::relaying},
         "cR"},
        {"a client that vanished",
         {Side::client, Operation::read, EndKind::timeout, ETIMEDOUT, Phase::relaying},
         "cR"},
        {"a client that can't be written to",
         {Side::client, Operation::write, EndKind::error, EHOSTUNREACH, Phase::closing},
         "cL"},
        {"a client that gave up",
         {Side::client, Operation::read, EndKind::eof, 0, Phase::connecting},
         "CC"},
        {"a client leg that can't be watched",
         {Side::client, Operation::connect, EndKind::error, EMFILE, Phase::connecting},
         "cC"},
        {"an upstream that closed at once",
         {Side::upstream, Operation::read, EndKind::eof, 0, Phase::before_verdict},
         "UV"},
        {"an upstream that reset",
         {Side::upstream, Operation::write, EndKind::reset, EPIPE, Phase::before_verdict},
         "uV"},
        {"an upstream that vanished",
         {Side::upstream, Operation::read, EndKind::timeout, ETIMEDOUT, Phase::relaying},
         "uR"},
        {"an upstream that refused",
         {Side::upstream, Operation::connect, EndKind::error, ECONNREFUSED, Phase::connecting},
         "uC"},
        {"an upstream without an error",
         {Side::upstream, Operation::connect, EndKind::error, 0, Phase::connecting},
         "uC"},
        {"a Unix socket whose backlog is full",
         {Side::upstream, Operation::connect, EndKind::error, EAGAIN, Phase::connecting},
         "uC"},
        {"an upstream that did not answer",
         {Side::upstream, Operation::connect, EndKind::timeout, ETIMEDOUT, Phase::connecting},
         "TC"},
        {"a name that can't be resolved",
         {telltale, Operation::resolve, EndKind::error, 1, Phase::connecting},
         "uC"},
        {"a resolver that does not answer",
         {telltale, Operation::resolve, EndKind::timeout, 0, Phase::connecting},
         "TC"},
        {"no descriptor",
         {Side::upstream, Operation::connect, EndKind::error, EMFILE, Phase::connecting},
         "LC"},
        {"no local port",
         {Side::upstream, Operation::connect, EndKind::error, EADDRNOTAVAIL, Phase::connecting},
         "LC"},
        {"a connection that was not adopted",
         {telltale, Operation::accept, EndKind::error, ENOMEM, Phase::connecting},
         "LC"},
        {"a limit", {telltale, Operation::limit, EndKind::aborted, 0, Phase::relaying}, "LR"},
        {"an idle connection",
         {telltale, Operation::deadline, EndKind::timeout, 0, Phase::relaying},
         "TR"},
        {"a half-closed connection",
         {telltale, Operation::deadline, EndKind::timeout, 0, Phase::closing},
         "TL"},
        {"an answer of Telltale",
         {telltale, Operation::policy, EndKind::aborted, 0, Phase::before_verdict},
         "PV"},
        {"the drain deadline",
         {telltale, Operation::drain, EndKind::aborted, 0, Phase::relaying},
         "DR"},
        {"nothing yet", {}, "--"},
        {"nothing yet, whatever else is said",
         {Side::client, Operation::read, EndKind::none, 5, Phase::closing},
         "--"},
    };
    for (const Row& row : rows) EXPECT_EQ(ending_code(row.ending), row.code) << row.why;
}

std::vector<Ending> all_endings() {
    std::vector<Ending> all;
    const std::vector<std::optional<Side>> sides = {telltale, Side::client, Side::upstream};
    for (const auto& side : sides) {
        for (int operation = 0; operation <= static_cast<int>(Operation::limit); ++operation) {
            for (int kind = 0; kind <= static_cast<int>(EndKind::aborted); ++kind) {
                for (const int error : {0, ECONNRESET, EMFILE}) {
                    for (int phase = 0; phase <= static_cast<int>(Phase::closing); ++phase) {
                        all.push_back({side, static_cast<Operation>(operation),
                                       static_cast<EndKind>(kind), error,
                                       static_cast<Phase>(phase)});
                    }
                }
            }
        }
    }
    return all;
}

// What an ending's first letter may be, by rules that say less than the code does.
std::string possible_causes(const Ending& ending) {
    switch (ending.operation) {
        case Operation::policy:
            return "P";
        case Operation::limit:
        case Operation::accept:
            return "L";
        case Operation::deadline:
            return "T";
        case Operation::drain:
            return "D";
        default:
            break;
    }
    if (ending.side == Side::client) return ending.kind == EndKind::eof ? "C" : "c";
    const bool dials =
        ending.operation == Operation::connect || ending.operation == Operation::resolve;
    if (dials) return "uTL";
    if (ending.side == Side::upstream) return ending.kind == EndKind::eof ? "U" : "u";
    return "TD";
}

TEST(EndingCode, has_two_letters_of_the_lists_for_every_ending) {
    std::set<std::string> codes;
    for (const Ending& ending : all_endings()) {
        const std::string code = ending_code(ending);
        ASSERT_EQ(code.size(), 2U);
        codes.insert(code);
        if (ending.kind == EndKind::none) {
            EXPECT_EQ(code, "--");
            continue;
        }
        EXPECT_NE(possible_causes(ending).find(code[0]), std::string::npos) << code;
        EXPECT_EQ(code[1], ending_phases[static_cast<size_t>(ending.phase)]) << code;
    }
    EXPECT_EQ(codes.size(), 1 + ending_causes.size() * ending_phases.size())
        << "every pair of letters has an ending";
}

TEST(EndingCode, is_whole_for_a_phase_that_is_not_in_the_list) {
    const Ending made{Side::client, Operation::read, EndKind::eof, 0, static_cast<Phase>(200)};
    EXPECT_EQ(ending_code(made), "C-");
    EXPECT_EQ(ending_words(made).phase, "");
}

TEST(EndingCode, is_explained_pair_by_pair) {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/docs/endings.md");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    std::vector<std::string> documented;
    const std::regex row("\n\\| `(..)` \\| ([^|\n]+) \\| ([^|\n]+) \\|");
    for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
        documented.push_back((*it)[1]);
    }
    std::vector<std::string> expected = {"--"};
    for (const char cause : ending_causes) {
        for (const char phase : ending_phases) expected.push_back({cause, phase});
    }
    EXPECT_EQ(documented, expected);
    for (const char letter : std::string(ending_causes) + std::string(ending_phases) + "-") {
        EXPECT_NE(text.find("\n| `" + std::string(1, letter) + "` | "), std::string::npos)
            << letter;
    }
}

TEST(EndingWords, are_those_of_the_record) {
    const EndingWords refused = ending_words(
        {Side::upstream, Operation::connect, EndKind::error, ECONNREFUSED, Phase::connecting});
    EXPECT_EQ(refused.code, "uC");
    EXPECT_EQ(refused.side, "upstream");
    EXPECT_EQ(refused.operation, "connect");
    EXPECT_EQ(refused.error, "connection refused");
    EXPECT_EQ(refused.phase, "connecting");
    const EndingWords answered =
        ending_words({telltale, Operation::policy, EndKind::aborted, 0, Phase::before_verdict});
    EXPECT_EQ(answered.side, "telltale");
    EXPECT_EQ(answered.operation, "policy");
    EXPECT_EQ(answered.error, "aborted");
    EXPECT_EQ(ending_words({telltale, Operation::limit, EndKind::error, 0, Phase::relaying}).error,
              "error");
    EXPECT_EQ(
        ending_words({Side::client, Operation::read, EndKind::reset, ECONNRESET, Phase::relaying})
            .error,
        "reset");
}

}  // namespace
}  // namespace telltale::proxy
