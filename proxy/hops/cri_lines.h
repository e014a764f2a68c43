// Log lines that a container runtime kept in parts, whole again. A CRI log line is
// `TIME STREAM TAGS TEXT`; the first of its tags (`:` between them) is P for a part and F for the
// last one (Kubernetes: docs/concepts/cluster-administration/logging, CRI logging format). CRI-O
// cuts at what one read gave, so also a short line may be in two parts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace telltale::proxy::hops {

// The text with each line whole where its last part stands. Lines stay as many, those of parts
// empty, so that line numbers mean the same. nullopt when there is no part.
[[nodiscard]] std::optional<std::string> join_cri_parts(std::string_view text);

}  // namespace telltale::proxy::hops
