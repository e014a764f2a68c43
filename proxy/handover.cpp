#include "proxy/handover.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "proxy/endpoint.h"
#include "proxy/handover_messages.h"
#include "proxy/runtime.h"
#include "sniff/escape.h"

namespace telltale::proxy {

namespace {

using Clock = std::chrono::steady_clock;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

constexpr std::chrono::milliseconds stall_max_default{10'000};
// accept() fails at once again while file descriptors are short.
constexpr std::chrono::milliseconds accept_pause{200};
// Successors come one at a time, mostly once.
constexpr int backlog = 8;

// ---- one message with its descriptors

struct Packet {
    ssize_t size = 0;  // as recvmsg() says: 0 for the end, -1 with errno
    int flags = 0;
    std::string text;
    std::vector<UniqueFd> fds;
};

using Control = std::array<char, CMSG_SPACE(sizeof(int) * handover::sockets_per_message_max)>;

std::vector<UniqueFd> descriptors_of(msghdr& header) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

Packet receive(int socket) {
    Packet packet;
    // One byte more, so that a message that is too long shows.
    packet.text.resize(handover::message_bytes_max + 1);
    iovec part{packet.text.data(), packet.text.size()};
    alignas(cmsghdr) Control control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    do {
        packet.size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (packet.size < 0 && errno == EINTR);
    const int error = errno;
    packet.text.resize(packet.size > 0 ? static_cast<size_t>(packet.size) : 0);
    if (packet.size >= 0) packet.fds = descriptors_of(header);
    packet.flags = header.msg_flags;
    errno = error;
    return packet;
}

// 0, or errno.
int send(int socket, std::string_view text, const std::vector<HandedSocket>& with = {}) {
    std::string bytes(text);
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) Control control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!with.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(sizeof(int) * with.size());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * with.size());
        for (size_t i = 0; i < with.size(); ++i) {
            const int fd = with[i].fd.get();
            std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    return ::sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? errno : 0;
}

// ---- both sides

std::string error_text(int error) {
    return std::strerror(error);
}

[[noreturn]] void refuse(const config::Address& path, const std::string& what) {
    throw StartError("the hand-over socket " + path.text() + " can't be used: " + what);
}

Endpoint endpoint_of(const config::Address& path) {
    if (!path.is_unix()) refuse(path, "it is no Unix socket");
    // Names of the abstract namespace can't be renamed.
    if (path.unix_path[0] == '@') refuse(path, "it needs a path, not an abstract name");
    if (path.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
        refuse(path, "the path is longer than a Unix socket's may be (107 bytes)");
    }
    return *numeric_endpoint(path);
}

UniqueFd open_socket(int flags) {
    return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
}

std::optional<ucred> peer_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
    return peer;
}

bool listens(int fd) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

// ---- the successor

// The blocking conversation with the predecessor; throws StartError.
class Asking final {
   public:
    Asking(const config::Address& path, std::chrono::milliseconds patience)
        : path_(path),
          patience_(patience),
          until_(Clock::now() + patience),
          socket_(open_socket(0)) {
        if (!socket_.is_open()) fail("a socket can't be made: " + error_text(errno));
    }

    // False: nobody is there.
    bool connect();
    void check_peer();
    std::vector<HandedSocket> sockets();
    UniqueFd take_connection() { return std::move(socket_); }

   private:
    [[noreturn]] void fail(const std::string& what) const;
    [[noreturn]] void fail_by(int error, const std::string& doing) const;
    void set_limit(int option) const;
    handover::Sockets receive_sockets(std::vector<UniqueFd>& fds);

