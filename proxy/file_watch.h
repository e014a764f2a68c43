// Tells when the content that a path leads to has changed: for the configuration file, on the
// control thread. Follows what Kubernetes (a ConfigMap's ..data is swapped by rename), editors
// (rename over, or truncate and write) and people (replaced folders, links that dangle for a
// moment) do. Reads the file to compare it, never judges it.
//
// Watches by inotify(7) the folder of every name on the way, so each link and folder may be
// replaced; where the kernel refuses that (fs.inotify.max_user_instances is shared by all
// containers of a user), asks stat() every 5 s, and says so once. A file system that another host
// writes (NFS), or one mounted over the path later, tells nobody: there SIGHUP helps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net.h"

namespace telltale::proxy {

// Of a larger file only the size and so many bytes are compared.
inline constexpr size_t watched_bytes_max = size_t{4} << 20U;

class FileWatch final {
   public:
    struct Times {
        std::chrono::milliseconds quiet{100};  // after the last event, before the file is read
        std::chrono::milliseconds postponed_max{1000};  // a file that never rests is read anyway
        std::chrono::milliseconds poll{5000};           // without inotify
    };

    // changed: called on the context's thread, only when there is a regular file at the path whose
    // bytes differ from those seen last. A file that is gone or can't be read is no change.
    // loaded: the bytes that the caller has read already, so that what changed since is told;
    // without it, what is there now is what was seen last.
    FileWatch(asio::io_context& context, const std::string& path, std::function<void()> changed,
              std::optional<std::string_view> loaded, const Times& times);
    FileWatch(asio::io_context& context, const std::string& path, std::function<void()> changed,
              std::optional<std::string_view> loaded = std::nullopt);
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    // Nothing is called after this. On the thread that runs the context, or when none runs it; also
    // from within `changed`.
    void stop();

    // Asks by stat() because inotify could not be had.
    [[nodiscard]] bool polls() const noexcept;
    // How often the content was read to compare it.
    [[nodiscard]] uint64_t comparisons() const noexcept;

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
