#include "proxy/upstream_check.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/endpoint.h"
#include "sniff/bytes.h"
#include "sniff/escape.h"
#include "sniff/http2.h"
#include "sniff/sniffer.h"
#include "sniff/words.h"

namespace telltale::proxy {

namespace {

using namespace std::string_view_literals;

// Frames of RFC 9113 §4.1: length (3 bytes), type, flags, stream (4 bytes).
constexpr auto settings = "\0\0\0\x04\0\0\0\0\0"sv;                  // §6.5, empty
constexpr auto settings_ack = "\0\0\0\x04\x01\0\0\0\0"sv;            // §6.5.3
constexpr auto goaway = "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"sv;  // §6.8, NO_ERROR
constexpr std::chrono::milliseconds linger_time{1000};
constexpr size_t linger_bytes_max = 64U << 10U;
// What a reader sees of an answer: most of a status line or a banner.
constexpr size_t shown_bytes_max = 60;

// This host could not even try.
bool is_local(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL;
}

CheckResult result_of(int error) {
    switch (error) {
        case ECONNREFUSED:
        case ENOENT:  // no such Unix socket
            return CheckResult::refused;
        case ETIMEDOUT:
        case EAGAIN:  // a Unix socket whose backlog is full; TCP drops the SYN there
            return CheckResult::timeout;
        default:
            return CheckResult::unreachable;
    }
}

std::string failure_words(CheckResult result, int error) {
    const std::string reason = sniff::errno_words(error);
    if (result == CheckResult::refused) return "refuses the connection: " + reason;
    if (result == CheckResult::timeout) return "takes no connection: " + reason;
    return "can't be reached: " + reason;
}

std::string answer_words(sniff::Protocol protocol, std::string_view answer) {
    if (protocol == sniff::Protocol::http2) return "speaks HTTP/2";
    const std::string shown = sniff::quote_wire(answer, shown_bytes_max);
    if (protocol == sniff::Protocol::http2_goaway) {
        return "answers with HTTP/2, but not with SETTINGS first: " + shown;
    }
    return "answers the HTTP/2 preface with " + std::string(sniff::name(protocol)) + ": " + shown;
}

}  // namespace

std::chrono::milliseconds jittered(std::chrono::milliseconds interval, uint32_t random) noexcept {
    const auto tenth = interval.count() / 10;
    return interval + std::chrono::milliseconds(random % (2 * tenth + 1) - tenth);
}

struct UpstreamCheck::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& context, std::string listener_name, config::Address address,
         std::chrono::milliseconds every, std::chrono::milliseconds limit)
        : listener(std::move(listener_name)),
          upstream(std::move(address)),
          interval(every),
          timeout(limit),
          random(std::random_device()()),
          resolver(context),
          socket(context),
          deadline(context),
          next(context) {}

    enum class Step : uint8_t { resting, resolving, connecting, listening, leaving };

    // Calls a member with what the operation answers, unless its check is over.
    template <typename Member>
    auto of_this_check(Member member) {
        return [self = shared_from_this(), number = number, member](const ErrorCode& error,
                                                                    auto... rest) {
            if (self->number == number) (self.get()->*member)(error, rest...);
        };
    }

    void check();
    void on_resolved(const ErrorCode& error, const asio::ip::tcp::resolver::results_type& results);
    void connect();
    void on_connected(const ErrorCode& error);
    void on_asked(const ErrorCode& error, size_t size);
    void read();
    void on_read(const ErrorCode& error, size_t size);
    void hung_up(const ErrorCode& how);
    void judge(sniff::Protocol protocol);
    void on_deadline(const ErrorCode& error);
    void found(CheckResult result, std::string says);
    void not_made(int error);
    void leave(sniff::Protocol protocol);
    void on_said_goodbye(const ErrorCode& error, size_t size);
    void linger();
    void on_lingered(const ErrorCode& error, size_t size);
    void rest();
    void stop();

    const std::string listener;
    const config::Address upstream;
    const std::chrono::milliseconds interval;
    const std::chrono::milliseconds timeout;
    std::minstd_rand random;
    State state;

    uint64_t number = 0;  // of the check; handlers of an earlier one do nothing
    Step step = Step::resting;
    Clock::time_point started;
    std::vector<Endpoint> endpoints;  // still to try, the next one last
    asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver;
    Socket socket;
    asio::steady_timer deadline;
    asio::steady_timer next;
    std::optional<sniff::Sniffer> sniffer;
    std::array<uint8_t, check_bytes_max> bytes{};
    size_t filled = 0;
    size_t lingered = 0;
    std::string outgoing;
    bool stopped = false;
};

