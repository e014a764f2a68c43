// One connection of a probe: connects, carries bytes between the socket and a talk until the talk
// has heard enough, the peer ends, the time is over or too much was read; then leaves politely
// (FIN, and reads to the end for a moment, so that no server logs a reset).
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/net.h"
#include "proxy/probe/observations.h"
#include "proxy/probe/talk.h"

namespace telltale::proxy::probe {

class Exchange final : public std::enable_shared_from_this<Exchange> {
   public:
    struct Result {
        Reach reach = Reach::cut;
        int error = 0;  // errno of the connect
        End end = End::no_connect;
        Micros connect{0};
        std::optional<Micros> first_byte;
    };
    using Done = std::function<void(const Result& result)>;

    // talk: may be empty, then it only connects. timeout: for the connect, and again for the rest.
    Exchange(asio::io_context& context, Endpoint endpoint, std::shared_ptr<Talk> talk,
             std::chrono::milliseconds timeout);

    // `done` is called once, never from within start().
    void start(Done done);
    // The time is over: `done` is called from within, with what there is.
    void cut();
    // `done` is not called any more.
    void cancel();

   private:
    using Clock = std::chrono::steady_clock;
    enum class Step : uint8_t { connecting, talking, leaving, over };

    void on_connected(const ErrorCode& error);
    void read();
    void on_read(const ErrorCode& error, size_t size);
    void write();
    void judge();
    void expect_within(std::chrono::milliseconds time);
    void on_deadline();
    void finish(End end);
    void linger();
    void close();
    [[nodiscard]] Micros elapsed() const;

    Endpoint endpoint_;
    std::shared_ptr<Talk> talk_;
    std::chrono::milliseconds timeout_;
    Socket socket_;
    asio::steady_timer deadline_;
    Clock::time_point started_;
    Clock::time_point latest_;  // end of the talk
    Done done_;
    Result result_;
    std::array<uint8_t, 8192> input_{};
    size_t read_ = 0;
    std::string output_;
    uint64_t waits_ = 0;  // a wait that is not the newest does nothing
    Step step_ = Step::connecting;
    bool writing_ = false;
};

}  // namespace telltale::proxy::probe
