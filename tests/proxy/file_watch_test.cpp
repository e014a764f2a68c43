#include "proxy/file_watch.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::proxy {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr auto patience = std::chrono::seconds(20);
// Short, so that the tests are; the poll too.
constexpr FileWatch::Times short_times = {
    .quiet = milliseconds(20), .postponed_max = milliseconds(200), .poll = milliseconds(20)};

void write(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

void replace(const fs::path& path, const std::string& bytes) {
    write(path.string() + ".new", bytes);
    fs::rename(path.string() + ".new", path);
}

// As the kubelet does it: AtomicWriter.Write of k8s.io/kubernetes/pkg/volume/util.
void swap_config_map(const fs::path& folder, const std::string& stamp, const std::string& bytes) {
    fs::create_directory(folder / stamp);
    write(folder / stamp / "telltale.yaml", bytes);
    const fs::path before =
        fs::is_symlink(folder / "..data") ? fs::read_symlink(folder / "..data") : "";
    fs::create_symlink(stamp, folder / "..data_tmp");
    fs::rename(folder / "..data_tmp", folder / "..data");
    if (!before.empty()) fs::remove_all(folder / before);
}

// What inotify answers while this lives: the limits that it stands for belong to all processes of
// the user, so no test can use them up. The program's own functions win over those of libc.
int refused_init = 0;
int refused_watch = 0;

class Refusing final {
   public:
    Refusing(int& place, int error) : place_(place) { place_ = error; }
    ~Refusing() { place_ = 0; }
    Refusing(const Refusing&) = delete;
    Refusing& operator=(const Refusing&) = delete;

   private:
    int& place_;
};

class FileWatchTest : public testing::Test {
   protected:
    FileWatchTest() {
        std::string pattern = fs::temp_directory_path() / "telltale-watch-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        file = folder / "telltale.yaml";
    }
    ~FileWatchTest() override {
        if (watch) watch->stop();
        fs::remove_all(folder);
    }

    void start(const fs::path& path, const FileWatch::Times& times = short_times,
               std::optional<std::string_view> loaded = std::nullopt) {
        watch.emplace(
            context, path.string(), [this] { ++changes; }, loaded, times);
    }

    void run_until(const std::function<bool()>& condition) {
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), limit) << "waited in vain";
            context.run_one_for(milliseconds(100));
        }
    }
    void expect_change(int number) {
        run_until([&] { return changes >= number; });
        EXPECT_EQ(changes, number);
    }
    // What was done to the file was noticed and looked into.
    void run_until_compared() {
        run_until([this, before = watch->comparisons()] { return watch->comparisons() > before; });
    }

    fs::path folder, file;
    asio::io_context context{1};
    std::optional<FileWatch> watch;
    int changes = 0;
};

TEST_F(FileWatchTest, tells_of_a_file_that_is_written_again) {
    write(file, "a");
    start(file);
    write(file, "b");
    expect_change(1);
    write(file, "c");
    expect_change(2);
    EXPECT_FALSE(watch->polls());
}

TEST_F(FileWatchTest, tells_of_a_file_that_another_is_renamed_over) {
    write(file, "a");
    start(file);
    for (int change = 1; change <= 5; ++change) {
        replace(file, std::string(static_cast<size_t>(change), 'b'));
        expect_change(change);
    }
    write(file, "in place again");  // the file that was renamed here is watched now
    expect_change(6);
}

TEST_F(FileWatchTest, tells_nothing_when_the_bytes_are_the_same) {
    write(file, "a");
    start(file);
    fs::last_write_time(file, fs::file_time_type::clock::now());  // touch
    run_until_compared();
    write(file, "a");
    run_until_compared();
    replace(file, "a");
    run_until_compared();
    EXPECT_EQ(changes, 0);
    replace(file, "b");
    expect_change(1);
}

TEST_F(FileWatchTest, tells_of_a_swapped_config_map) {
    swap_config_map(folder, "..2026_01_01", "a");
    fs::create_symlink("..data/telltale.yaml", file);
    start(file);
    for (int change = 1; change <= 4; ++change) {
        swap_config_map(folder, "..2026_01_0" + std::to_string(change + 1), std::to_string(change));
        expect_change(change);
    }
    // Another key of the same ConfigMap.
    swap_config_map(folder, "..2026_02_01", "4");
    run_until_compared();
    EXPECT_EQ(changes, 4);
    EXPECT_FALSE(watch->polls());
}