    const config::Address& path_;
    const std::chrono::milliseconds patience_;
    const Clock::time_point until_;
    UniqueFd socket_;
};

void Asking::fail(const std::string& what) const {
    throw StartError("can't take over from the process at " + path_.text() + ": " + what +
                     "; end that process first, or start without handover");
}

void Asking::fail_by(int error, const std::string& doing) const {
    if (error != EAGAIN) fail(doing + " failed: " + error_text(error));
    const std::chrono::duration<double> seconds = patience_;
    fail(fmt::format("it did not answer within {:g} s", seconds.count()));
}

// What is left of the patience, for the next call that blocks (SO_RCVTIMEO, SO_SNDTIMEO; the latter
// also for connect(), unix(7)). Zero would be for ever.
void Asking::set_limit(int option) const {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until_ - Clock::now());
    if (left.count() <= 0) fail_by(EAGAIN, "");
    const timeval limit{static_cast<time_t>(left.count() / 1'000'000),
                        static_cast<suseconds_t>(left.count() % 1'000'000)};
    if (::setsockopt(socket_.get(), SOL_SOCKET, option, &limit, sizeof limit) != 0) {
        fail_by(errno, "setting a time limit");
    }
}

bool Asking::connect() {
    const Endpoint endpoint = endpoint_of(path_);
    set_limit(SO_SNDTIMEO);
    const auto size = static_cast<socklen_t>(endpoint.size());
    if (::connect(socket_.get(), endpoint.data(), size) == 0) return true;
    if (errno == ENOENT || errno == ECONNREFUSED) return false;
    if (errno == EPROTOTYPE) fail("what listens there is no hand-over socket");
    fail_by(errno, "connecting");
}

// Whoever can put a socket at the path could hand over sockets of his own.
void Asking::check_peer() {
    const auto peer = peer_of(socket_.get());
    const uid_t own = ::geteuid();
    if (peer && (peer->uid == own || peer->uid == 0 || own == 0)) return;
    fail("it runs as another user");
}

handover::Sockets Asking::receive_sockets(std::vector<UniqueFd>& fds) {
    set_limit(SO_RCVTIMEO);
    Packet packet = receive(socket_.get());
    if (packet.size < 0) fail_by(errno, "receiving its sockets");
    if (packet.size == 0) fail("it hung up before it had handed over its sockets");
    auto message = handover::decode(packet.text);
    if (const auto* refused = std::get_if<handover::Refused>(&message)) {
        fail("it refuses: " + refused->reason);
    }
    if (const auto* nonsense = std::get_if<handover::Nonsense>(&message)) fail(nonsense->what);
    auto* sockets = std::get_if<handover::Sockets>(&message);
    if (sockets == nullptr) fail("it does not answer with its sockets");
    if (packet.fds.size() != sockets->names.size()) {
        fail(
            fmt::format("{} of {} descriptors arrived; the limit of open files (ulimit -n) may be "
                        "too low",
                        packet.fds.size(), sockets->names.size()));
    }
    fds = std::move(packet.fds);
    return std::move(*sockets);
}

std::vector<HandedSocket> Asking::sockets() {
    set_limit(SO_SNDTIMEO);
    const int error = send(socket_.get(), handover::encode_ask());
    if (error != 0) fail_by(error, "asking for its sockets");
    std::vector<HandedSocket> sockets;
    std::optional<size_t> total;
    while (!total || sockets.size() < *total) {
        std::vector<UniqueFd> fds;
        handover::Sockets told = receive_sockets(fds);
        if (total.value_or(told.total) != told.total || sockets.size() + fds.size() > told.total) {
            fail("it announced another number of sockets than it sent");
        }
        total = told.total;
        for (size_t i = 0; i < fds.size(); ++i) {
            if (!listens(fds[i].get())) fail("a descriptor that it sent is no listening socket");
            sockets.push_back({std::move(told.names[i].kind), std::move(told.names[i].address),
                               std::move(fds[i])});
        }
    }
    return sockets;
}

}  // namespace

std::optional<Takeover> Takeover::ask(const config::Address& path,
                                      std::chrono::milliseconds patience) {
    Asking asking(path, patience);
    if (!asking.connect()) return std::nullopt;
    asking.check_peer();
    auto sockets = asking.sockets();
    return Takeover(asking.take_connection(), std::move(sockets));
}

