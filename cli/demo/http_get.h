// GET of one page of the admin server, as curl would.
#pragma once

#include <string>

namespace telltale::cli::demo {

// address: "127.0.0.1:15970". The body of a 200; throws std::runtime_error with one sentence
// otherwise.
[[nodiscard]] std::string http_get(const std::string& address, const std::string& path);

}  // namespace telltale::cli::demo
