// The sample and the documentation say what the code does.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "config/keys.h"
#include "tests/config/loading.h"

namespace telltale::config {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/" + path);
    std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_FALSE(text.empty()) << path;
    return text;
}

TEST(Sample, is_the_defaults_and_one_listener) {
    const Config config = loaded(load_text(read_file("config/telltale.yaml")));
    Config expected;
    expected.listeners = config.listeners;
    EXPECT_EQ(config, expected);
    ASSERT_EQ(config.listeners.size(), 1U);
    EXPECT_EQ(config.listeners[0].listen.text(), "0.0.0.0:15260");
    EXPECT_EQ(config.listeners[0].upstream.text(), "127.0.0.1:10260");
}

TEST(Sample, shows_every_key_that_this_version_carries_out) {
    const std::string sample = read_file("config/telltale.yaml");
    for (const std::string& path : all_key_paths()) {
        if (path.find("original_destination") != std::string::npos) continue;
        if (path.find("services[]") != std::string::npos) continue;
        const std::string name = path.substr(path.rfind('.') + 1);
        EXPECT_NE(sample.find(name + ":"), std::string::npos) << path;
    }
}

TEST(Documentation, explains_every_key) {
    const std::string text = read_file("docs/configuration.md");
    const auto paths = all_key_paths();
    EXPECT_GT(paths.size(), 30U);
    for (const std::string& path : paths) {
        EXPECT_NE(text.find("`" + path + "`"), std::string::npos) << path;
    }
}

TEST(Documentation, shows_only_files_that_load) {
    const std::string text = read_file("docs/configuration.md");
    const std::string fence = "```yaml\n";
    int blocks = 0;
    for (size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
        const size_t begin = at + fence.size();
        const size_t end = text.find("```", begin);
        ASSERT_NE(end, std::string::npos);
        const std::string block = text.substr(begin, end - begin);
        loaded(load_text(block, {{"POD_NAME", "pod"}, {"POD_NAMESPACE", "openim"}}));
        ++blocks;
        at = end + 3;
    }
    EXPECT_GE(blocks, 2);
}

}  // namespace
}  // namespace telltale::config
