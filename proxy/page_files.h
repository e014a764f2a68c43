// The parts of the page at /, compiled in from proxy/page/ and from Debian's Chart.js
// (embed_page.cmake): read only data of the program, in memory only when somebody opens the page.
#pragma once

#include <span>
#include <string_view>

namespace telltale::proxy {

struct PageFile {
    std::string_view path;  // as asked for: "/page/app.js"; "/": the page itself
    std::string_view type;  // Content-Type
    std::string_view etag;  // with its quotes
    std::string_view text;
};

[[nodiscard]] std::span<const PageFile> page_files() noexcept;
[[nodiscard]] const PageFile* find_page_file(std::string_view path) noexcept;  // nullptr: none

}  // namespace telltale::proxy
