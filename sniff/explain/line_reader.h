// One cleaned line → the findings in it. Rows are searched for all at once; of rows that lie over
// one another the most specific explains the text and the others become its other readings.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "sniff/explain/finding.h"

namespace telltale::sniff::explain {

struct LineFinding {
    std::string key;      // the same key: the same finding
    size_t begin = 0;     // in the line
    std::string address;  // "" when the text has none
    Finding finding;
};

class LineReader final {
   public:
    LineReader();
    ~LineReader();
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;

    // Findings that begin in [from, to), in their order; what stands around is context.
    [[nodiscard]] std::vector<LineFinding> read(std::string_view line, size_t from,
                                                size_t to) const;
    [[nodiscard]] std::vector<LineFinding> read(std::string_view line) const {
        return read(line, 0, line.size() + 1);
    }

   private:
    struct State;
    std::unique_ptr<State> state_;
};

// The address that was dialled, as far as the text tells: "10.244.2.9:12260". "" when it does not.
[[nodiscard]] std::string dialled_address(std::string_view line);

}  // namespace telltale::sniff::explain
