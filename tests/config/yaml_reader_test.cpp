#include "config/yaml_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "config/yaml_writer.h"

namespace telltale::config {
namespace {

YamlNode read(const std::string& text) {
    auto result = read_yaml(text);
    if (const auto* error = std::get_if<Error>(&result)) ADD_FAILURE() << error->message();
    return result.index() == 0 ? std::get<YamlNode>(result) : YamlNode{};
}

std::string problem(const std::string& text) {
    const auto result = read_yaml(text);
    if (result.index() == 0) return "no problem";
    const Error& error = std::get<Error>(result);
    return std::to_string(error.line) + ": " + error.message();
}

TEST(ReadYaml, knows_the_line_of_every_key_and_value) {
    const YamlNode root = read("# comment\na: 1\nb:\n  - x\n  - {c: y,\n     d: }\n");
    ASSERT_EQ(root.kind, YamlNode::Kind::mapping);
    ASSERT_EQ(root.children.size(), 2U);
    EXPECT_EQ(root.children[0].key, "a");
    EXPECT_EQ(root.children[0].key_line, 2);
    EXPECT_EQ(root.children[0].text, "1");
    const YamlNode& list = root.children[1];
    ASSERT_EQ(list.kind, YamlNode::Kind::list);
    EXPECT_EQ(list.children[0].line, 4);
    EXPECT_EQ(list.children[1].children[0].line, 5);
    const YamlNode& empty = list.children[1].children[1];
    EXPECT_EQ(empty.kind, YamlNode::Kind::null);
    EXPECT_EQ(empty.line, 6);
}

TEST(ReadYaml, gives_an_empty_value_the_line_of_its_key) {
    const YamlNode root = read("a:\n\n\n\nb: 1\n");
    EXPECT_EQ(root.children[0].line, 1);
}

TEST(ReadYaml, keeps_duplicate_keys) {
    EXPECT_EQ(read("a: 1\na: 2\n").children.size(), 2U);
}

TEST(ReadYaml, reads_nothing_as_null) {
    EXPECT_EQ(read("").kind, YamlNode::Kind::null);
    EXPECT_EQ(read("# only a comment\n").kind, YamlNode::Kind::null);
}

TEST(ReadYaml, takes_references_in_flow_mappings) {
    const YamlNode root = read("{a: ${NAME}, b: ${NAME:-x}, c: $${NAME}, d: [${A}, \"${B}\"]}");
    ASSERT_EQ(root.children.size(), 4U);
    EXPECT_EQ(root.children[0].text, "${NAME}");
    EXPECT_EQ(root.children[1].text, "${NAME:-x}");
    EXPECT_EQ(root.children[2].text, "$${NAME}");
    EXPECT_EQ(root.children[3].children[0].text, "${A}");
    EXPECT_EQ(root.children[3].children[1].text, "${B}");
}

TEST(ReadYaml, says_the_line_of_what_is_not_yaml) {
    EXPECT_EQ(problem("a: 1\nb: [1, 2\nc: 3\n").substr(0, 30), "3: got text that is not YAML (");
    EXPECT_EQ(problem("a: 1\n\tb: 2\n").substr(0, 30), "2: got text that is not YAML (");
}

TEST(ReadYaml, refuses_aliases_so_that_nothing_unfolds) {
    EXPECT_EQ(problem("a: &x [1]\nb: *x\n"),
              "2: got a YAML alias (*name), expected the value written out");
}

TEST(ReadYaml, refuses_a_second_document) {
    EXPECT_EQ(problem("a: 1\n---\nb: 1\n"), "2: got a second YAML document, expected one");
}

TEST(ReadYaml, refuses_keys_that_are_not_text) {
    EXPECT_EQ(problem("a: 1\n[b]: 1\n"), "2: got a key that is not text, expected a name");
    EXPECT_EQ(problem("{~: 1}"), "1: got a key that is not text, expected a name");
}

TEST(ReadYaml, limits_depth_and_size) {
    const std::string deepest = std::string(16, '[') + std::string(16, ']');
    EXPECT_EQ(problem(deepest), "no problem");
    EXPECT_EQ(problem("[" + deepest + "]"),
              "1: got YAML nested deeper than 16 levels, expected fewer");
    EXPECT_NE(problem(std::string(100'000, '[')), "no problem");
    EXPECT_EQ(problem(std::string(yaml_bytes_max + 1, '#')),
              "0: got a file of 1048577 bytes, expected at most 1048576");
}

TEST(WriteYaml, writes_what_is_read_back) {
    const std::string text =
        "a: word\n"
        "b: \"with \\\"quotes\\\", \\\\, \\x0a and $${NAME}\"\n"
        "c: []\n"
        "d:\n"
        "  - x\n"
        "  - name: y\n"
        "    list:\n"
        "      - 1\n"
        "      - \"null\"\n"
        "e: \"\"\n";
    EXPECT_EQ(
        write_yaml(read("a: word\nb: \"with \\\"quotes\\\", \\\\, \\x0a and ${NAME}\"\nc: []\n"
                        "d: [x, {name: y, list: [1, \"null\"]}]\ne: ''\n")),
        text);
}

}  // namespace
}  // namespace telltale::config
