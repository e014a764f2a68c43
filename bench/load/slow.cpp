// bench_load slow: one HTTP/2 client that allows a flood and drinks it through a straw.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "bench/load/commands.h"
#include "bench/load/dialer.h"
#include "bench/load/ending.h"
#include "bench/load/report.h"

namespace telltale::bench::load {

namespace {

// Small, so that what is not read waits in the peer and not in this socket.
constexpr int receive_buffer = 16384;
// With one read of at most that size per tick, about 3 MB/s is the fastest it can be.
constexpr std::chrono::milliseconds tick{5};
// What was not used while nothing came is not made up for in one gulp.
constexpr double saved_seconds_max = 0.1;

class SlowReader final {
   public:
    SlowReader(const SlowOptions& options, Connection connection)
        : options_{options}, connection_{std::move(connection)} {}

    void run(Ending& ending) {
        request();
        const auto begun = Clock::now();
        auto last = begun;
        while (!ending.came_within(tick)) {
            const auto now = Clock::now();
            const double rate = static_cast<double>(options_.bytes_per_second);
            budget_ += rate * std::chrono::duration<double>(now - last).count();
            budget_ = std::min(budget_, std::max(rate * saved_seconds_max, 1.0));
            last = now;
            read();
            if (!ready_ && now - begun > patience && bytes_ == 0)
                throw std::runtime_error("no answer came from " + options_.to.text);
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
        Report{}
            .count("bytes", bytes_)
            .count("answers", answers_)
            .number("seconds", seconds, 6)
            .print();
    }

   private:
    void send(const std::string& bytes) {
        if (!send_whole(connection_.socket.number(), bytes))
            throw std::runtime_error("can't send to " + options_.to.text + ": " +
                                     error_text(errno));
    }

    void request() {
        if (stream_ >= stream_number_max) throw std::runtime_error("no stream is left");
        send(get_request(stream_, options_.to.text, options_.path));
    }

    void read() {
        const size_t wanted = std::min(static_cast<size_t>(budget_), buffer_.size());
        if (wanted == 0) return;
        const ssize_t size = recv(connection_.socket.number(), buffer_.data(), wanted, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0)
            throw std::runtime_error("the connection to " + options_.to.text + " ended after " +
                                     std::to_string(bytes_) + " bytes");
        bytes_ += static_cast<uint64_t>(size);
        budget_ -= static_cast<double>(size);
        FrameReader& frames = connection_.frames;
        frames.read({buffer_.data(), static_cast<size_t>(size)},
                    [this](const Frame& frame) { take(frame); });
        if (frames.broken()) throw std::runtime_error(options_.to.text + " does not speak HTTP/2");
        if (frames.inside(FrameType::data)) tell_ready();
        give_back();
    }

    void take(const Frame& frame) {
        if (frame.type == FrameType::goaway || frame.type == FrameType::rst_stream)
            throw std::runtime_error(options_.to.text + " ended the request");
        if (frame.type == FrameType::headers && !answered_ && !says_200(frame))
            throw std::runtime_error(options_.to.text + " did not answer " + options_.path +
                                     " with 200");
        if (frame.type == FrameType::headers) answered_ = true;
        if (frame.type == FrameType::data) {
            tell_ready();
            used_ += frame.length;
            used_of_stream_ += frame.length;
        }
        const bool can_end = frame.type == FrameType::headers || frame.type == FrameType::data;
        if (!can_end || !frame.has(flag_end_stream)) return;
        ++answers_;
        stream_ += 2;
        used_of_stream_ = 0;
        request();
    }

    // The windows are opened again by what was read, at the latest when half of them is used.
    void give_back() {
        if (const uint32_t half = std::max(options_.window, window_default) / 2; used_ > half) {
            send(window_update(0, used_));
            used_ = 0;
        }
        if (used_of_stream_ > options_.window / 2) {
            send(window_update(stream_, used_of_stream_));
            used_of_stream_ = 0;
        }
    }

    void tell_ready() {
        if (!ready_) Report{}.flag("ready", true).print();
        ready_ = true;
    }

    const SlowOptions& options_;
    Connection connection_;
    std::array<char, receive_buffer> buffer_{};
    double budget_ = 0;  // bytes that may be read now
    uint32_t stream_ = 1;
    uint32_t used_ = 0;  // of the connection's window
    uint32_t used_of_stream_ = 0;
    uint64_t bytes_ = 0;
    uint64_t answers_ = 0;
    bool answered_ = false;
    bool ready_ = false;
};

}  // namespace

void slow(const SlowOptions& options) {
    Plan plan;
    plan.to = options.to;
    plan.first_flight = first_flight(options.window);
    plan.socket.receive_buffer = receive_buffer;
    Opened opened = open_all(plan);
    Ending ending;
    SlowReader{options, std::move(opened.connections.front())}.run(ending);
}

}  // namespace telltale::bench::load
