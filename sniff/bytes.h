// Views of wire bytes, and a cursor that reads big-endian fields without ever passing the end.
// Used by every parser in sniff/; never owns, never allocates, never throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace telltale::sniff {

using Bytes = std::span<const uint8_t>;

[[nodiscard]] Bytes as_bytes(std::string_view text) noexcept;
[[nodiscard]] std::string_view as_text(Bytes bytes) noexcept;
[[nodiscard]] bool starts_with(Bytes bytes, std::string_view prefix) noexcept;

// Reads from the front; each read answers nullopt, and moves nothing, when too few bytes are left.
class Cursor final {
   public:
    explicit Cursor(Bytes bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] std::optional<uint8_t> u8() noexcept;
    [[nodiscard]] std::optional<uint16_t> u16() noexcept;
    [[nodiscard]] std::optional<uint32_t> u24() noexcept;
    [[nodiscard]] std::optional<uint32_t> u32() noexcept;
    [[nodiscard]] std::optional<Bytes> take(size_t count) noexcept;
    [[nodiscard]] Bytes rest() const noexcept { return rest_; }

   private:
    Bytes rest_;
};

}  // namespace telltale::sniff