Takeover::Takeover(UniqueFd connection, std::vector<HandedSocket> sockets) noexcept
    : connection_(std::move(connection)), sockets_(std::move(sockets)) {}

void Takeover::complete() noexcept {
    const int error = send(connection_.get(), handover::encode_complete());
    connection_.reset();
    if (error == 0) return;
    spdlog::warn(
        "the predecessor could not be told that this process accepts now: {}; if it still runs, "
        "both accept, and it must be ended",
        std::strerror(error));
}

// ---- the predecessor

namespace {

// A listening socket and the file that leads to it, which a successor may replace.
class ListeningPath final {
   public:
    explicit ListeningPath(const config::Address& path);
    ~ListeningPath() { remove(); }
    ListeningPath(const ListeningPath&) = delete;
    ListeningPath& operator=(const ListeningPath&) = delete;

    [[nodiscard]] UniqueFd take_socket() noexcept { return std::move(socket_); }
    // Before the socket is closed: until then its inode's number goes to no other file.
    void remove() noexcept;

   private:
    // Bound under another name first: rename() takes the place of what is there in one step.
    void bind_at(const config::Address& path, const std::string& name);

    std::string path_;
    UniqueFd socket_;
    struct stat status_ {};  // of the file as bound
};

ListeningPath::ListeningPath(const config::Address& path) : path_(path.unix_path) {
    static_cast<void>(endpoint_of(path));
    struct stat there {};
    if (::lstat(path_.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode)) {
        refuse(path, "there is a file that is no socket");
    }
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path_.substr(0, slash + 1);
    const std::string name = folder + ".th." + std::to_string(::getpid());
    ::unlink(name.c_str());  // of a process that died with this number
    try {
        bind_at(path, name);
    } catch (...) {
        ::unlink(name.c_str());
        throw;
    }
}

void ListeningPath::bind_at(const config::Address& path, const std::string& name) {
    socket_ = open_socket(SOCK_NONBLOCK);
    if (!socket_.is_open()) refuse(path, "a socket can't be made: " + error_text(errno));
    const Endpoint endpoint = endpoint_of({.host = {}, .port = 0, .unix_path = name});
    const auto size = static_cast<socklen_t>(endpoint.size());
    if (::bind(socket_.get(), endpoint.data(), size) != 0) refuse(path, error_text(errno));
    // Nobody can connect before listen(): the mode is there in time.
    if (::chmod(name.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket_.get(), backlog) != 0 ||
        ::lstat(name.c_str(), &status_) != 0 || ::rename(name.c_str(), path_.c_str()) != 0) {
        refuse(path, error_text(errno));
    }
}

void ListeningPath::remove() noexcept {
    struct stat now {};
    if (::lstat(path_.c_str(), &now) == 0 && now.st_dev == status_.st_dev &&
        now.st_ino == status_.st_ino) {
        ::unlink(path_.c_str());
    }
    path_.clear();
}

struct Outgoing {
    std::string text;
    std::vector<HandedSocket> sockets;
};

std::deque<Outgoing> messages_with(std::vector<HandedSocket> sockets) {
    std::erase_if(sockets, [](const HandedSocket& socket) {
        if (socket.fd.is_open() && handover::can_be_told({socket.kind, socket.address})) {
            return false;
        }
        spdlog::warn("{} {} can't be handed over", socket.kind,
                     sniff::quote_wire(socket.address, handover::address_bytes_max));
        return true;
    });
    if (sockets.size() > handover::sockets_max) {
        spdlog::warn("only {} of {} sockets can be handed over", handover::sockets_max,
                     sockets.size());
        sockets.resize(handover::sockets_max);
    }
    std::vector<handover::Name> names;
    names.reserve(sockets.size());
    for (const auto& socket : sockets) names.push_back({socket.kind, socket.address});
    std::deque<Outgoing> messages;
    auto next = sockets.begin();
    for (const auto& part : handover::split(names)) {
        messages.push_back({handover::encode(part), {}});
        for (size_t i = 0; i < part.names.size(); ++i, ++next) {
            messages.back().sockets.push_back(std::move(*next));
        }
    }
    return messages;
}

}  // namespace

