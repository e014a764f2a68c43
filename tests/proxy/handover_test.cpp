#include "proxy/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <optional>
#include <thread>

#include "proxy/endpoint.h"
#include "proxy/handover_messages.h"
#include "proxy/options.h"
#include "proxy/runtime.h"
#include "tests/support/ipv6.h"
#include "tests/support/sockets.h"

namespace telltale::proxy {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds patience{20'000};
constexpr milliseconds soon{50};

UniqueFd duplicate(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

// A listening socket of either family, as an acceptor has it.
UniqueFd listening_socket(const config::Address& address) {
    const auto endpoint = *numeric_endpoint(address);
    UniqueFd fd(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())), 0);
    EXPECT_EQ(::listen(fd.get(), 64), 0);
    return fd;
}

std::string bound_address(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    return to_text(Endpoint(&storage, size));
}

test::Connection accept_from(int fd) {
    pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&item, 1, static_cast<int>(patience.count())), 1);
    return test::Connection(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
}

std::string error_of(const config::Address& path, milliseconds limit = patience) {
    try {
        const auto takeover = Takeover::ask(path, limit);
        return takeover ? "taken over" : "nobody there";
    } catch (const StartError& error) {
        return error.what();
    }
}

size_t open_descriptors() {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

class HandoverTest : public testing::Test {
   protected:
    HandoverTest() {
        std::string pattern = fs::temp_directory_path() / "telltale-handover-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        path.unix_path = folder / "handover.sock";
    }
    ~HandoverTest() override { fs::remove_all(folder); }

    // The folder has this path and nothing else: no temporary name stays.
    void expect_only(const std::string& name) {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder)) {
            names.push_back(entry.path().filename());
        }
        EXPECT_EQ(names, name.empty() ? std::vector<std::string>{} : std::vector{name});
    }

    fs::path folder;
    config::Address path;
};

// A predecessor with its sockets, on its own thread.
class Predecessor final {
   public:
    explicit Predecessor(config::Address path, milliseconds stall_max = patience)
        : path_(std::move(path)), work_(context_.get_executor()) {
        server_.emplace(
            context_, path_, [this] { return duplicates(); },
            [this] {
                if (++taken_over == 1) over_.set_value();
            },
            stall_max);
        thread_ = std::thread([this] { context_.run(); });
    }
    ~Predecessor() {
        asio::post(context_, [this] { server_.reset(); });
        work_.reset();
        thread_.join();
    }
    Predecessor(const Predecessor&) = delete;
    Predecessor& operator=(const Predecessor&) = delete;

    void wait_until_taken_over() { over_.get_future().get(); }
    // What is posted runs after what came before.
    void settle() {
        std::promise<void> done;
        asio::post(context_, [&done] { done.set_value(); });
        done.get_future().get();
    }

    struct Own {
        std::string kind, address;
        UniqueFd fd;
    };
    std::vector<Own> sockets;
    std::atomic<int> asked = 0;
    std::atomic<int> taken_over = 0;

   private:
    std::vector<HandedSocket> duplicates() {
        ++asked;
        std::vector<HandedSocket> copies;
        for (const Own& own : sockets) {
            copies.push_back({own.kind, own.address, duplicate(own.fd.get())});
        }
        return copies;
    }

    config::Address path_;
    asio::io_context context_{1};
    asio::executor_work_guard<Executor> work_;
    std::optional<HandoverServer> server_;
    std::promise<void> over_;
    std::thread thread_;
};

// Somebody who listens at the path and says what a test wants.
class Impostor final {
   public:
    explicit Impostor(const config::Address& path, int type = SOCK_SEQPACKET)
        : fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
        const auto endpoint = *numeric_endpoint(path);
        EXPECT_EQ(::bind(fd_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())), 0);
        EXPECT_EQ(::listen(fd_.get(), 1), 0);
    }
    ~Impostor() {
        if (thread_.joinable()) thread_.join();
    }
    Impostor(const Impostor&) = delete;
    Impostor& operator=(const Impostor&) = delete;

    // Takes one question, says these, and hangs up.
    void say(std::vector<std::string> messages, int fds = 0) {
        thread_ = std::thread([this, messages = std::move(messages), fds] {
            const UniqueFd peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            std::array<char, 100> question{};
            EXPECT_GT(::recv(peer.get(), question.data(), question.size(), 0), 0);
            for (const auto& message : messages) send(peer.get(), message, fds);
        });
    }

   private:
    // The descriptors are those of standard input: no listening socket.
    static void send(int socket, const std::string& message, int fds) {
        std::string bytes = message;
        iovec part{bytes.data(), bytes.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        const auto count = static_cast<size_t>(fds);
        if (fds > 0) {
            header.msg_control = control.data();
            header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
            cmsghdr* rights = CMSG_FIRSTHDR(&header);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
            std::memset(CMSG_DATA(rights), 0, sizeof(int) * count);
        }
        EXPECT_GE(::sendmsg(socket, &header, MSG_NOSIGNAL), 0);
    }

    UniqueFd fd_;
    std::thread thread_;
};

