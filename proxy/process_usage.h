// What this process uses, for the conventional process_* metrics. Read from /proc at a scrape, on
// the control thread; nothing is read between scrapes. What can't be read is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::proxy {

// Of /proc/PID/stat; proc(5) numbers the fields.
struct ProcStat {
    uint64_t user_ticks = 0;      // 14
    uint64_t system_ticks = 0;    // 15
    uint64_t start_ticks = 0;     // 22: since the machine's start
    uint64_t virtual_bytes = 0;   // 23
    uint64_t resident_pages = 0;  // 24
};
// nullopt: not such a line. Pure. The name in it is the program's choice: spaces, parentheses, line
// ends.
[[nodiscard]] std::optional<ProcStat> parse_proc_stat(std::string_view text);

// The descriptors of a folder like /proc/self/fd, by reading it: about a microsecond each. For
// kernels before 6.2, which do not tell the number. nullopt: no such folder.
[[nodiscard]] std::optional<double> count_descriptors(const std::string& folder);

struct ProcessUsage {
    std::optional<double> cpu_seconds;
    std::optional<double> resident_bytes;
    std::optional<double> virtual_bytes;
    std::optional<double> open_fds;
    std::optional<double> max_fds;
    std::optional<double> start_time_s;  // Unix time
};

class UsageReader final {
   public:
    // folder: tests give another.
    explicit UsageReader(std::string folder = "/proc/self");
    [[nodiscard]] ProcessUsage read();

   private:
    std::string folder_;
    // Computed once: the clocks that it comes from drift against each other, and a start time that
    // moves looks like restarts.
    std::optional<double> start_time_s_;
};

}  // namespace telltale::proxy
