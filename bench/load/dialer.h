// Makes many connections, a bounded number of them at a time, and brings each to its awaited
// answer. One epoll loop, one thread. Used by every command that is a client.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/answer.h"
#include "bench/load/sockets.h"

namespace telltale::bench::load {

using Clock = std::chrono::steady_clock;

// No peer on loopback takes that long: one that does never answers.
constexpr std::chrono::seconds patience{10};
// Open files beside the connections: the epoll, signals, the standard three.
constexpr size_t files_of_its_own = 32;

struct Plan {
    Address to;
    size_t connections = 1;
    size_t at_a_time = 64;  // less than any server's backlog
    Awaited awaited = Awaited::settings;
    std::string first_flight = load::first_flight();
    std::string second_flight = settings_ack();  // after the server's SETTINGS
    SocketOptions socket;
};

// A connection that got its answer.
struct Connection {
    Descriptor socket;  // not blocking
    FrameReader frames;
    std::chrono::nanoseconds latency{};  // from connect() to the end of the answer
};

class Dialer final {
   public:
    using Take = std::function<void(Connection)>;

    Dialer(Plan plan, Take take);
    // Returns when every connection has got its answer or has failed. Throws std::runtime_error
    // with the reason when all failed: then there is nothing to measure.
    void run();

    [[nodiscard]] size_t failed() const { return failed_; }
    // Why the first one failed.
    [[nodiscard]] const std::string& complaint() const { return complaint_; }

   private:
    struct Attempt {
        Descriptor socket;
        Answer answer;
        Clock::time_point begun;
        bool first_sent = false;
        bool second_sent = false;
    };
    enum class Arm : int { add = EPOLL_CTL_ADD, again = EPOLL_CTL_MOD };

    void fill(size_t slot);
    bool begin(size_t slot);
    void arm(size_t slot, Arm how);
    void advance(size_t slot);
    // False: not connected yet, or it failed.
    bool send_first(Attempt& attempt);
    void receive(size_t slot);
    void finish(Attempt& attempt);
    void fail(Attempt& attempt, const std::string& complaint);
    void give_up();

    Plan plan_;
    Take take_;
    Descriptor epoll_;
    std::vector<Attempt> attempts_;  // one per slot; without an open socket it is free
    std::vector<char> buffer_;
    size_t begun_ = 0;
    size_t done_ = 0;
    size_t failed_ = 0;
    std::string complaint_;
};

// Opens them all for keeping; the first failure, when there is one, is told on stderr.
struct Opened {
    std::vector<Connection> connections;
    size_t failed = 0;
};
[[nodiscard]] Opened open_all(const Plan& plan);

// On stderr; nothing when none failed.
void tell_failures(size_t failed, size_t of, const std::string& complaint);

}  // namespace telltale::bench::load