TEST_F(FileWatchTest, tells_of_a_link_that_is_turned_elsewhere) {
    fs::create_directories(folder / "x" / "y");
    write(folder / "x" / "y" / "one", "a");
    write(folder / "x" / "two", "b");
    fs::create_symlink(folder / "x" / "y", folder / "absolute");
    fs::create_symlink("absolute/../two", folder / "relative");
    fs::create_symlink("absolute/one", file);
    start(file);
    write(folder / "x" / "y" / "one", "c");
    expect_change(1);
    fs::create_symlink("relative", file.string() + ".new");
    fs::rename(file.string() + ".new", file);
    expect_change(2);
    write(folder / "x" / "two", "d");
    expect_change(3);
    write(folder / "x" / "y" / "one", "e");  // not on the way any more
    write(folder / "x" / "two", "f");
    expect_change(4);
}

TEST_F(FileWatchTest, waits_for_a_link_that_dangles_for_a_moment) {
    write(folder / "target", "a");
    fs::create_symlink("target", file);
    start(file);
    fs::remove(folder / "target");
    run_until_compared();
    EXPECT_EQ(changes, 0);
    write(folder / "target", "a");
    run_until_compared();
    EXPECT_EQ(changes, 0);
    fs::remove(folder / "target");
    write(folder / "target", "b");
    expect_change(1);
}

TEST_F(FileWatchTest, waits_for_a_file_that_is_gone_for_a_while) {
    write(file, "a");
    start(file);
    fs::remove(file);
    run_until_compared();
    EXPECT_EQ(changes, 0);
    write(file, "b");
    expect_change(1);
}

TEST_F(FileWatchTest, tells_of_a_file_that_comes_for_the_first_time) {
    start(folder / "not" / "yet" / "telltale.yaml");
    fs::create_directories(folder / "not" / "yet");
    write(folder / "not" / "yet" / "telltale.yaml", "a");
    expect_change(1);
}

TEST_F(FileWatchTest, follows_folders_that_are_replaced) {
    fs::create_directories(folder / "etc" / "telltale");
    file = folder / "etc" / "telltale" / "telltale.yaml";
    write(file, "a");
    start(file);
    fs::rename(folder / "etc" / "telltale", folder / "etc" / "telltale.old");
    fs::create_directory(folder / "etc" / "telltale");
    write(file, "b");
    expect_change(1);
    fs::remove_all(folder / "etc");
    run_until_compared();
    fs::create_directories(folder / "etc" / "telltale");
    write(file, "c");
    expect_change(2);
    write(folder / "etc" / "telltale.old", "not ours");
    replace(file, "d");
    expect_change(3);
}

TEST_F(FileWatchTest, takes_truncating_and_writing_for_one_change) {
    write(file, "a");
    std::string at_change;
    watch.emplace(
        context, file.string(),
        [&] {
            ++changes;
            std::ifstream(file) >> at_change;
        },
        std::nullopt,
        FileWatch::Times{.quiet = milliseconds(1000), .postponed_max = patience, .poll = patience});
    write(file, "");
    context.run_one();  // the events of the truncation
    write(file, "b");
    expect_change(1);
    EXPECT_EQ(at_change, "b");
    EXPECT_EQ(watch->comparisons(), 1U);
}

TEST_F(FileWatchTest, reads_a_file_that_never_rests) {
    write(file, "a");
    start(file, {.quiet = patience, .postponed_max = milliseconds(50), .poll = patience});
    run_until([this, number = 0]() mutable {
        write(file, std::to_string(++number));
        return changes >= 2;
    });
}

TEST_F(FileWatchTest, tells_what_changed_since_the_caller_read_it) {
    write(file, "b");
    start(file, short_times, "a");
    expect_change(1);
    start(file, short_times, "b");
    run_until_compared();
    EXPECT_EQ(changes, 1);
}

