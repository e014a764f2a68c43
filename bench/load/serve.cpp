// bench_load serve: a responder that costs as little as it can: all measured beside it is not its.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <future>
#include <stdexcept>
#include <vector>

#include "bench/load/commands.h"
#include "bench/load/ending.h"
#include "bench/load/report.h"

namespace telltale::bench::load {

namespace {

constexpr size_t files_wanted = 12'000;  // ten thousand connections and some
constexpr size_t buffer_size = 16384;
constexpr int accepts_per_turn = 64;

// As Go's net/http answers the preface of HTTP/2.
constexpr std::string_view http1_answer =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Connection: close\r\n"
    "\r\n"
    "400 Bad Request";

// One thread's loop; several share the listener.
class Responder final {
   public:
    Responder(int listener, int signals, Speaks answer)
        : listener_{listener},
          signals_{signals},
          speaks_{answer},
          epoll_{epoll_create1(EPOLL_CLOEXEC)} {
        if (!epoll_.open()) throw_errno("can't make an epoll");
        // Wakes one of the threads per connection, not all.
        watch(listener_, EPOLLIN | EPOLLEXCLUSIVE);
        watch(signals_, EPOLLIN);
    }

    // Until a signal.
    void run() {
        std::array<epoll_event, 64> events{};
        while (true) {
            const int count = epoll_wait(epoll_.number(), events.data(), events.size(), -1);
            if (count < 0 && errno != EINTR) throw_errno("can't wait for sockets");
            for (int i = 0; i < count; ++i) {
                const int ready = events[static_cast<size_t>(i)].data.fd;
                if (ready == signals_) return;
                if (ready == listener_)
                    accept_some();
                else
                    receive(ready);
            }
        }
    }

   private:
    struct Peer {
        Descriptor socket;
        FrameReader frames;
        uint8_t preface_seen = 0;
        bool answered = false;
    };

    void watch(int descriptor, uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.fd = descriptor;
        if (epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event) != 0)
            throw_errno("can't watch a socket");
    }

    void accept_some() {
        for (int i = 0; i < accepts_per_turn; ++i) {
            Descriptor accepted{accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
            if (!accepted.open()) {
                if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
                throw_errno("can't accept");
            }
            const auto number = static_cast<size_t>(accepted.number());
            if (peers_.size() <= number) peers_.resize(number + 1);
            watch(accepted.number(), EPOLLIN);
            peers_[number] = {std::move(accepted), {}, 0, false};
        }
    }

    void receive(int number) {
        Peer& peer = peers_[static_cast<size_t>(number)];
        const ssize_t size = recv(number, buffer_.data(), buffer_.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0) {
            peer.socket.close();
            return;
        }
        const std::string_view bytes{buffer_.data(), static_cast<size_t>(size)};
        const bool fine = speaks_ == Speaks::h2 ? answer_h2(peer, bytes) : answer_http1(peer);
        if (!fine) peer.socket.close();
    }

    // False: not a client of HTTP/2, or one that does not read.
    bool answer_h2(Peer& peer, std::string_view bytes) {
        const std::string_view awaited = preface.substr(peer.preface_seen);
        const std::string_view begin = bytes.substr(0, awaited.size());
        if (!awaited.starts_with(begin)) return false;
        peer.preface_seen = static_cast<uint8_t>(peer.preface_seen + begin.size());
        output_.clear();
        peer.frames.read(bytes.substr(begin.size()), [&](const Frame& frame) {
            if (frame.has(flag_ack)) return;
            if (frame.type == FrameType::settings) {
                if (!peer.answered) output_ += settings_;
                peer.answered = true;
                output_ += settings_ack_;
            } else if (frame.type == FrameType::ping) {
                output_ += ping_ack(frame.head);
            }
        });
        if (peer.frames.broken()) return false;
        return output_.empty() || send_whole(peer.socket.number(), output_);
    }

    // Closing is left to the client: a close with its bytes unread would be a reset.
    bool answer_http1(Peer& peer) {
        if (peer.answered) return true;
        peer.answered = true;
        return send_whole(peer.socket.number(), http1_answer) &&
               shutdown(peer.socket.number(), SHUT_WR) == 0;
    }

    int listener_;
    int signals_;
    Speaks speaks_;
    Descriptor epoll_;
    std::vector<Peer> peers_;  // by number of their descriptor
    std::array<char, buffer_size> buffer_{};
    std::string output_;
    const std::string settings_ = settings_frame();
    const std::string settings_ack_ = settings_ack();
};

// Ends the other threads too, when this one can't go on.
void respond(int listener, int signals, Speaks answer) {
    try {
        Responder{listener, signals, answer}.run();
    } catch (...) {
        kill(getpid(), SIGTERM);
        throw;
    }
}

}  // namespace

void serve(const ServeOptions& options) {
    raise_file_limit(files_wanted);
    const Descriptor signals = ending_signals();
    const Descriptor listener = listen_on(options.listen);
    std::vector<std::future<void>> threads;
    for (size_t i = 0; i < options.threads; ++i)
        threads.push_back(std::async(std::launch::async, respond, listener.number(),
                                     signals.number(), options.answer));
    Report{}.flag("ready", true).print();
    for (std::future<void>& thread : threads) thread.get();
}

}  // namespace telltale::bench::load
