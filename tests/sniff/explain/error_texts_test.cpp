#include "sniff/explain/error_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "sniff/explain/clean.h"
#include "sniff/explain/explain.h"
#include "sniff/explain/line_reader.h"
#include "sniff/explain/pattern.h"

namespace telltale::sniff::explain::test {
namespace {

std::vector<const ErrorText*> all_rows() {
    std::vector<const ErrorText*> rows;
    for (const auto table : error_texts()) {
        for (const ErrorText& row : table) rows.push_back(&row);
    }
    return rows;
}

std::string name_of(const testing::TestParamInfo<const ErrorText*>& row) {
    return std::string(row.param->id);
}

const LineReader& reader() {
    static const LineReader one;
    return one;
}

std::vector<Finding> findings_in(std::string_view text) {
    const std::string line = clean(text);
    std::vector<Finding> out;
    for (LineFinding& found : reader().read(line)) {
        out.push_back(std::move(found.finding));
    }
    return out;
}

std::vector<std::string> ids_in(std::string_view text) {
    std::vector<std::string> ids;
    for (const Finding& finding : findings_in(text)) ids.push_back(finding.id);
    return ids;
}

class Row : public testing::TestWithParam<const ErrorText*> {};

TEST_P(Row, is_what_its_own_example_is_recognised_as) {
    const ErrorText& row = *GetParam();
    const auto findings = findings_in(row.example);
    ASSERT_EQ(findings.size(), 1U) << row.example;
    const auto& wrapped_in = findings[0].wrapped_in;
    const bool wraps = std::find(wrapped_in.begin(), wrapped_in.end(), row.id) != wrapped_in.end();
    EXPECT_TRUE(findings[0].id == row.id || (row.weight == Weight::wrapper && wraps))
        << row.example << " is taken for " << findings[0].id;
}

TEST_P(Row, says_everything_that_an_operator_needs) {
    const ErrorText& row = *GetParam();
    EXPECT_TRUE(Pattern(row.pattern).valid()) << row.pattern;
    EXPECT_FALSE(row.printed_by.empty());
    EXPECT_FALSE(row.saw.empty());
    EXPECT_NE(row.saw.back(), '.');
    const bool sourced = row.source.starts_with("https://") ||
                         row.source.starts_with("measured: ") || row.source.starts_with("docs/");
    EXPECT_TRUE(sourced) << row.source;
    for (const Likely& likely : row.causes) {
        EXPECT_NE(likely.cause, Cause::fine);
        EXPECT_FALSE(likely.why.empty());
    }
}

// A colour, JSON around it twice, upper case: the same text.
TEST_P(Row, is_recognised_in_a_log_of_json_in_json_with_colours) {
    const ErrorText& row = *GetParam();
    std::string twice;
    for (const char c : row.example) {
        if (c == '"' || c == '\\') twice += "\\\\\\";
        twice += c;
    }
    EXPECT_EQ(ids_in("\x1b[31m{\"msg\":\"{\\\"err\\\":\\\"" + twice + "\\\"}\"}\x1b[0m"),
              ids_in(row.example))
        << twice;
}

INSTANTIATE_TEST_SUITE_P(Texts, Row, testing::ValuesIn(all_rows()), name_of);

TEST(ErrorTexts, are_many_and_each_has_an_id_of_its_own) {
    std::set<std::string_view> ids;
    for (const ErrorText* row : all_rows()) EXPECT_TRUE(ids.insert(row->id).second) << row->id;
    EXPECT_GE(ids.size(), 90U);
}

TEST(ErrorTexts, come_from_measurement_for_the_most_part) {
    const auto rows = all_rows();
    const auto measured = std::count_if(rows.begin(), rows.end(), [](const ErrorText* row) {
        return row->source.starts_with("measured: ");
    });
    EXPECT_GE(measured, 60);
}

}  // namespace
}  // namespace telltale::sniff::explain::test
