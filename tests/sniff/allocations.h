// Counts what this test program allocates by operator new, for tests of paths that must not.
#pragma once

#include <cstddef>

namespace telltale::sniff::test {

[[nodiscard]] size_t allocations() noexcept;

}  // namespace telltale::sniff::test
