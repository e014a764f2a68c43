#include "proxy/page_files.h"

#include <algorithm>

namespace telltale::proxy {

const PageFile* find_page_file(std::string_view path) noexcept {
    const auto files = page_files();
    const auto found = std::find_if(files.begin(), files.end(),
                                    [path](const PageFile& file) { return file.path == path; });
    return found == files.end() ? nullptr : &*found;
}

}  // namespace telltale::proxy