void UpstreamCheck::Impl::check() {
    ++number;
    started = Clock::now();
    filled = 0;
    lingered = 0;
    sniffer.emplace(sniff::Side::upstream, static_cast<uint32_t>(check_bytes_max));
    deadline.expires_after(timeout);
    deadline.async_wait(of_this_check(&Impl::on_deadline));
    if (const auto endpoint = numeric_endpoint(upstream)) {
        endpoints = {*endpoint};
        return connect();
    }
    step = Step::resolving;
    resolver.async_resolve(upstream.host, std::to_string(upstream.port),
                           asio::ip::tcp::resolver::numeric_service,
                           of_this_check(&Impl::on_resolved));
}

void UpstreamCheck::Impl::on_resolved(const ErrorCode& error,
                                      const asio::ip::tcp::resolver::results_type& results) {
    if (error) {
        found(CheckResult::dns_failure, "has a name that can't be resolved: " + error.message());
        return rest();
    }
    endpoints.clear();
    for (const auto& result : results) endpoints.emplace_back(result.endpoint());
    std::reverse(endpoints.begin(), endpoints.end());
    connect();
}

void UpstreamCheck::Impl::connect() {
    step = Step::connecting;
    const Endpoint endpoint = endpoints.back();
    endpoints.pop_back();
    ErrorCode error;
    socket.close(error);  // of the address before; the descriptor is gone either way
    socket.open(endpoint.protocol(), error);
    if (error) return on_connected(error);
    socket.async_connect(endpoint, of_this_check(&Impl::on_connected));
}

void UpstreamCheck::Impl::on_connected(const ErrorCode& error) {
    // The handshake was complete: a RST that answers a SYN reads ECONNREFUSED.
    if (error == asio::error::connection_reset) return hung_up(error);
    if (error && !endpoints.empty()) return connect();
    if (error && is_local(error.value())) return not_made(error.value());
    if (error) {
        const CheckResult result = result_of(error.value());
        found(result, failure_words(result, error.value()));
        return rest();
    }
    step = Step::listening;
    outgoing = std::string(sniff::http2_preface) + std::string(settings);
    asio::async_write(socket, asio::buffer(outgoing), of_this_check(&Impl::on_asked));
}

// An error here is no answer yet: what the upstream said before it reset is still to be read.
void UpstreamCheck::Impl::on_asked(const ErrorCode& /*error*/, size_t /*size*/) {
    read();
}

void UpstreamCheck::Impl::read() {
    socket.async_read_some(asio::buffer(bytes) + filled, of_this_check(&Impl::on_read));
}

void UpstreamCheck::Impl::on_read(const ErrorCode& error, size_t size) {
    filled += size;
    const sniff::Bytes prefix(bytes.data(), filled);
    const auto protocol = error ? sniffer->finish(prefix) : sniffer->look(prefix);
    if (protocol != sniff::Protocol::undecided) return judge(protocol);
    if (!error) return read();
    hung_up(error);
}

void UpstreamCheck::Impl::hung_up(const ErrorCode& how) {
    const bool politely = how == asio::error::eof;
    found(CheckResult::closed, politely ? "closes the connection without a word"
                                        : "resets the connection without a word");
    rest();
}

void UpstreamCheck::Impl::judge(sniff::Protocol protocol) {
    const auto answer = sniff::as_text(sniff::Bytes(bytes.data(), filled));
    found(protocol == sniff::Protocol::http2 ? CheckResult::http2 : CheckResult::other_protocol,
          answer_words(protocol, answer));
    leave(protocol);
}

