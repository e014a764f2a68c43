// A row's pattern: fixed pieces in their order, with places between them. Matching is one pass
// forward, never back, within a bounded distance: linear on any input. Letters match in any case,
// unless the pattern begins with {=}.
//
//   {*}          anything up to the next piece, at most gap_max bytes
//   {number}     digits                       {hex}      two or more hex digits
//   {frame}      digits: an HTTP/2 length     {type}     digits: an HTTP/2 frame type
//   {status}     three digits: HTTP status    {alert}    digits: a TLS alert
//   {quoted}     up to the closing quote that the piece before opened: wire bytes, escaped
//   {address}    host:port                    {name}     letters, digits and "._-:/%[]"
//   {cause}      a cause's code               {sentence} up to a quote that ends a JSON string
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::sniff::explain {

inline constexpr size_t gap_max = 300;
inline constexpr size_t anchor_min = 4;  // of a pattern's first piece

enum class Place : uint8_t {
    literal,
    any,
    number,
    hex,
    frame,
    type,
    status,
    alert,
    quoted,
    address,
    name,
    cause,
    sentence,
};

struct Capture {
    Place place = Place::any;
    std::string_view text = {};  // a view of the text that was matched
};

struct Matched {
    size_t end = 0;
    std::vector<Capture> captures = {};
};

class Pattern final {
   public:
    explicit Pattern(std::string_view source);

    // The first piece in lower case: what to search for.
    [[nodiscard]] const std::string& anchor() const noexcept { return anchor_; }
    // Bytes of all fixed pieces: of two rows that match, the one with more says more.
    [[nodiscard]] size_t fixed() const noexcept { return fixed_; }
    // Does the row match where its anchor begins? `folded` is `text` in lower case.
    [[nodiscard]] std::optional<Matched> match(std::string_view text, std::string_view folded,
                                               size_t at) const;
    // A first piece of anchor_min bytes, and a piece behind each {*}.
    [[nodiscard]] bool valid() const noexcept;

   private:
    struct Piece {
        Place place = Place::literal;
        std::string literal = {};  // in lower case, unless case matters
    };
    std::vector<Piece> pieces_;
    std::string anchor_;
    size_t fixed_ = 0;
    bool exact_ = false;
};

[[nodiscard]] char to_lower(char c) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool is_digit(char c) noexcept;
// 0 to 15; -1 when it is no hex digit.
[[nodiscard]] int hex_value(char c) noexcept;

}  // namespace telltale::sniff::explain
