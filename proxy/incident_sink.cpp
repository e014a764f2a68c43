#include "proxy/incident_sink.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

#include "proxy/incident_groups.h"

namespace telltale::proxy {

namespace asio = boost::asio;

namespace {

enum class Format : uint8_t { json, text, coloured_text };

Format choose_format(config::LogFormat wanted) {
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    if (wanted == config::LogFormat::json) return Format::json;
    if (wanted == config::LogFormat::automatic && !terminal) return Format::json;
    const char* no_colour = std::getenv("NO_COLOR");
    const bool colours = terminal && (no_colour == nullptr || *no_colour == '\0');
    return colours ? Format::coloured_text : Format::text;
}

std::string render(const IncidentGroups::Line& line, Format format) {
    if (format == Format::json) {
        return line.repeats ? to_json(line.incident, *line.repeats) : to_json(line.incident);
    }
    const Colour colour = format == Format::coloured_text ? Colour::on : Colour::off;
    std::string text = line.repeats ? to_text(line.incident, *line.repeats, colour)
                                    : to_text(line.incident, colour);
    while (text.ends_with('\n')) text.pop_back();  // the writer ends the line
    return text;
}

// Fewer groups than this would forget a handful of upstreams that fail in turn, and print each of
// them in full again.
constexpr size_t groups_min = 16;

}  // namespace

struct IncidentSink::Impl {
    Impl(const config::Config& config, std::function<void(const std::string&)> writer)
        : write(std::move(writer)),
          format(choose_format(config.log.format)),
          queue_max(config.limits.incident_queue),
          kept_max(config.limits.incidents_kept),
          groups({.groups_max = std::max<size_t>(config.limits.incidents_kept, groups_min)}),
          work(context.get_executor()),
          timer(context) {}

    void run();
    bool enqueue(size_t count, std::function<void()> task) noexcept;
    void add(IncidentRun run);
    void write_lines(const std::vector<IncidentGroups::Line>& lines);
    void arm_timer();
    void finish();
    [[nodiscard]] std::vector<Entry> entries() const;

    const std::function<void(const std::string&)> write;
    const Format format;
    const size_t queue_max;
    const size_t kept_max;
    std::atomic<size_t> queued{0};
    std::atomic<uint64_t> dropped{0};
    std::atomic<bool> stopping{false};
    std::atomic<bool> abandoned{false};
    std::promise<void> finished;

    // Of the sink's thread.
    IncidentGroups groups;
    IncidentHistory history;
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work;
    asio::steady_timer timer;

    std::thread thread;
};

void IncidentSink::Impl::run() {
    // SIGPIPE goes to the thread that writes: blocked here, a closed stdout is EPIPE and the
    // process lives on.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (!abandoned) {
        try {
            context.run();
            break;
        } catch (...) {
            // Out of memory or a writer that throws: this record is lost, the next one may be
            // written.
            ++dropped;
        }
    }
    finished.set_value();
}

void IncidentSink::Impl::add(IncidentRun run) {
    history.count(run.newest.at, run.newest.diagnosis.cause, run.count);
    write_lines(groups.add(std::move(run), std::chrono::steady_clock::now()));
    arm_timer();
}

void IncidentSink::Impl::write_lines(const std::vector<IncidentGroups::Line>& lines) {
    for (const auto& line : lines) {
        if (abandoned) return;
        try {
            write(render(line, format));
        } catch (const std::exception&) {
            ++dropped;  // a full disk, a closed pipe: this record is lost, the next may be written
        }
    }
}

void IncidentSink::Impl::arm_timer() {
    const auto due = groups.next_due();
    if (!due || *due == timer.expiry()) return;
    timer.expires_at(*due);
    timer.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        write_lines(groups.flush_due(std::chrono::steady_clock::now()));
        arm_timer();
    });
}

void IncidentSink::Impl::finish() {
    work.reset();
    timer.cancel();
    write_lines(groups.flush_all());
}