TEST_F(FileWatchTest, is_not_woken_by_the_neighbours_of_the_file) {
    write(file, "a");
    write(folder / "neighbour", "");
    start(file);
    for (int i = 0; i < 20; ++i) {
        write(folder / "neighbour", std::to_string(i));
        replace(folder / "other", "a");
        context.poll();
    }
    EXPECT_EQ(watch->comparisons(), 0U);
    write(file, "b");
    expect_change(1);
    EXPECT_EQ(watch->comparisons(), 1U);
}

TEST_F(FileWatchTest, does_not_hang_on_what_is_no_file) {
    write(file, "a");
    start(file);
    ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
    fs::rename(folder / "fifo", file);
    run_until_compared();
    fs::remove(file);
    fs::create_directory(file);
    run_until_compared();
    fs::remove(file);
    fs::create_symlink("telltale.yaml", file);  // a circle
    run_until_compared();
    EXPECT_EQ(changes, 0);
    replace(file, "b");
    expect_change(1);
}

TEST_F(FileWatchTest, compares_a_large_file_by_its_start_and_size) {
    const std::string large(watched_bytes_max, 'a');
    write(file, large + "b");
    start(file);
    write(file, large + "c");
    run_until_compared();
    EXPECT_EQ(changes, 0);
    write(file, large + "cc");
    expect_change(1);
    write(file, "b" + large);
    expect_change(2);
}

TEST_F(FileWatchTest, polls_without_inotify_and_sees_the_same) {
    swap_config_map(folder, "..2026_01_01", "a");
    fs::create_symlink("..data/telltale.yaml", file);
    {
        const Refusing refusing(refused_init, EMFILE);
        start(file, short_times, "a");
    }
    EXPECT_TRUE(watch->polls());
    swap_config_map(folder, "..2026_01_02", "b");
    expect_change(1);
    fs::remove(folder / "..data" / "telltale.yaml");
    run_until_compared();
    write(folder / "..data" / "telltale.yaml", "c");
    expect_change(2);
    write(folder / "..data" / "telltale.yaml", "c");
    run_until_compared();
    EXPECT_EQ(changes, 2);
}

TEST_F(FileWatchTest, polls_from_the_moment_when_there_are_no_watches_left) {
    write(file, "a");
    start(file);
    EXPECT_FALSE(watch->polls());
    {
        const Refusing refusing(refused_watch, ENOSPC);
        replace(file, "b");
        expect_change(1);
    }
    EXPECT_TRUE(watch->polls());
    replace(file, "c");
    expect_change(2);
}

// No event comes when a read that failed would succeed: as without descriptors, so here.
TEST_F(FileWatchTest, tries_again_by_itself_when_the_file_could_not_be_read) {
    write(file, "a");
    start(file);
    fs::create_symlink("/proc/self/mem", folder / "unreadable");  // EIO at its start
    fs::rename(folder / "unreadable", file);
    run_until([this] { return watch->comparisons() > 5; });
    EXPECT_EQ(changes, 0);
    replace(file, "b");
    expect_change(1);
}

TEST_F(FileWatchTest, calls_nobody_after_its_end) {
    write(file, "a");
    watch.emplace(
        context, file.string(),
        [this] {
            ++changes;
            watch->stop();
        },
        std::nullopt, short_times);
    write(file, "b");
    expect_change(1);
    write(file, "c");
    context.restart();
    context.run();  // nothing is waited for any more
    EXPECT_EQ(changes, 1);
    start(file);
    write(file, "d");
    context.poll();
    watch.reset();
    context.restart();
    context.run();
    EXPECT_EQ(changes, 1);
}

TEST_F(FileWatchTest, leaves_no_descriptor_behind) {
    write(file, "a");
    const auto open = [] {
        return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
    };
    start(file);
    watch.reset();  // what the context opens for itself stays
    const auto before = open();
    start(file);
    EXPECT_EQ(open(), before + 1);
    watch.reset();
    EXPECT_EQ(open(), before);
}

}  // namespace
}  // namespace telltale::proxy

extern "C" int inotify_init1(int flags) noexcept {
    errno = telltale::proxy::refused_init;
    return errno != 0 ? -1 : static_cast<int>(::syscall(SYS_inotify_init1, flags));
}

extern "C" int inotify_add_watch(int fd, const char* path, uint32_t mask) noexcept {
    errno = telltale::proxy::refused_watch;
    return errno != 0 ? -1 : static_cast<int>(::syscall(SYS_inotify_add_watch, fd, path, mask));
}
