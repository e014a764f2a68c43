#include "config/expand.h"

#include <gtest/gtest.h>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

const Environment environment =
    environment_of({{"NAME", "group"}, {"EMPTY", ""}, {"REF", "${NAME}"}});

std::string expanded(const std::string& text) {
    const auto result = expand(text, environment);
    if (const auto* error = std::get_if<ExpandError>(&result)) return "error: " + error->text;
    return std::get<std::string>(result);
}

TEST(Expand, puts_variables_in) {
    EXPECT_EQ(expanded("a ${NAME}-${NAME} b"), "a group-group b");
    EXPECT_EQ(expanded("${EMPTY}"), "");
    EXPECT_EQ(expanded("nothing to do: $ $NAME {NAME} }"), "nothing to do: $ $NAME {NAME} }");
}

TEST(Expand, takes_the_default_when_a_variable_is_unset_or_empty) {
    EXPECT_EQ(expanded("${MISSING:-x y:z}"), "x y:z");
    EXPECT_EQ(expanded("${MISSING:-}"), "");
    EXPECT_EQ(expanded("${EMPTY:-full}"), "full");
    EXPECT_EQ(expanded("${NAME:-other}"), "group");
}

TEST(Expand, does_not_expand_what_a_variable_holds) {
    EXPECT_EQ(expanded("${REF}"), "${NAME}");
}

TEST(Expand, leaves_an_escaped_reference_alone) {
    EXPECT_EQ(expanded("$${NAME} ${NAME}"), "${NAME} group");
}

TEST(Expand, refuses_unset_variables_and_broken_references) {
    EXPECT_EQ(expanded("${MISSING}"),
              "error: got ${MISSING}, which is not set, expected it in the environment or "
              "${MISSING:-default}");
    const std::string form = ", expected ${NAME} or ${NAME:-default}; $${ is a plain ${";
    EXPECT_EQ(expanded("a${"), "error: got \"${\"" + form);
    EXPECT_EQ(expanded("${}"), "error: got \"${}\"" + form);
    EXPECT_EQ(expanded("${1A}"), "error: got \"${1A}\"" + form);
    EXPECT_EQ(expanded("${A B}"), "error: got \"${A B}\"" + form);
    EXPECT_EQ(expanded("${NAME:+x}"), "error: got \"${NAME:+x}\"" + form);
    EXPECT_EQ(expanded("${A:-${NAME}}"), "error: got \"${A:-${NAME}}\"" + form);
    EXPECT_EQ(expanded("${NAME:-x"), "error: got \"${NAME:-x\"" + form);
}

TEST(ProtectReferences, is_undone_by_expand) {
    for (const std::string text : {"${NAME}", "$${NAME}", "$$${", "a$", "$", "${", "x{}"}) {
        EXPECT_EQ(expanded(protect_references(text)), text);
    }
}

}  // namespace
}  // namespace telltale::config
