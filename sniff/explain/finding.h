// What was recognised, ready to be shown: plain values, every string printable and bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/explain/error_text.h"

namespace telltale::sniff::explain {

struct LikelyCause {
    Cause cause = Cause::unexplained;
    std::string why;
};

struct Dialled {  // an address out of the text
    std::string address;
    uint64_t count = 0;
};
inline constexpr size_t addresses_max = 16;

struct Finding {
    std::string id;          // of the row: "grpc_go_http1_header"; "bytes", "frame_length", "code"
    std::string says;        // one sentence: what was on the wire
    std::string printed_by;  // "" when unknown
    std::optional<Reader> reader;
    std::vector<std::string> notes;   // numbers and bytes decoded, versions
    std::vector<LikelyCause> causes;  // likeliest first; empty: no fault between protocols
    std::string is_not;
    std::vector<std::string> next;  // commands
    std::string source;
    std::vector<std::string> other_readings;
    std::vector<std::string> wrapped_in;  // ids of rows that only pass this on: "openim_down"
    std::vector<Dialled> addresses;
    std::string excerpt;  // of the line, escaped and cut

    uint64_t count = 1;  // lines that have it
    uint64_t first_line = 0;
    uint64_t last_line = 0;
    std::string first_time;  // as the log writes it; "" when no time was recognised
    std::string last_time;
};

}  // namespace telltale::sniff::explain
