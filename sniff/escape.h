// Wire text made fit to print: for sentences, records and logs. Called wherever text from a peer
// leaves the process. Never changes what is already harmless, so that names and addresses stay
// searchable.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telltale::sniff {

// Printable ASCII stays, a backslash is doubled, everything else becomes \r \n \t \xNN; reads at
// most `max` bytes of the input and ends with "…" when there was more. At most 4 * max + 3 bytes.
[[nodiscard]] std::string escape_wire(std::string_view raw, size_t max);

// The same between double quotes, with quotes inside as \" so that a reader sees where the peer's
// words end.
[[nodiscard]] std::string quote_wire(std::string_view raw, size_t max);

// Text that is already fit to print, cut to at most `max` bytes with a final "…"; never inside a
// character.
[[nodiscard]] std::string cut_text(std::string text, size_t max);

}  // namespace telltale::sniff
