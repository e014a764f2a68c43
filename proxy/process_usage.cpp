#include "proxy/process_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <memory>
#include <utility>

#include "proxy/unique_fd.h"

namespace telltale::proxy {

namespace {

constexpr size_t stat_bytes_max = 4096;  // 52 numbers and a name of 15 bytes (63 in the kernel's)
constexpr size_t first_field = 3;        // behind the name
constexpr size_t last_field = 24;

std::string read_stat(const std::string& file) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return {};
    std::array<char, stat_bytes_max> buffer{};
    ssize_t size = 0;
    do {
        size = ::read(fd.get(), buffer.data(), buffer.size());
    } while (size < 0 && errno == EINTR);
    return size > 0 ? std::string(buffer.data(), static_cast<size_t>(size)) : std::string();
}

std::optional<double> seconds_of(clockid_t clock) {
    timespec now{};
    if (::clock_gettime(clock, &now) != 0) return std::nullopt;
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::optional<double> open_descriptors(const std::string& folder) {
    // Linux 6.2 and newer tell the number as the folder's size, at the cost of one call.
    struct stat facts {};
    if (::stat(folder.c_str(), &facts) != 0) return std::nullopt;
    if (facts.st_size > 0) return static_cast<double>(facts.st_size);
    return count_descriptors(folder);
}

}  // namespace

std::optional<double> count_descriptors(const std::string& folder) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
    if (!open) return std::nullopt;
    uint64_t entries = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads this stream
    while (::readdir(open.get()) != nullptr) ++entries;
    constexpr uint64_t not_counted = 3;  // ".", "..", and the descriptor that reads
    return static_cast<double>(entries > not_counted ? entries - not_counted : 0);
}

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
    // No field behind the name has a parenthesis, so its end is the last one.
    const size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(name_end + 1);

    std::array<std::string_view, last_field - first_field + 1> fields;
    for (std::string_view& field : fields) {
        if (text.empty() || text.front() != ' ') return std::nullopt;
        text.remove_prefix(1);
        field = text.substr(0, text.find_first_of(" \n"));
        text.remove_prefix(field.size());
    }
    const auto number = [&fields](size_t index) -> std::optional<uint64_t> {
        const std::string_view field = fields[index - first_field];
        uint64_t value = 0;
        const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
        if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
        return value;
    };
    const auto user = number(14);
    const auto system = number(15);
    const auto start = number(22);
    const auto virtual_bytes = number(23);
    const auto resident = number(24);
    if (!user || !system || !start || !virtual_bytes || !resident) return std::nullopt;
    return ProcStat{.user_ticks = *user,
                    .system_ticks = *system,
                    .start_ticks = *start,
                    .virtual_bytes = *virtual_bytes,
                    .resident_pages = *resident};
}

UsageReader::UsageReader(std::string folder) : folder_(std::move(folder)) {}

ProcessUsage UsageReader::read() {
    ProcessUsage usage;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    if (const auto stat = parse_proc_stat(read_stat(folder_ + "/stat")); stat && ticks > 0) {
        usage.cpu_seconds = static_cast<double>(stat->user_ticks + stat->system_ticks) / ticks;
        usage.resident_bytes = static_cast<double>(stat->resident_pages) *
                               static_cast<double>(::sysconf(_SC_PAGESIZE));
        usage.virtual_bytes = static_cast<double>(stat->virtual_bytes);
        const auto now = seconds_of(CLOCK_REALTIME);
        const auto up = seconds_of(CLOCK_BOOTTIME);
        if (!start_time_s_ && now && up) {
            start_time_s_ = *now - (*up - static_cast<double>(stat->start_ticks) / ticks);
        }
        usage.start_time_s = start_time_s_;
    }
    usage.open_fds = open_descriptors(folder_ + "/fd");
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        usage.max_fds = static_cast<double>(files.rlim_cur);
    }
    return usage;
}

}  // namespace telltale::proxy
