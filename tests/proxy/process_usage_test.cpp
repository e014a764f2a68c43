#include "proxy/process_usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "proxy/unique_fd.h"

namespace telltale::proxy {
namespace {

// As Linux 6.1 wrote it of a sidecar; %NAME% is the program's choice.
constexpr std::string_view line =
    "2142 (%NAME%) S 1 2142 2142 0 -1 4194304 1021 0 3 0 17 5 0 0 20 0 5 0 81234 237764608 2107 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 17410 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

std::string line_of(std::string_view name) {
    std::string text(line);
    return text.replace(text.find("%NAME%"), 6, name);
}

void expect_the_numbers(const std::string& text) {
    const auto stat = parse_proc_stat(text);
    ASSERT_TRUE(stat) << text;
    EXPECT_EQ(stat->user_ticks, 17U);
    EXPECT_EQ(stat->system_ticks, 5U);
    EXPECT_EQ(stat->start_ticks, 81234U);
    EXPECT_EQ(stat->virtual_bytes, 237764608U);
    EXPECT_EQ(stat->resident_pages, 2107U);
}

TEST(ProcessUsage, reads_the_line_of_a_process) {
    expect_the_numbers(line_of("telltale"));
}

TEST(ProcessUsage, reads_it_whatever_the_program_calls_itself) {
    for (const char* name : {"", " ", ")", "(", ") S 1 1", "a b c", "((()))", "x) R 9 9 9 9 9 9",
                             "1 2 3 4 5 6 7 8", "line\nend", "\xff\xfe\x01", ") "}) {
        expect_the_numbers(line_of(name));
    }
}

TEST(ProcessUsage, reads_nothing_from_anything_else) {
    const std::string whole = line_of("telltale");
    // Where the number of the 24th field begins: whatever ends before it is not enough.
    const size_t enough = whole.find("2107");
    for (size_t size = 0; size <= enough; ++size) {
        EXPECT_FALSE(parse_proc_stat(whole.substr(0, size))) << size;
    }
    for (const char* text :
         {"", ")", "))))", "2142", "2142 (telltale)", "2142 (telltale S 1 2 3", "\n\n\n",
          "1 (a) S 1 1 1 0 -1 0 0 0 0 0 x 5 0 0 20 0 5 0 81234 237764608 2107 0",
          "1 (a) S 1 1 1 0 -1 0 0 0 0 0 -1 5 0 0 20 0 5 0 81234 237764608 2107 0",
          "1 (a) S 1 1 1 0 -1 0 0 0 0 0 17 5 0 0 20 0 5 0 99999999999999999999 2 2107 0",
          "1 (a) S 1 1 1 0 -1 0 0 0 0 0 17 5 0 0 20 0 5 0  81234 237764608 2107 0",
          "1 (a) S 1 1 1 0 -1 0 0 0 0 0 17 5 0 0 20 0 5 0 81234 237764608 2107x 0"}) {
        EXPECT_FALSE(parse_proc_stat(text)) << text;
    }
}

TEST(ProcessUsage, is_that_of_this_process) {
    UsageReader reader;
    const ProcessUsage usage = reader.read();
    ASSERT_TRUE(usage.cpu_seconds && usage.resident_bytes && usage.virtual_bytes &&
                usage.open_fds && usage.max_fds && usage.start_time_s);
    EXPECT_GE(*usage.cpu_seconds, 0);
    EXPECT_GT(*usage.resident_bytes, 100'000);
    EXPECT_GT(*usage.virtual_bytes, *usage.resident_bytes);
    EXPECT_GE(*usage.max_fds, *usage.open_fds);
    const auto now = static_cast<double>(std::time(nullptr));
    EXPECT_LE(*usage.start_time_s, now + 1);
    EXPECT_GT(*usage.start_time_s, now - 86'400);
}

TEST(ProcessUsage, counts_open_descriptors_and_not_its_own) {
    UsageReader reader;
    const auto before = reader.read().open_fds;
    std::vector<UniqueFd> more;
    for (int i = 0; i < 50; ++i) more.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(reader.read().open_fds, before.value_or(0) + 50);
    more.clear();
    EXPECT_EQ(reader.read().open_fds, before);
}

TEST(ProcessUsage, counts_the_same_where_the_kernel_tells_no_number) {
    const std::vector<UniqueFd> some = [] {
        std::vector<UniqueFd> out;
        for (int i = 0; i < 50; ++i) out.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        return out;
    }();
    EXPECT_EQ(count_descriptors("/proc/self/fd"), UsageReader().read().open_fds);
    EXPECT_FALSE(count_descriptors("/nonexistent/fd"));
}

TEST(ProcessUsage, never_moves_the_start) {
    UsageReader reader;
    const auto first = reader.read().start_time_s;
    for (int i = 0; i < 100; ++i) ASSERT_EQ(reader.read().start_time_s, first);
}

TEST(ProcessUsage, is_left_out_without_proc) {
    UsageReader reader("/nonexistent/proc/self");
    const ProcessUsage usage = reader.read();
    EXPECT_FALSE(usage.cpu_seconds || usage.resident_bytes || usage.virtual_bytes ||
                 usage.open_fds || usage.start_time_s);
    EXPECT_TRUE(usage.max_fds) << "that one is a system call";
}

}  // namespace
}  // namespace telltale::proxy
