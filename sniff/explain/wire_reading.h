// Bytes, or the few that a number holds, read as what somebody spoke. Uses the parsers of sniff/;
// whatever they do not know is looked up by its first bytes, and nothing is claimed that is neither
// known nor text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sniff/bytes.h"
#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {

struct WireReading {
    std::string says;                     // "an HTTP/1.1 status line: 400 Bad Request"
    std::vector<std::string> notes = {};  // what else is in the bytes
    std::span<const Likely> causes = {};  // for a client of gRPC that read them; empty: healthy
};

enum class PlainText : uint8_t {
    refused,  // text of no known protocol is no reading
    read,
};

// At least two bytes of either side of a connection, from its beginning.
[[nodiscard]] std::optional<WireReading> read_wire(Bytes bytes, PlainText plain = PlainText::read);
// An HTTP/2 frame length, whose three bytes are the first that came (RFC 9113 §4.1). nullopt when
// they are no text and no TLS: then the number is what it says.
[[nodiscard]] std::optional<WireReading> read_frame_length(uint64_t length);
// An HTTP/2 frame type, which is the fourth byte that came.
[[nodiscard]] std::optional<WireReading> read_frame_type(uint64_t type);
// The three bytes, as an operator writes them: "48 54 54 ("HTT")".
[[nodiscard]] std::string length_bytes_words(uint64_t length);

}  // namespace telltale::sniff::explain
