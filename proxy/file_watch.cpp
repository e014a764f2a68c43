#include "proxy/file_watch.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "proxy/unique_fd.h"

namespace telltale::proxy {

namespace {

using Clock = std::chrono::steady_clock;

// Of the names in a folder: they come, go, are renamed, or may be read now (IN_ATTRIB).
constexpr uint32_t folder_events =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;
// Of the file itself, so that the writes to its neighbours wake nobody.
constexpr uint32_t file_events = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;
constexpr int links_max = 40;  // as the kernel follows: path_resolution(7)

// ---- what is read

struct Content {
    uint64_t size = 0;
    size_t hash = 0;
    friend bool operator==(const Content&, const Content&) = default;
};

Content content_of(std::string_view bytes, uint64_t size) {
    return {size, std::hash<std::string_view>()(bytes.substr(0, watched_bytes_max))};
}

// The content, or the errno that kept it from being read; EINVAL: not a regular file.
std::variant<Content, int> read_content(const std::string& path) {
    // Not blocking: the path may have become a FIFO.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    const auto size = static_cast<uint64_t>(std::max<off_t>(status.st_size, 0));
    // One more, to see the end; what grows meanwhile makes a further event.
    std::string bytes(std::min<uint64_t>(size + 1, watched_bytes_max), '\0');
    size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t count = ::read(fd.get(), bytes.data() + filled, bytes.size() - filled);
        if (count < 0) return errno;
        if (count == 0) break;
        filled += static_cast<size_t>(count);
    }
    const uint64_t whole = filled < watched_bytes_max ? filled : size;
    return content_of(std::string_view(bytes.data(), filled), whole);
}

// What stat() tells of a change, whoever made it.
using Signature = std::array<int64_t, 7>;

std::optional<Signature> signature_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    return Signature{static_cast<int64_t>(status.st_dev),
                     static_cast<int64_t>(status.st_ino),
                     status.st_size,
                     status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec,
                     status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec};
}

// ---- the way to the file

std::deque<std::string> names_of(const std::string& path) {
    std::deque<std::string> names;
    for (size_t from = 0; from < path.size();) {
        const size_t to = std::min(path.find('/', from), path.size());
        if (to > from) names.push_back(path.substr(from, to - from));
        from = to + 1;
    }
    return names;
}

std::string joined(const std::string& folder, const std::string& name) {
    return (folder == "/" ? "" : folder) + "/" + name;
}

std::string parent_of(const std::string& folder) {
    const size_t slash = folder.rfind('/');
    return slash == 0 ? "/" : folder.substr(0, slash);
}

std::string link_target(const std::string& link) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    return {target.data(), size > 0 ? static_cast<size_t>(size) : 0};
}

// Goes along an absolute path as the kernel does, and announces each name before it is looked up:
// what changes after the announcement is told by its watch. Announcing answers whether to go on.
// Returns the file, or "" when the way ends before.
std::string follow(
    const std::string& path,
    const std::function<bool(const std::string& folder, const std::string& name)>& announce) {
    std::string folder = "/";
    std::deque<std::string> rest = names_of(path);
    int links = 0;
    while (!rest.empty()) {
        const std::string name = std::move(rest.front());
        rest.pop_front();
        if (name == ".") continue;
        if (name == "..") {  // the folder has no links in it any more
            folder = parent_of(folder);
            continue;
        }
        if (!announce(folder, name)) return "";
        const std::string here = joined(folder, name);
        struct stat status {};
        if (::lstat(here.c_str(), &status) != 0) return "";
        if (S_ISLNK(status.st_mode)) {
            if (++links > links_max) return "";
            const std::string target = link_target(here);
            if (!target.empty() && target[0] == '/') folder = "/";
            auto names = names_of(target);
            rest.insert(rest.begin(), names.begin(), names.end());
        } else if (rest.empty()) {
            return S_ISREG(status.st_mode) ? here : "";
        } else {
            folder = here;
        }
    }
    return "";
}

std::string absolute(const std::string& path) {
    std::error_code error;
    const auto found = std::filesystem::absolute(path, error);
    return error ? "/" + path : found.string();
}

// What an event means: nothing to us, other bytes in the file, or another file.
enum class Concern : uint8_t { nothing, content, way };

std::string no_inotify_words(int error) {
    switch (error) {  // inotify_init(2), inotify_add_watch(2)
        case EMFILE:
            return "no inotify instance is left; raise fs.inotify.max_user_instances";
        case ENOSPC:
            return "no inotify watch is left; raise fs.inotify.max_user_watches";
        default:
            return std::string("inotify can't be had: ") + std::strerror(error);
    }
}

bool passes_by_itself(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

}  // namespace

struct FileWatch::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& context, const std::string& given, std::function<void()> then,
         const Times& given_times)
        : path(absolute(given)),
          changed(std::move(then)),
          times(given_times),
          events(context),
          settled(context),
          poll(context) {}

    void start(std::optional<std::string_view> loaded);
    void open_inotify();
    void wait();
    void read_events();
    [[nodiscard]] Concern concern_of(const inotify_event& event, const std::string& name);
    void watch_the_way();
    bool watch(const std::string& where, uint32_t mask, const std::string& name);
    void fall_back(int error);
    void poll_later();
    void settle();
    void compare();
    void stop();

    const std::string path;
    const std::function<void()> changed;
    const Times times;
    asio::posix::basic_stream_descriptor<Executor> events;
    // By watch: the names in that folder which are on the way; of the file itself none.
    std::map<int, std::set<std::string>> watches;
    asio::steady_timer settled;
    std::optional<Clock::time_point> first_event;  // of those that were not looked into yet
    asio::steady_timer poll;
    std::optional<Signature> signature;
    std::optional<Content> seen;
    uint64_t comparisons = 0;
    bool polls = false;
    bool stopped = false;
};

