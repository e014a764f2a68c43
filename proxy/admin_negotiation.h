// What a request's headers ask for beside the page (RFC 9110): HTML or something plainer (§12.5.1),
// and whether the body that the client has is still the one (§13.1.2). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace telltale::proxy {

// Only who names text/html, as browsers do: curl's */* is content with text.
[[nodiscard]] bool wants_html(const std::vector<std::string_view>& accept_values) noexcept;

// A strong tag of this body, with its quotes.
[[nodiscard]] std::string etag_of(std::string_view body);
// etag "": never.
[[nodiscard]] bool etag_matches(std::string_view if_none_match, std::string_view etag) noexcept;

}  // namespace telltale::proxy
