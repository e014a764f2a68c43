// Listening sockets from a process to its successor, so that a restart refuses no connection: the
// successor gets duplicates over a Unix socket (SCM_RIGHTS, unix(7)) and accepts from the same
// queues; what waits in them is not lost when the predecessor closes its own descriptors.
//
// On the wire, SOCK_SEQPACKET, every message text that begins with the line "telltale-handover 1":
//   successor    ask
//   predecessor  sockets N of TOTAL, then N lines "KIND ADDRESS", with N descriptors in the same
//                order; further such messages until TOTAL are sent, one message when TOTAL is 0
//   successor    complete
// or, from the predecessor, "refused REASON" and the end. Whoever goes away before complete has
// changed nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
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
    // Tells the predecessor that this process accepts now. Does not fail: a predecessor that has
    // gone meanwhile has nothing to be told. Only after it, make this process's own
    // HandoverServer.
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

// ---- the messages, without sockets

namespace handover {

inline constexpr size_t message_bytes_max = 32768;
inline constexpr size_t sockets_per_message_max = 253;  // SCM_MAX_FD
inline constexpr size_t sockets_max = 4096;             // of one process
inline constexpr size_t address_bytes_max = 512;

struct Name {  // of one socket
    std::string kind, address;
    friend bool operator==(const Name&, const Name&) = default;
};
struct Ask {};
struct Sockets {
    std::vector<Name> names;  // one for each descriptor of the message
    size_t total = 0;
};
struct Complete {};
struct Refused {
    std::string reason;  // from the peer: printable, bounded
};
struct Nonsense {
    std::string what;  // "it speaks version 2 of the hand-over, this one 1"
};
using Message = std::variant<Ask, Sockets, Complete, Refused, Nonsense>;

[[nodiscard]] std::string encode_ask();
[[nodiscard]] std::string encode_complete();
[[nodiscard]] std::string encode_refused(std::string_view reason);
// As many messages as the limits want, at least one. names: at most sockets_max, each with a kind
// and an address without spaces and line ends; the address at most address_bytes_max.
[[nodiscard]] std::vector<Sockets> split(const std::vector<Name>& names);
[[nodiscard]] std::string encode(const Sockets& sockets);
// Any bytes.
[[nodiscard]] Message decode(std::string_view message);

}  // namespace handover

}  // namespace telltale::proxy