void FileWatch::Impl::start(std::optional<std::string_view> loaded) {
    open_inotify();
    if (loaded) {
        seen = content_of(*loaded, loaded->size());
        return settle();
    }
    const auto content = read_content(path);
    if (const auto* there = std::get_if<Content>(&content)) seen = *there;
}

void FileWatch::Impl::open_inotify() {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) return fall_back(errno);
    ErrorCode error;
    events.assign(fd, error);
    if (error) {
        ::close(fd);
        return fall_back(error.value());
    }
    watch_the_way();
    wait();
}

void FileWatch::Impl::wait() {
    if (stopped || polls) return;
    events.async_wait(asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](const ErrorCode& error) {
                          if (error || self->stopped || self->polls) return;
                          self->read_events();
                          self->wait();
                      });
}

void FileWatch::Impl::read_events() {
    // One event with the longest name fits several times.
    std::array<char, 4096> buffer{};
    Concern concern = Concern::nothing;
    while (true) {
        const ssize_t size = ::read(events.native_handle(), buffer.data(), buffer.size());
        if (size <= 0) break;
        for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            // Padded with zeros to event.len.
            const char* name = event.len == 0 ? "" : buffer.data() + at + sizeof event;
            concern = std::max(concern, concern_of(event, name));
            at += sizeof event + event.len;
        }
    }
    if (concern == Concern::way) watch_the_way();
    if (concern != Concern::nothing) settle();
}

Concern FileWatch::Impl::concern_of(const inotify_event& event, const std::string& name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return Concern::way;
    const auto found = watches.find(event.wd);
    if (found == watches.end()) return Concern::nothing;
    if ((event.mask & IN_IGNORED) != 0) {  // what was watched is gone, and the watch with it
        watches.erase(found);
        return Concern::way;
    }
    if (found->second.empty()) return Concern::content;
    return name.empty() || found->second.contains(name) ? Concern::way : Concern::nothing;
}

// Watches that are there already stay what they are: inotify_add_watch(2) answers the same number.
void FileWatch::Impl::watch_the_way() {
    const auto before = std::exchange(watches, {});
    const std::string file = follow(path, [this](const auto& folder, const auto& name) {
        return watch(folder, folder_events, name);
    });
    if (!file.empty()) watch(file, file_events, "");
    if (polls) return;
    for (const auto& [number, names] : before) {
        if (!watches.contains(number)) ::inotify_rm_watch(events.native_handle(), number);
    }
}

bool FileWatch::Impl::watch(const std::string& where, uint32_t mask, const std::string& name) {
    const int number = ::inotify_add_watch(events.native_handle(), where.c_str(), mask);
    if (number >= 0) {
        auto& names = watches[number];
        if (!name.empty()) names.insert(name);
        return true;
    }
    const int error = errno;
    // The watch of the folder above tells when there is something again, or when a file that may
    // not be read may be.
    const bool replaced = error == ENOENT || error == ENOTDIR || error == ELOOP;
    const bool unreadable = error == EACCES && mask == file_events;
    if (!replaced && !unreadable) fall_back(error);
    return false;
}

void FileWatch::Impl::fall_back(int error) {
    if (polls) return;
    polls = true;
    ErrorCode ignored;  // the descriptor is gone either way
    events.close(ignored);
    watches.clear();
    spdlog::warn("{} is looked at every {:g} s, instead of being told of its changes: {}", path,
                 std::chrono::duration<double>(times.poll).count(), no_inotify_words(error));
    signature = signature_of(path);
    poll_later();
}

void FileWatch::Impl::poll_later() {
    poll.expires_after(times.poll);
    poll.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (error || self->stopped) return;
        const auto now = signature_of(self->path);
        if (std::exchange(self->signature, now) != now) self->settle();
        self->poll_later();
    });
}

void FileWatch::Impl::settle() {
    const auto now = Clock::now();
    if (!first_event) first_event = now;
    settled.expires_at(std::min(now + times.quiet, *first_event + times.postponed_max));
    settled.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (error || self->stopped) return;
        self->first_event.reset();
        self->compare();
    });
}

void FileWatch::Impl::compare() {
    ++comparisons;
    const auto content = read_content(path);
    if (const int* error = std::get_if<int>(&content)) {
        if (!passes_by_itself(*error)) return;
        settled.expires_after(times.poll);
        settled.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
            if (!cancelled && !self->stopped) self->compare();
        });
        return;
    }
    if (seen == std::get<Content>(content)) return;
    seen = std::get<Content>(content);
    changed();
}

void FileWatch::Impl::stop() {
    if (stopped) return;
    stopped = true;
    ErrorCode ignored;  // the descriptor is gone either way
    events.close(ignored);
    settled.cancel();
    poll.cancel();
}

FileWatch::FileWatch(asio::io_context& context, const std::string& path,
                     std::function<void()> changed, std::optional<std::string_view> loaded,
                     const Times& times)
    : impl_(std::make_shared<Impl>(context, path, std::move(changed), times)) {
    impl_->start(loaded);
}

FileWatch::FileWatch(asio::io_context& context, const std::string& path,
                     std::function<void()> changed, std::optional<std::string_view> loaded)
    : FileWatch(context, path, std::move(changed), loaded, Times{}) {}

FileWatch::~FileWatch() {
    stop();
}

void FileWatch::stop() {
    impl_->stop();
}

bool FileWatch::polls() const noexcept {
    return impl_->polls;
}

uint64_t FileWatch::comparisons() const noexcept {
    return impl_->comparisons;
}

}  // namespace telltale::proxy
