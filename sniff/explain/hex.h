// Bytes that somebody wrote down: hex digits in the usual spellings, quoted strings with escapes,
// the dumps of xxd, hexdump and tcpdump.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::sniff::explain {

inline constexpr size_t hex_max = 65536;  // bytes that are read of one text

// "485454502f", "48 54 54", "48:54:54", "0x48, 0x54", "\x48\x54", "0x485454"; at least two bytes.
// nullopt when anything else stands there.
[[nodiscard]] std::optional<std::string> parse_hex(std::string_view text);

// The bytes of a quoted string as Go's %q, C, Python and JavaScript write it: \xNN, \uNNNN below
// 256, \n \r \t \a \b \f \v \0 and octal. Without the quotes.
[[nodiscard]] std::string unescape(std::string_view text);

// One string of bytes per dump in the text, its addresses and its letters on the right left out;
// of a captured packet what its TCP segment carries.
[[nodiscard]] std::vector<std::string> parse_dumps(std::string_view text);

}  // namespace telltale::sniff::explain