struct HandoverServer::Impl : std::enable_shared_from_this<Impl> {
    class Successor;

    Impl(asio::io_context& context, const config::Address& address,
         std::function<std::vector<HandedSocket>()> sockets, std::function<void()> then,
         std::chrono::milliseconds stall)
        : duplicates(std::move(sockets)),
          taken_over(std::move(then)),
          stall_max(stall),
          path(address),
          listening(context, path.take_socket().release()),
          pause(context) {}

    void accept();
    void on_ready();
    void ended();
    void complete();
    void stop();

    const std::function<std::vector<HandedSocket>()> duplicates;
    const std::function<void()> taken_over;
    const std::chrono::milliseconds stall_max;
    ListeningPath path;
    Descriptor listening;
    asio::steady_timer pause;
    std::shared_ptr<Successor> successor;
    bool stopped = false;
};

// One conversation: ask, the sockets, complete. Ends by itself, or by end().
class HandoverServer::Impl::Successor final : public std::enable_shared_from_this<Successor> {
   public:
    Successor(std::shared_ptr<Impl> server, UniqueFd socket)
        : server_(std::move(server)),
          socket_(server_->listening.get_executor(), socket.release()),
          stall_(server_->listening.get_executor()) {}

    void begin();
    void end();

   private:
    enum class State : uint8_t { asked_for, sending, handed, over };

    void wait(asio::posix::descriptor_base::wait_type what);
    void on_ready();
    void read();
    void heard(const handover::Message& message);
    void hand_over();
    void send_on();
    void refuse(const std::string& reason);
    void give_up(const std::string& why);
    void on_stall();
    [[nodiscard]] std::string who() const;

    std::shared_ptr<Impl> server_;
    Descriptor socket_;
    asio::steady_timer stall_;
    std::deque<Outgoing> outgoing_;
    size_t handed_ = 0;
    std::optional<ucred> peer_;
    State state_ = State::asked_for;
};

std::string HandoverServer::Impl::Successor::who() const {
    if (!peer_) return "the successor";
    return fmt::format("the successor (process {}, user {})", peer_->pid, peer_->uid);
}

void HandoverServer::Impl::Successor::begin() {
    peer_ = peer_of(socket_.native_handle());
    wait(asio::posix::descriptor_base::wait_read);
}

void HandoverServer::Impl::Successor::wait(asio::posix::descriptor_base::wait_type what) {
    stall_.expires_after(server_->stall_max);
    stall_.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (!error && self->state_ != State::over) self->on_stall();
    });
    socket_.async_wait(what, [self = shared_from_this()](const ErrorCode& error) {
        if (!error && self->state_ != State::over) self->on_ready();
    });
}

void HandoverServer::Impl::Successor::on_ready() {
    if (state_ == State::sending) return send_on();
    read();
}

void HandoverServer::Impl::Successor::read() {
    const Packet packet = receive(socket_.native_handle());
    if (packet.size < 0 && errno == EAGAIN) return wait(asio::posix::descriptor_base::wait_read);
    if (packet.size < 0) return give_up(error_text(errno));
    if (packet.size == 0) return give_up("it went away before it accepted");
    heard(handover::decode(packet.text));
}

void HandoverServer::Impl::Successor::heard(const handover::Message& message) {
    if (state_ == State::asked_for && std::holds_alternative<handover::Ask>(message)) {
        if (peer_ && (peer_->uid == ::geteuid() || peer_->uid == 0)) return hand_over();
        return refuse(fmt::format("only user {} and root may take over", ::geteuid()));
    }
    if (state_ == State::handed && std::holds_alternative<handover::Complete>(message)) {
        spdlog::info("{} accepts now", who());
        const auto server = server_;
        end();
        return server->complete();
    }
    const auto* nonsense = std::get_if<handover::Nonsense>(&message);
    refuse(nonsense != nullptr ? nonsense->what : "it said that out of turn");
}

