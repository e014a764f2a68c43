// The words of a path, for people: one verdict sentence, labels of places, times. Shared by the
// text and the JSON. Everything that comes out is clean: valid UTF-8 without control characters,
// cut.
#pragma once

#include <string>

#include "proxy/hops/paths.h"

namespace telltale::proxy::hops {

// "ingress-nginx 10.0.0.7:80", "openim-api-7c9/outbound", "10.244.2.9:12260".
[[nodiscard]] std::string place_label(const Joined& joined, const Path& path, size_t place);
// "openim-api → nginx 10.0.0.7:80 → 10.244.2.9:12260: the fault is at the last hop: … "
[[nodiscard]] std::string verdict_sentence(const Joined& joined, const Path& path);
// The sighting next to the fault.
[[nodiscard]] const Sighting& first_sighting(const Joined& joined, const Path& path);

[[nodiscard]] std::string shown(const std::string& text);  // clean and cut
[[nodiscard]] std::string time_text(UnixMillis at);        // "" when it is not known

}  // namespace telltale::proxy::hops