// A successor that says what a test wants.
class Stranger final {
   public:
    explicit Stranger(const config::Address& path)
        : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
        const auto endpoint = *numeric_endpoint(path);
        EXPECT_EQ(::connect(fd_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())),
                  0);
    }
    void say(std::string_view bytes) const {
        EXPECT_GE(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    }
    // The next message, "" for the end.
    [[nodiscard]] std::string hear() const {
        pollfd item{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        EXPECT_EQ(::poll(&item, 1, static_cast<int>(patience.count())), 1);
        std::string bytes(40'000, '\0');
        const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
        bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
        return bytes;
    }

   private:
    UniqueFd fd_;
};

// ---- what it is for

TEST_F(HandoverTest, hands_over_listening_sockets_with_their_names) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    Predecessor old(path);
    old.sockets.push_back(
        {"listener", "127.0.0.1:0", listening_socket({.host = "127.0.0.1", .port = 0})});
    old.sockets.push_back({"admin", "[::1]:0", listening_socket({.host = "::1", .port = 0})});
    old.sockets.push_back(
        {"listener", "unix:/a b", listening_socket({{}, 0, folder / "listener.sock"})});
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    ASSERT_EQ(takeover->sockets().size(), 3U);
    for (size_t i = 0; i < 3; ++i) {
        const HandedSocket& handed = takeover->sockets()[i];
        EXPECT_EQ(handed.kind, old.sockets[i].kind);
        EXPECT_EQ(handed.address, old.sockets[i].address);
        EXPECT_EQ(bound_address(handed.fd.get()), bound_address(old.sockets[i].fd.get()));
        EXPECT_EQ(::fcntl(handed.fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    EXPECT_EQ(old.taken_over, 0);
    takeover->complete();
    old.wait_until_taken_over();
    EXPECT_EQ(old.taken_over, 1);
}

TEST_F(HandoverTest, loses_no_connection_that_waits_in_the_backlog) {
    auto old = std::make_unique<Predecessor>(path);
    old->sockets.push_back(
        {"listener", "127.0.0.1:0", listening_socket({.host = "127.0.0.1", .port = 0})});
    const std::string address = bound_address(old->sockets[0].fd.get());
    auto before = test::connect_to(address);
    before.send("before");
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    auto between = test::connect_to(address);
    between.send("between");
    const UniqueFd fd = std::move(takeover->sockets().at(0).fd);
    takeover->complete();
    old->wait_until_taken_over();
    old.reset();  // and with it its own descriptor
    auto after = test::connect_to(address);
    after.send("after");
    for (const std::string said : {"before", "between", "after"}) {
        auto accepted = accept_from(fd.get());
        EXPECT_EQ(accepted.receive(said.size()).bytes, said);
        accepted.send("heard " + said);
    }
    EXPECT_EQ(before.receive_to_end().bytes, "heard before");
    EXPECT_EQ(after.receive_to_end().bytes, "heard after");
}

TEST_F(HandoverTest, goes_on_to_a_third_process) {
    auto first = std::make_unique<Predecessor>(path);
    first->sockets.push_back(
        {"listener", "127.0.0.1:0", listening_socket({.host = "127.0.0.1", .port = 0})});
    const std::string address = bound_address(first->sockets[0].fd.get());
    auto client = test::connect_to(address);
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    Predecessor second(path);  // takes the path while the first lives
    takeover->complete();
    first->wait_until_taken_over();
    second.sockets.push_back({"listener", "127.0.0.1:0", std::move(takeover->sockets()[0].fd)});
    first.reset();
    EXPECT_TRUE(fs::exists(path.unix_path));
    auto again = Takeover::ask(path, patience);
    ASSERT_TRUE(again);
    ASSERT_EQ(again->sockets().size(), 1U);
    EXPECT_EQ(bound_address(again->sockets()[0].fd.get()), address);
    auto accepted = accept_from(again->sockets()[0].fd.get());
    client.send("x");
    EXPECT_EQ(accepted.receive(1).bytes, "x");
}

TEST_F(HandoverTest, needs_several_messages_for_many_sockets) {
    if (raise_file_limit() < 2000) GTEST_SKIP() << "too few descriptors for this";
    Predecessor old(path);
    const UniqueFd socket = listening_socket({.host = "127.0.0.1", .port = 0});
    const std::string long_name(300, 'x');
    for (int i = 0; i < 600; ++i) {
        old.sockets.push_back({"listener", long_name + std::to_string(i), duplicate(socket.get())});
    }
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    ASSERT_EQ(takeover->sockets().size(), 600U);
    for (int i = 0; i < 600; ++i) {
        EXPECT_EQ(takeover->sockets()[static_cast<size_t>(i)].address,
                  long_name + std::to_string(i));
    }
    takeover->complete();
    old.wait_until_taken_over();
}

TEST_F(HandoverTest, hands_over_nothing_when_there_is_nothing) {
    Predecessor old(path);
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    EXPECT_TRUE(takeover->sockets().empty());
    takeover->complete();
    old.wait_until_taken_over();
}

TEST_F(HandoverTest, leaves_out_what_can_not_be_told) {
    Predecessor old(path);
    const UniqueFd socket = listening_socket({.host = "127.0.0.1", .port = 0});
    old.sockets.push_back({"listener", "unix:/a\nb", duplicate(socket.get())});
    old.sockets.push_back({"listener", "closed", UniqueFd()});
    old.sockets.push_back({"listener", "good", duplicate(socket.get())});
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    ASSERT_EQ(takeover->sockets().size(), 1U);
    EXPECT_EQ(takeover->sockets()[0].address, "good");
}

// ---- the successor

TEST_F(HandoverTest, has_no_predecessor_without_a_path_or_behind_a_stale_one) {
    EXPECT_EQ(error_of(path), "nobody there");
    { const Impostor gone(path); }
    ASSERT_TRUE(fs::exists(path.unix_path));
    EXPECT_EQ(error_of(path), "nobody there");
    fs::remove(path.unix_path);
    std::ofstream(path.unix_path) << "a file";
    EXPECT_EQ(error_of(path), "nobody there");
}

TEST_F(HandoverTest, gives_up_a_predecessor_that_hangs) {
    const Impostor silent(path);
    const std::string error = error_of(path, soon);
    EXPECT_NE(error.find("did not answer within 0.05 s"), std::string::npos) << error;
    EXPECT_NE(error.find(path.text()), std::string::npos) << error;
    EXPECT_NE(error.find("end that process first"), std::string::npos) << error;
    error_of(path, soon);
    // Now its backlog is full, and connect() hangs.
    EXPECT_NE(error_of(path, soon).find("did not answer"), std::string::npos);
}

TEST_F(HandoverTest, says_what_an_impostor_did_wrong) {
    const std::string head = "telltale-handover 1\n";
    struct Row {
        std::vector<std::string> messages;
        int fds;
        std::string says;
    };
    const std::vector<Row> rows = {
        {{}, 0, "it hung up before it had handed over its sockets"},
        {{"HTTP/1.1 400 Bad Request\r\n"}, 0, "it said \"HTTP/1.1 400 Bad Request\\r\\n\""},
        {{"telltale-handover 2\nsockets 0 of 0\n"}, 0, "it speaks version 2 of the hand-over"},
        {{head + "refused for a reason\n"}, 0, "it refuses: for a reason"},
        {{head + "ask\n"}, 0, "it does not answer with its sockets"},
        {{head + "sockets 1 of 1\nlistener :80\n"}, 0, "0 of 1 descriptors arrived"},
        {{head + "sockets 1 of 1\nlistener :80\n"}, 2, "2 of 1 descriptors arrived"},
        {{head + "sockets 1 of 1\nlistener :80\n"}, 1, "is no listening socket"},
        {{std::string(60'000, 'a')}, 0, "its message is too long"},
    };
    const size_t before = open_descriptors();
    for (const Row& row : rows) {
        {
            Impostor impostor(path);
            impostor.say(row.messages, row.fds);
            const std::string error = error_of(path);
            EXPECT_NE(error.find(row.says), std::string::npos) << error;
            EXPECT_EQ(error.find('\n'), std::string::npos) << error;
        }
        fs::remove(path.unix_path);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(HandoverTest, takes_no_other_kind_of_socket_for_a_predecessor) {
    const Impostor stream(path, SOCK_STREAM);
    EXPECT_NE(error_of(path).find("what listens there is no hand-over socket"), std::string::npos);
}

TEST_F(HandoverTest, wants_a_path_that_fits) {
    for (const std::string& unfit : {std::string(108, 'a'), std::string("@abstract")}) {
        const std::string error = error_of({{}, 0, unfit});
        EXPECT_NE(error.find("can't be used"), std::string::npos) << error;
    }
    EXPECT_NE(error_of({"127.0.0.1", 80, {}}).find("no Unix socket"), std::string::npos);
}

TEST_F(HandoverTest, survives_a_predecessor_that_ends_before_it_is_told) {
    std::optional<Takeover> takeover;
    {
        Predecessor old(path);
        takeover = Takeover::ask(path, patience);
        ASSERT_TRUE(takeover);
    }
    takeover->complete();
}

// ---- the predecessor

TEST_F(HandoverTest, changes_nothing_when_the_successor_gives_up) {
    Predecessor old(path);
    old.sockets.push_back(
        {"listener", "127.0.0.1:0", listening_socket({.host = "127.0.0.1", .port = 0})});
    for (int i = 0; i < 3; ++i) {
        auto takeover = Takeover::ask(path, patience);
        ASSERT_TRUE(takeover);
        EXPECT_EQ(takeover->sockets().size(), 1U);
    }
    EXPECT_EQ(old.taken_over, 0);
    EXPECT_TRUE(fs::exists(path.unix_path));
    auto client = test::connect_to(bound_address(old.sockets[0].fd.get()));
    client.send("x");
    EXPECT_EQ(accept_from(old.sockets[0].fd.get()).receive(1).bytes, "x");
}

TEST_F(HandoverTest, drops_a_successor_that_stalls) {
    // Long enough for the words of this test.
    Predecessor old(path, milliseconds(500));
    const Stranger silent(path);
    EXPECT_EQ(silent.hear(), "");
    const Stranger half(path);
    half.say(handover::encode_ask());
    EXPECT_EQ(half.hear(), "telltale-handover 1\nsockets 0 of 0\n");
    EXPECT_EQ(half.hear(), "");
    EXPECT_EQ(old.taken_over, 0);
    auto takeover = Takeover::ask(path, patience);
    EXPECT_TRUE(takeover);
}

TEST_F(HandoverTest, serves_one_successor_at_a_time) {
    Predecessor old(path);
    auto first = std::make_unique<Stranger>(path);
    first->say(handover::encode_ask());
    EXPECT_NE(first->hear(), "");
    const Stranger second(path);
    second.say(handover::encode_ask());
    old.settle();
    EXPECT_EQ(old.asked, 1);
    first.reset();
    EXPECT_EQ(second.hear(), "telltale-handover 1\nsockets 0 of 0\n");
    EXPECT_EQ(old.asked, 2);
    second.say(handover::encode_complete());
    old.wait_until_taken_over();
}

TEST_F(HandoverTest, refuses_nonsense_and_words_out_of_turn) {
    Predecessor old(path);
    for (const std::string& said :
         {handover::encode_complete(), std::string("GET / HTTP/1.1\r\n\r\n"),
          std::string("telltale-handover 9\nask\n"), std::string(60'000, 'a'),
          handover::encode_refused("me?"), handover::encode({{}, 0})}) {
        const Stranger stranger(path);
        stranger.say(said);
        const auto answer = handover::decode(stranger.hear());
        EXPECT_TRUE(std::holds_alternative<handover::Refused>(answer)) << said.substr(0, 40);
        EXPECT_EQ(stranger.hear(), "");
    }
    const Stranger twice(path);
    twice.say(handover::encode_ask());
    EXPECT_NE(twice.hear(), "");
    twice.say(handover::encode_ask());
    EXPECT_TRUE(std::holds_alternative<handover::Refused>(handover::decode(twice.hear())));
    EXPECT_EQ(old.taken_over, 0);
    EXPECT_TRUE(Takeover::ask(path, patience));
}

TEST_F(HandoverTest, refuses_another_user) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    Predecessor old(path);
    // What the mode of the path keeps away already.
    fs::permissions(path.unix_path, fs::perms(0666));
    fs::permissions(folder, fs::perms(0755));
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setuid(65534) != 0) ::_exit(2);
        const std::string error = error_of(path);
        ::_exit(error.find("it refuses: only user 0 and root may take over") != error.npos ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(old.asked, 0);
}

TEST_F(HandoverTest, does_not_ask_a_predecessor_of_another_user) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    const pid_t child = ::fork();
    if (child == 0) {
        // Listens as one user, and is asked by another: SO_PEERCRED is that of listen().
        fs::permissions(folder, fs::perms(0777));
        if (::seteuid(65533) != 0) ::_exit(2);
        Impostor impostor(path);
        fs::permissions(path.unix_path, fs::perms(0666));
        if (::seteuid(0) != 0 || ::setuid(65534) != 0) ::_exit(3);
        const std::string error = error_of(path);
        ::_exit(error.find("it runs as another user") != error.npos ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(HandoverTest, listens_for_its_own_user_only_and_leaves_no_name_behind) {
    {
        const Predecessor old(path);
        struct stat status {};
        ASSERT_EQ(::lstat(path.unix_path.c_str(), &status), 0);
        EXPECT_TRUE(S_ISSOCK(status.st_mode));
        EXPECT_EQ(status.st_mode & 07777, 0600U);
        expect_only("handover.sock");
    }
    expect_only("");
}

TEST_F(HandoverTest, takes_the_place_of_a_stale_path) {
    { const Impostor gone(path); }
    const Predecessor old(path);
    EXPECT_TRUE(Takeover::ask(path, patience));
    expect_only("handover.sock");
}

TEST_F(HandoverTest, leaves_a_path_that_a_successor_has_taken) {
    auto old = std::make_unique<Predecessor>(path);
    const Predecessor successor(path);
    old.reset();
    expect_only("handover.sock");
    EXPECT_TRUE(Takeover::ask(path, patience));
}

TEST_F(HandoverTest, replaces_nothing_but_sockets) {
    std::ofstream(path.unix_path) << "precious";
    try {
        const Predecessor old(path);
        ADD_FAILURE() << "took a file's place";
    } catch (const StartError& error) {
        EXPECT_NE(std::string(error.what()).find("a file that is no socket"), std::string::npos);
    }
    std::string kept;
    std::ifstream(path.unix_path) >> kept;
    EXPECT_EQ(kept, "precious");
    expect_only("handover.sock");
}

TEST_F(HandoverTest, says_why_it_can_not_listen) {
    for (const std::string& unfit : {(folder / "no" / "such" / "folder.sock").string(),
                                     std::string("@abstract"), std::string(200, 'a')}) {
        EXPECT_THROW(const Predecessor old({{}, 0, unfit}), StartError) << unfit;
    }
    expect_only("");
}

TEST_F(HandoverTest, stops_listening_once_it_is_taken_over) {
    Predecessor old(path);
    auto takeover = Takeover::ask(path, patience);
    ASSERT_TRUE(takeover);
    takeover->complete();
    old.wait_until_taken_over();
    EXPECT_EQ(error_of(path), "nobody there");
    EXPECT_EQ(old.taken_over, 1);
    expect_only("");
}

TEST_F(HandoverTest, leaks_no_descriptor) {
    if (raise_file_limit() < 500) GTEST_SKIP() << "too few descriptors for this";
    { const Predecessor warm(path); }
    const size_t before = open_descriptors();
    {
        Predecessor old(path);
        old.sockets.push_back(
            {"listener", "127.0.0.1:0", listening_socket({.host = "127.0.0.1", .port = 0})});
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(Takeover::ask(path, patience));
        const Stranger leaves(path);
        leaves.say(handover::encode_ask());
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace telltale::proxy