std::vector<IncidentSink::Entry> IncidentSink::Impl::entries() const {
    std::vector<Entry> out;
    for (const auto& group : groups.newest_first()) {
        if (out.size() == kept_max) break;
        out.push_back({group.newest, group.count, group.first});
    }
    return out;
}

IncidentSink::IncidentSink(const config::Config& config,
                           std::function<void(const std::string&)> write)
    : impl_(std::make_shared<Impl>(config, std::move(write))) {
    impl_->thread = std::thread([impl = impl_] { impl->run(); });
}

IncidentSink::~IncidentSink() {
    stop(std::chrono::seconds(1));
}

// count: how many entries of the queue the task is; one larger than the whole queue may still go
// alone.
bool IncidentSink::Impl::enqueue(size_t count, std::function<void()> task) noexcept {
    if (stopping) return false;
    const size_t before = queued.fetch_add(count);
    if (before != 0 && before + count > queue_max) {
        queued -= count;
        return false;
    }
    try {
        asio::post(context, [this, count, task = std::move(task)] {
            queued -= count;
            task();
        });
    } catch (...) {  // out of memory
        queued -= count;
        return false;
    }
    return true;
}

bool IncidentSink::push(Incident incident) noexcept {
    try {
        std::vector<IncidentRun> one;
        one.push_back({std::move(incident)});
        return push(std::move(one));
    } catch (...) {  // out of memory
        ++impl_->dropped;
        return false;
    }
}

bool IncidentSink::push(std::vector<IncidentRun> runs) noexcept {
    Impl& impl = *impl_;
    uint64_t incidents = 0;
    for (const IncidentRun& run : runs) incidents += run.count;
    bool taken = false;
    try {
        const size_t count = runs.size();
        auto held = std::make_shared<std::vector<IncidentRun>>(std::move(runs));
        taken = impl.enqueue(count, [&impl, held] {
            for (IncidentRun& run : *held) impl.add(std::move(run));
        });
    } catch (...) {  // out of memory
        taken = false;
    }
    if (!taken) impl.dropped += incidents;
    return taken;
}

void IncidentSink::amend(IncidentEnd end) noexcept {
    Impl& impl = *impl_;
    try {
        static_cast<void>(
            impl.enqueue(1, [&impl, end = std::move(end)] { impl.groups.amend(end); }));
    } catch (...) {  // out of memory: the record keeps the state in which it was made
        return;
    }
}

uint64_t IncidentSink::dropped() const noexcept {
    return impl_->dropped;
}

void IncidentSink::list(std::function<void(std::vector<Entry>)> then) {
    Impl& impl = *impl_;
    asio::post(impl.context, [&impl, then = std::move(then)] { then(impl.entries()); });
}

void IncidentSink::history(std::function<void(IncidentHistory)> then) {
    Impl& impl = *impl_;
    asio::post(impl.context, [&impl, then = std::move(then)] { then(impl.history); });
}

void IncidentSink::stop(std::chrono::milliseconds patience) {
    Impl& impl = *impl_;
    if (impl.stopping.exchange(true)) return;
    asio::post(impl.context, [&impl] { impl.finish(); });
    if (impl.finished.get_future().wait_for(patience) == std::future_status::ready) {
        impl.thread.join();
        return;
    }
    impl.abandoned = true;
    impl.dropped += impl.queued;
    impl.context.stop();
    impl.thread.detach();
}

// Not by spdlog: its console sinks share one lock with the lifecycle log, so a stdout that nobody
// reads would silence that too, and hold up the end of the process.
std::function<void(const std::string&)> stdout_writer() {
    return [](const std::string& line) {
        const std::string text = line + "\n";
        for (size_t written = 0; written < text.size();) {
            const ssize_t count =
                ::write(STDOUT_FILENO, text.data() + written, text.size() - written);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw std::system_error(errno, std::generic_category(), "stdout");
            written += static_cast<size_t>(count);
        }
    };
}

}  // namespace telltale::proxy