void HandoverServer::Impl::Successor::hand_over() {
    state_ = State::sending;
    auto sockets = server_->duplicates();
    handed_ = sockets.size();
    outgoing_ = messages_with(std::move(sockets));
    send_on();
}

void HandoverServer::Impl::Successor::send_on() {
    while (!outgoing_.empty()) {
        const int error =
            send(socket_.native_handle(), outgoing_.front().text, outgoing_.front().sockets);
        if (error == EAGAIN) return wait(asio::posix::descriptor_base::wait_write);
        if (error != 0) return give_up(error_text(error));
        outgoing_.pop_front();
    }
    spdlog::info("handed {} listening sockets to {}", handed_, who());
    state_ = State::handed;
    wait(asio::posix::descriptor_base::wait_read);
}

void HandoverServer::Impl::Successor::refuse(const std::string& reason) {
    // Told as far as it listens.
    static_cast<void>(send(socket_.native_handle(), handover::encode_refused(reason)));
    give_up("refused: " + reason);
}

void HandoverServer::Impl::Successor::give_up(const std::string& why) {
    spdlog::warn("{} does not take over: {}; this process goes on", who(), why);
    end();
}

// What it has said meanwhile counts: its word may have come just in time.
void HandoverServer::Impl::Successor::on_stall() {
    if (state_ == State::handed) {
        const Packet packet = receive(socket_.native_handle());
        if (packet.size > 0) return heard(handover::decode(packet.text));
    }
    give_up(fmt::format(
        "it did nothing for {:g} s",
        std::chrono::duration_cast<std::chrono::duration<double>>(server_->stall_max).count()));
}

void HandoverServer::Impl::Successor::end() {
    if (state_ == State::over) return;
    state_ = State::over;
    ErrorCode ignored;  // the descriptor is gone either way
    socket_.close(ignored);
    stall_.cancel();
    outgoing_.clear();
    server_->ended();
}

void HandoverServer::Impl::accept() {
    if (stopped || successor) return;
    listening.async_wait(asio::posix::descriptor_base::wait_read,
                         [self = shared_from_this()](const ErrorCode& error) {
                             if (!error && !self->stopped) self->on_ready();
                         });
}

void HandoverServer::Impl::on_ready() {
    UniqueFd socket(
        ::accept4(listening.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.is_open()) {
        successor = std::make_shared<Successor>(shared_from_this(), std::move(socket));
        const auto begun = successor;  // it may end at once
        return begun->begin();
    }
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return accept();
    pause.expires_after(accept_pause);
    pause.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
        if (!cancelled) self->accept();
    });
}

void HandoverServer::Impl::ended() {
    successor.reset();
    accept();
}

void HandoverServer::Impl::complete() {
    if (stopped) return;
    stop();
    taken_over();
}

void HandoverServer::Impl::stop() {
    if (stopped) return;
    stopped = true;
    path.remove();
    ErrorCode ignored;  // the descriptor is gone either way
    listening.close(ignored);
    pause.cancel();
    if (const auto open = successor) open->end();
}

HandoverServer::HandoverServer(asio::io_context& context, const config::Address& path,
                               std::function<std::vector<HandedSocket>()> duplicates,
                               std::function<void()> taken_over,
                               std::chrono::milliseconds stall_max)
    : impl_(std::make_shared<Impl>(context, path, std::move(duplicates), std::move(taken_over),
                                   stall_max)) {
    impl_->accept();
}

HandoverServer::HandoverServer(asio::io_context& context, const config::Address& path,
                               std::function<std::vector<HandedSocket>()> duplicates,
                               std::function<void()> taken_over)
    : HandoverServer(context, path, std::move(duplicates), std::move(taken_over),
                     stall_max_default) {}

HandoverServer::~HandoverServer() {
    stop();
}

void HandoverServer::stop() {
    impl_->stop();
}

}  // namespace telltale::proxy
