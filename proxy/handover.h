// Listening sockets from a process to its successor, so that a restart refuses no connection: the
// successor gets duplicates over a Unix socket (SCM_RIGHTS, unix(7)) and accepts from the same
// queues; what waits in them is not lost when the predecessor closes its own descriptors.
//
// What is said: handover_messages.h. Whoever goes away before "complete" has changed nothing.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/net.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

struct HandedSocket {
    std::string kind;     // "listener" or "admin"
    std::string address;  // as configured, config::Address::text()
    UniqueFd fd;
};

// ---- the successor

// Blocks, so before any thread and any io_context. Not thread safe.
class Takeover final {
   public:
    // nullopt: nobody is there to take over from. Throws StartError with one clear sentence when
    // somebody is there and does not hand over as agreed, or not within `patience` (for the whole
    // conversation). path: a Unix socket.
    [[nodiscard]] static std::optional<Takeover> ask(const config::Address& path,
                                                     std::chrono::milliseconds patience);
    Takeover(Takeover&&) noexcept = default;
    Takeover& operator=(Takeover&&) noexcept = default;
    Takeover(const Takeover&) = delete;
    Takeover& operator=(const Takeover&) = delete;
    // Before complete(): the predecessor goes on as if nothing had happened.
    ~Takeover() = default;

    // Listening sockets, each close-on-exec. Take out what is used; the rest is closed with this.
    [[nodiscard]] std::vector<HandedSocket>& sockets() noexcept { return sockets_; }
    // Tells the predecessor that this process accepts now. Make this process's own HandoverServer
    // just before: if that fails, nothing has changed yet. A predecessor that does not listen any
    // more can't be told: one that ended has no need to be; one that gave up waiting goes on
    // beside this process, and a warning says so.
    void complete() noexcept;

   private:
    Takeover(UniqueFd connection, std::vector<HandedSocket> sockets) noexcept;

    UniqueFd connection_;
    std::vector<HandedSocket> sockets_;
};

// ---- the predecessor

// Serves one successor at a time on the context's thread; another waits in the backlog. A successor
// must have the same user id, or root's (SO_PEERCRED), and is dropped when it stalls for 10 s.
class HandoverServer final {
   public:
    // Listens with mode 0600, at once and atomically in place of whatever the path was: a stale
    // socket, or that of the predecessor. Throws StartError with one clear sentence when it can't.
    // duplicates: the listening sockets, dup()ed for each successor that asks.
    // taken_over: the successor accepts now; called once, after this has stopped listening.
    HandoverServer(asio::io_context& context, const config::Address& path,
                   std::function<std::vector<HandedSocket>()> duplicates,
                   std::function<void()> taken_over);
    HandoverServer(asio::io_context& context, const config::Address& path,
                   std::function<std::vector<HandedSocket>()> duplicates,
                   std::function<void()> taken_over, std::chrono::milliseconds stall_max);
    ~HandoverServer();
    HandoverServer(const HandoverServer&) = delete;
    HandoverServer& operator=(const HandoverServer&) = delete;

    // Removes the path, unless a successor has put its own there. On the thread that runs the
    // context, or when none runs it.
    void stop();

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
