// The captures under tests/corpus with the protocol each must be told as, and a seeded generator
// for property tests.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/protocol.h"

namespace telltale::sniff::test {

struct Capture {
    Side speaker;
    std::string_view name;
    Protocol protocol;
};

[[nodiscard]] std::span<const Capture> captures();
[[nodiscard]] std::string bytes_of(const Capture& capture);
[[nodiscard]] std::string upstream_bytes(std::string_view name);
[[nodiscard]] std::string client_bytes(std::string_view name);
// Names of the files that are really there, without ".bin".
[[nodiscard]] std::vector<std::string> files_of(Side speaker);

// TELLTALE_SEED replays a run; the seed is printed with a failure.
class Random final {
   public:
    Random();
    [[nodiscard]] size_t below(size_t limit);
    [[nodiscard]] std::string bytes(size_t size);
    // One to four bytes flipped, inserted, removed or repeated.
    [[nodiscard]] std::string mutate(std::string text);
    [[nodiscard]] uint64_t seed() const { return seed_; }

   private:
    uint64_t seed_;
    std::mt19937_64 engine_;
};

}  // namespace telltale::sniff::test
