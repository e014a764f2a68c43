#include "proxy/page_files.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace telltale::proxy {
namespace {

std::string text_of(std::string_view path) {
    const PageFile* const file = find_page_file(path);
    return file == nullptr ? std::string() : std::string(file->text);
}

std::set<std::string> all_matches(const std::string& text, const std::string& pattern) {
    const std::regex wanted(pattern);
    std::set<std::string> found;
    for (auto it = std::sregex_iterator(text.begin(), text.end(), wanted);
         it != std::sregex_iterator(); ++it) {
        found.insert((*it)[1]);
    }
    return found;
}

TEST(PageFiles, are_whole_typed_and_tagged) {
    std::set<std::string_view> paths, tags;
    for (const PageFile& file : page_files()) {
        EXPECT_TRUE(paths.insert(file.path).second) << file.path;
        EXPECT_TRUE(tags.insert(file.etag).second) << file.path;
        EXPECT_FALSE(file.text.empty()) << file.path;
        EXPECT_EQ(file.etag.size(), 18U);
    }
    EXPECT_EQ(find_page_file("/")->type, "text/html; charset=utf-8");
    EXPECT_EQ(find_page_file("/page/app.js")->type, "text/javascript; charset=utf-8");
    EXPECT_EQ(find_page_file("/page/style.css")->type, "text/css; charset=utf-8");
    EXPECT_EQ(find_page_file("/page/icon.svg")->type, "image/svg+xml");
    EXPECT_TRUE(text_of("/").ends_with("</html>\n"));
    EXPECT_NE(text_of("/page/chart.min.js").find("Released under the MIT License"),
              std::string::npos);
}

TEST(PageFiles, are_found_by_their_exact_path_only) {
    EXPECT_EQ(find_page_file(""), nullptr);
    EXPECT_EQ(find_page_file("/page/"), nullptr);
    EXPECT_EQ(find_page_file("/page/index.html"), nullptr);
    EXPECT_EQ(find_page_file("/page/../page/app.js"), nullptr);
    EXPECT_EQ(find_page_file("/page/app.js/"), nullptr);
}

TEST(PageFiles, name_only_parts_that_are_there) {
    size_t named = 0;
    for (const std::string& part : all_matches(text_of("/"), "(?:src|href)=\"(page/[^\"]+)\"")) {
        EXPECT_NE(find_page_file("/" + part), nullptr) << part;
        ++named;
    }
    for (const PageFile& file : page_files()) {
        if (file.path == "/page/chart.min.js" || !file.path.ends_with(".js")) continue;
        for (const std::string& part :
             all_matches(std::string(file.text), "(?:from |import\\()'\\./([^']+)'")) {
            EXPECT_NE(find_page_file("/page/" + part), nullptr) << file.path << " wants " << part;
            ++named;
        }
    }
    EXPECT_GT(named, 20U);
}

// What the Content-Security-Policy would stop, and what would make text from a wire to markup.
TEST(PageFiles, need_no_inline_script_or_style_and_parse_no_markup) {
    const std::regex in_html(
        "<style|<script(?![^>]*src=)|\\son\\w+=|\\sstyle=|javascript:|https?:");
    EXPECT_FALSE(std::regex_search(text_of("/"), in_html));
    const std::regex in_script(
        "innerHTML|outerHTML|insertAdjacentHTML|document\\.write|DOMParser|createContextualFragment"
        "|setHTMLUnsafe|srcdoc|eval\\(|new Function|https?://(?!www\\.w3\\.org/2000/svg)");
    for (const PageFile& file : page_files()) {
        if (file.path == "/page/chart.min.js" || !file.path.ends_with(".js")) continue;
        EXPECT_FALSE(std::regex_search(std::string(file.text), in_script)) << file.path;
    }
}

}  // namespace
}  // namespace telltale::proxy
