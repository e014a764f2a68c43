// Whatever the bytes of a file are, loading ends with a configuration or with errors.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

std::string sample() {
    std::ifstream file(std::string(TELLTALE_SOURCE) + "/config/telltale.yaml");
    std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_FALSE(text.empty());
    return text;
}

// Loads, and checks what holds for every result.
void expect_an_answer(const std::string& text) {
    const auto result = load_text(text);
    if (const auto* errors = std::get_if<Errors>(&result)) {
        ASSERT_FALSE(errors->empty());
        ASSERT_LE(errors->size(), 101U);
        for (const Error& error : *errors) {
            const std::string message = error.message();
            EXPECT_NE(message.find("got "), std::string::npos) << message;
            EXPECT_NE(message.find("expected "), std::string::npos) << message;
            EXPECT_LE(message.size(), 1000U) << message;
            for (const char c : message) ASSERT_TRUE(c >= 0x20 && c <= 0x7e) << message;
        }
        return;
    }
    const Config& config = std::get<Config>(result);
    EXPECT_EQ(loaded(load_text(to_yaml(config))), config);
}

uint64_t seed() {
    const char* const given = std::getenv("TELLTALE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

TEST(HostileInput, ends_with_an_answer_wherever_a_file_is_cut) {
    const std::string text = sample();
    // Every seventh place, another seven each time: a run takes a moment, many runs see all.
    const size_t first = seed() % 7;
    for (size_t size = first; size <= text.size(); size += 7) {
        SCOPED_TRACE("cut at " + std::to_string(size));
        expect_an_answer(text.substr(0, size));
    }
}

TEST(HostileInput, ends_with_an_answer_for_changed_files) {
    const uint64_t first = seed();
    const std::string text = sample();
    const std::string marks = std::string(":-?[]{}\"'|>%@`&*!#,~\n\t $\\\xff\xe2") + '\0';
    for (uint64_t i = 0; i < 300; ++i) {
        SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(first + i));
        std::mt19937_64 random(first + i);
        std::string changed = text;
        for (uint64_t edits = 1 + random() % 8; edits > 0; --edits) {
            const size_t at = random() % changed.size();
            if (random() % 4 == 0) {
                changed.erase(at, random() % 40);
            } else if (random() % 2 == 0) {
                changed.insert(at, text.substr(random() % text.size(), random() % 60));
            } else {
                changed.insert(at, 1, marks[random() % marks.size()]);
            }
            if (changed.empty()) changed = "a";
        }
        expect_an_answer(changed);
    }
}

TEST(HostileInput, ends_with_an_answer_for_random_bytes_and_yaml_marks) {
    const uint64_t first = seed();
    const std::string marks = ":-?[]{}\"'|>%@`&*!#,~\n\n  ab1\t$";
    for (uint64_t i = 0; i < 1000; ++i) {
        SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(first + i));
        std::mt19937_64 random(first + i);
        std::string text;
        for (uint64_t size = random() % 60; size > 0; --size) {
            text +=
                i % 2 == 0 ? static_cast<char>(random() & 0xffU) : marks[random() % marks.size()];
        }
        expect_an_answer(text);
    }
}

TEST(HostileInput, ends_with_an_answer_for_long_repetitions) {
    for (const std::string part : {"[",  "{",    "- ",   "? ",    "a: ",    "&a ",  "*a ",  "!t ",
                                   "\"", "'",    "|\n ", "a:\n ", "\n",     "\t",   "{a: ", "[a, ",
                                   "${", "${A}", "#",    "---\n", "a: 1\n", "- - ", "%a\n"}) {
        std::string text;
        while (text.size() < 20'000) text += part;
        SCOPED_TRACE(part);
        expect_an_answer(text);
    }
}

}  // namespace
}  // namespace telltale::config