void UpstreamCheck::Impl::on_deadline(const ErrorCode& error) {
    if (error) return;
    const std::string within = " within " + sniff::duration_words(timeout.count());
    switch (step) {
        case Step::resolving:
            found(CheckResult::dns_failure, "has a name that is not resolved" + within);
            break;
        case Step::connecting:
            found(CheckResult::timeout, "takes no connection" + within);
            break;
        case Step::listening:
            found(CheckResult::timeout,
                  filled == 0
                      ? "says nothing" + within
                      : "says too little" + within + ": " +
                            sniff::quote_wire(sniff::as_text(sniff::Bytes(bytes.data(), filled)),
                                              shown_bytes_max));
            break;
        case Step::leaving:
        case Step::resting:
            break;
    }
    rest();
}

void UpstreamCheck::Impl::found(CheckResult result, std::string says) {
    const bool news = state.result != result;
    state.result = result;
    state.says = std::move(says);
    state.at = Clock::now();
    state.took = std::chrono::duration_cast<std::chrono::microseconds>(state.at - started);
    ++state.counts[static_cast<size_t>(result)];
    if (!news) return;
    const auto level = result == CheckResult::http2 ? spdlog::level::info : spdlog::level::warn;
    spdlog::log(level, "listener {}: checked upstream {}: it {}", listener, upstream.text(),
                state.says);
}

void UpstreamCheck::Impl::not_made(int error) {
    state.says = "could not be checked by this host: " + sniff::errno_words(error);
    rest();
}

// What the server still says is read: close() with unread bytes would send RST.
void UpstreamCheck::Impl::leave(sniff::Protocol protocol) {
    step = Step::leaving;
    deadline.expires_after(linger_time);
    deadline.async_wait(of_this_check(&Impl::on_deadline));
    outgoing.clear();
    if (protocol == sniff::Protocol::http2) {
        outgoing = std::string(settings_ack) + std::string(goaway);
    }
    asio::async_write(socket, asio::buffer(outgoing), of_this_check(&Impl::on_said_goodbye));
}

void UpstreamCheck::Impl::on_said_goodbye(const ErrorCode& /*error*/, size_t /*size*/) {
    ErrorCode ignored;  // the peer may be gone: then the read says so
    socket.shutdown(Socket::shutdown_send, ignored);
    linger();
}

void UpstreamCheck::Impl::linger() {
    socket.async_read_some(asio::buffer(bytes), of_this_check(&Impl::on_lingered));
}

void UpstreamCheck::Impl::on_lingered(const ErrorCode& error, size_t size) {
    lingered += size;
    if (error || lingered > linger_bytes_max) return rest();
    linger();
}

void UpstreamCheck::Impl::rest() {
    ++number;
    step = Step::resting;
    resolver.cancel();
    ErrorCode ignored;  // the descriptor is gone either way
    socket.close(ignored);
    deadline.cancel();
    if (stopped) return;
    next.expires_after(jittered(interval, static_cast<uint32_t>(random())));
    next.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (!error && !self->stopped) self->check();
    });
}

void UpstreamCheck::Impl::stop() {
    if (stopped) return;
    stopped = true;
    next.cancel();
    rest();
}

UpstreamCheck::UpstreamCheck(asio::io_context& context, std::string listener,
                             config::Address upstream, std::chrono::milliseconds interval,
                             std::chrono::milliseconds timeout)
    : impl_(std::make_shared<Impl>(context, std::move(listener), std::move(upstream), interval,
                                   timeout)) {}

UpstreamCheck::~UpstreamCheck() {
    stop();
}

void UpstreamCheck::start() {
    impl_->check();
}

void UpstreamCheck::stop() {
    impl_->stop();
}

const UpstreamCheck::State& UpstreamCheck::state() const noexcept {
    return impl_->state;
}

CheckState UpstreamCheck::report(Clock::time_point now) const {
    const State& state = impl_->state;
    CheckState report;
    report.listener = impl_->listener;
    report.upstream = impl_->upstream.text();
    report.says = state.says;
    if (!state.result) return report;
    report.up = *state.result == CheckResult::http2;
    report.result = name(*state.result);
    report.age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - state.at).count();
    report.latency_ms = static_cast<double>(state.took.count()) / 1000;
    return report;
}

}  // namespace telltale::proxy
