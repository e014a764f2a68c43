#include "sniff/bytes.h"

#include <algorithm>
#include <cstring>

namespace telltale::sniff {

Bytes as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string_view as_text(Bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool starts_with(Bytes bytes, std::string_view prefix) noexcept {
    return as_text(bytes).starts_with(prefix);
}

namespace {

uint32_t big_endian(Bytes field) noexcept {
    uint32_t value = 0;
    for (const uint8_t byte : field) value = (value << 8U) | byte;
    return value;
}

}  // namespace

std::optional<Bytes> Cursor::take(size_t count) noexcept {
    if (rest_.size() < count) return std::nullopt;
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
}

std::optional<uint8_t> Cursor::u8() noexcept {
    const auto field = take(1);
    if (!field) return std::nullopt;
    return (*field)[0];
}

std::optional<uint16_t> Cursor::u16() noexcept {
    const auto field = take(2);
    if (!field) return std::nullopt;
    return static_cast<uint16_t>(big_endian(*field));
}

std::optional<uint32_t> Cursor::u24() noexcept {
    const auto field = take(3);
    if (!field) return std::nullopt;
    return big_endian(*field);
}

std::optional<uint32_t> Cursor::u32() noexcept {
    const auto field = take(4);
    if (!field) return std::nullopt;
    return big_endian(*field);
}

}  // namespace telltale::sniff
