// A whole log in constant memory: each finding once, with how many lines have it and the first and
// the last of them. Lines of any length, any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/explain/clean.h"
#include "sniff/explain/finding.h"
#include "sniff/explain/line_reader.h"

namespace telltale::sniff::explain {

inline constexpr size_t line_window = 65536;  // of a longer line so much is looked at at a time,
inline constexpr size_t line_overlap = 4096;  // with so much on both sides as context
inline constexpr size_t findings_max = 200;

class LogScan final {
   public:
    void feed(std::string_view chunk);
    void finish();

    [[nodiscard]] std::vector<Finding>& findings() noexcept { return findings_; }
    [[nodiscard]] uint64_t lines() const noexcept { return lines_; }
    // Lines with a finding for which there was no room.
    [[nodiscard]] uint64_t not_kept() const noexcept { return not_kept_; }

   private:
    void put(char c);
    void read_line(size_t to);
    void end_line();
    void add(LineFinding&& found, std::string_view time);

    LineReader reader_;
    Cleaner cleaner_;
    std::string line_;
    std::string time_;    // of the line
    size_t from_ = 0;     // in line_: what is before was read
    bool begun_ = false;  // the line has bytes
    uint64_t number_ = 1;
    uint64_t lines_ = 0;
    uint64_t not_kept_ = 0;
    std::vector<Finding> findings_;
    std::vector<std::string> keys_;
};

// The time at the front of a log's line, as it stands there: "2026-11-23T09:57:16.123Z".
[[nodiscard]] std::string line_time(std::string_view line);

}  // namespace telltale::sniff::explain
