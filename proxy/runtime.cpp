#include "proxy/runtime.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>

#include "config/load.h"
#include "config/registry.h"
#include "proxy/acceptor.h"
#include "proxy/admin.h"
#include "proxy/incident_sink.h"
#include "proxy/metrics.h"
#include "proxy/options.h"
#include "proxy/worker.h"

namespace telltale::proxy {

namespace {

constexpr std::chrono::milliseconds drain_poll{20};
constexpr std::chrono::milliseconds sink_patience{2000};
constexpr uint32_t descriptors_kept = 64;  // admin, log, resolver, epoll, listeners

// Two descriptors per connection, and some for the process itself.
uint32_t connection_limit(const config::Config& config) {
    if (config.limits.connections != 0) return config.limits.connections;
    const size_t files = raise_file_limit();
    const size_t usable = files > 2 * descriptors_kept ? files - descriptors_kept : files;
    return static_cast<uint32_t>(std::clamp<size_t>(usable / 2, 1, 1'000'000));
}

size_t worker_count(const config::Config& config) {
    if (config.workers != 0) return config.workers;
    return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 2);
}

std::string process_id() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string text;
    for (auto rest = static_cast<uint64_t>(ms) * 1000 + static_cast<uint64_t>(::getpid() % 1000);
         rest != 0; rest /= digits.size()) {
        text.insert(text.begin(), digits[rest % digits.size()]);
    }
    return text;
}

}  // namespace

struct Runtime::Impl {
    explicit Impl(Options given)
        : options(std::move(given)),
          registry(options.config.services),
          sink(options.config, options.write_incident ? options.write_incident : stdout_writer()),
          shared{options.config, registry, sink, own, control, process_id()},
          connections_max(connection_limit(options.config)),
          work(control.get_executor()),
          drain_timer(control) {
        for (const config::Listener& listener : options.config.listeners) {
            sockets.push_back(std::make_unique<ListeningSocket>(listener.name, listener.listen));
            own.bound.push_back(sockets.back()->bound());
            listener_addresses.push_back(to_text(sockets.back()->bound()));
        }
        own.local = local_addresses();
        make_workers();
        make_acceptors();
        if (options.config.admin_enabled) start_admin();
    }

    ~Impl() {
        if (!control_thread.joinable()) return;
        asio::post(control, [this] { abort(); });
        finish_wait();
    }

    void make_workers();
    void make_acceptors();
    void start_admin();
    void start();
    void gather(size_t connections_max_wanted,
                std::function<void(std::vector<WorkerSnapshot>)> then);
    [[nodiscard]] std::string metrics_text(const std::vector<WorkerSnapshot>& snapshots) const;
    [[nodiscard]] uint32_t open_connections() const;
    Worker& least_loaded();

    void drain();
    void stop_accepting();
    void poll_drained();
    void abort();
    void finished();
    Exit finish_wait();

    Options options;
    config::Registry registry;
    IncidentSink sink;
    OwnAddresses own;
    Shared shared;
    uint32_t connections_max;
    std::atomic<uint64_t> accept_paused{0};
    std::vector<std::string> listener_addresses;
    std::vector<std::unique_ptr<ListeningSocket>> sockets;
    // Before the workers, whose routes look names up in it.
    asio::io_context control{1};
    std::vector<std::unique_ptr<Worker>> workers;
    // The acceptors run on the first worker's loop, so that a single worker adopts without a thread
    // switch.
    std::vector<std::unique_ptr<Acceptor>> acceptors;

    asio::executor_work_guard<Executor> work;
    asio::steady_timer drain_timer;
    std::unique_ptr<Admin> admin;
    std::thread control_thread;
    std::chrono::steady_clock::time_point drain_until;
    bool draining = false;
    bool aborting = false;
    bool cut = false;

    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
};

void Runtime::Impl::make_workers() {
    const size_t count = worker_count(options.config);
    try {
        for (size_t number = 0; number < count; ++number) {
            workers.push_back(std::make_unique<Worker>(number, count, shared));
        }
    } catch (const std::system_error& error) {
        throw StartError(std::string("the workers can't have their event loops: ") + error.what() +
                         "; raise the limit of open files (ulimit -n)");
    }
}

void Runtime::Impl::make_acceptors() {
    for (size_t index = 0; index < sockets.size(); ++index) {
        acceptors.push_back(std::make_unique<Acceptor>(
            *workers.front(), *sockets[index], options.config.listeners[index].name,
            Acceptor::Limits{[this] { return open_connections(); }, connections_max},
            [this, index](UniqueFd fd, const PeerAddress& peer) {
                least_loaded().hand_over(index, std::move(fd), peer);
            },
            accept_paused));
    }
}

uint32_t Runtime::Impl::open_connections() const {
    uint32_t open = 0;
    for (const auto& worker : workers) open += worker->load();
    return open;
}

Worker& Runtime::Impl::least_loaded() {
    // gRPC connections are few and live long: by count they stay even, by hash of the address they
    // would not.
    return **std::min_element(workers.begin(), workers.end(),
                              [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

void Runtime::Impl::start_admin() {
    AdminSources sources;
    sources.metrics = [this](std::function<void(std::string)> then) {
        gather(0, [this, then = std::move(then)](const std::vector<WorkerSnapshot>& snapshots) {
            then(metrics_text(snapshots));
        });
    };
    sources.connections = [this](size_t max, std::function<void(std::vector<ConnectionRow>)> then) {
        gather(max, [then = std::move(then), max](std::vector<WorkerSnapshot> snapshots) {
            std::vector<ConnectionRow> rows;
            for (WorkerSnapshot& snapshot : snapshots) {
                for (ConnectionRow& row : snapshot.connections) {
                    if (rows.size() < max) rows.push_back(std::move(row));
                }
            }
            then(std::move(rows));
        });
    };
    sources.incidents = [this](std::function<void(std::vector<IncidentSink::Entry>)> then) {
        gather(0, [this, then = std::move(then)](const std::vector<WorkerSnapshot>&) {
            sink.list([this, then](std::vector<IncidentSink::Entry> entries) {
                asio::post(control, [then, entries = std::move(entries)]() mutable {
                    then(std::move(entries));
                });
            });
        });
    };
    sources.config_yaml = [this] { return config::to_yaml(options.config); };
    sources.not_ready_reason = [this]() -> std::string {
        return draining ? "draining: this process is about to stop" : "";
    };
    sources.listener_names = [this] {
        std::vector<std::string> names;
        for (const config::Listener& listener : options.config.listeners) {
            names.push_back(listener.name);
        }
        return names;
    };
    try {
        admin = std::make_unique<Admin>(control, options.config.admin, std::move(sources));
    } catch (const std::exception& error) {
        throw StartError(error.what());
    }
}

void Runtime::Impl::gather(size_t connections_max_wanted,
                           std::function<void(std::vector<WorkerSnapshot>)> then) {
    struct Gathering {
        std::vector<WorkerSnapshot> snapshots;
        size_t missing;
        std::function<void(std::vector<WorkerSnapshot>)> then;
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->snapshots.resize(workers.size());
    gathering->missing = workers.size();
    gathering->then = std::move(then);
    for (size_t number = 0; number < workers.size(); ++number) {
        workers[number]->snapshot(
            connections_max_wanted, [this, gathering, number](WorkerSnapshot snapshot) {
                asio::post(control, [gathering, number, snapshot = std::move(snapshot)]() mutable {
                    gathering->snapshots[number] = std::move(snapshot);
                    if (--gathering->missing == 0) gathering->then(std::move(gathering->snapshots));
                });
            });
    }
}

std::string Runtime::Impl::metrics_text(const std::vector<WorkerSnapshot>& snapshots) const {
    MetricsInput input;
    for (const config::Listener& listener : options.config.listeners) {
        input.labels.push_back({listener.name, listener.direction});
    }
    input.listeners.resize(options.config.listeners.size());
    for (const WorkerSnapshot& snapshot : snapshots) {
        for (size_t index = 0; index < snapshot.listeners.size(); ++index) {
            input.listeners[index].add(snapshot.listeners[index]);
        }
    }
    input.process.incident_records_dropped = sink.dropped();
    input.process.accept_paused = accept_paused.load(std::memory_order_relaxed);
    input.version = options.version;
    input.commit = options.commit;
    return render_metrics(input);
}

void Runtime::Impl::start() {
    for (const auto& worker : workers) worker->run();
    workers.front()->reactor().post([this] {
        for (const auto& acceptor : acceptors) acceptor->start();
    });
    control_thread = std::thread([this] {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        pthread_setname_np(pthread_self(), "control");
        control.run();
    });
}

// ---- the orderly end, on the control thread

void Runtime::Impl::drain() {
    if (draining) return;
    draining = true;
    const auto& timeouts = options.config.timeouts;
    drain_until = std::chrono::steady_clock::now() + timeouts.drain_delay + timeouts.drain;
    spdlog::info("draining: not ready any more; {} open connections may go on for {} s",
                 open_connections(),
                 std::chrono::duration_cast<std::chrono::seconds>(timeouts.drain).count());
    drain_timer.expires_after(timeouts.drain_delay);
    // A cancelled wait goes on as well: abort() does not wait for the delay.
    drain_timer.async_wait([this](const ErrorCode&) { stop_accepting(); });
}

void Runtime::Impl::abort() {
    if (aborting) return;
    aborting = true;
    cut = cut || open_connections() != 0;
    drain();
    drain_timer.cancel();
}

void Runtime::Impl::stop_accepting() {
    workers.front()->reactor().post([this] {
        for (const auto& acceptor : acceptors) acceptor->stop();
        asio::post(control, [this] { poll_drained(); });
    });
}

void Runtime::Impl::poll_drained() {
    if (open_connections() == 0) {
        // The last records are with the workers still.
        gather(0, [this](const std::vector<WorkerSnapshot>&) { finished(); });
        return;
    }
    if (!aborting && std::chrono::steady_clock::now() >= drain_until) {
        spdlog::warn("draining: {} connections were still open at the deadline and are cut",
                     open_connections());
        aborting = true;
        cut = true;
    }
    if (aborting) {
        for (const auto& worker : workers) worker->abort_all();
    }
    drain_timer.expires_after(drain_poll);
    drain_timer.async_wait([this](const ErrorCode&) { poll_drained(); });
}

void Runtime::Impl::finished() {
    sink.stop(sink_patience);
    if (admin) admin->stop();
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
}

Runtime::Exit Runtime::Impl::finish_wait() {
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return done; });
    }
    asio::post(control, [this] {
        work.reset();
        control.stop();
    });
    if (control_thread.joinable()) control_thread.join();
    for (const auto& worker : workers) worker->join();
    return cut ? Exit::connections_cut : Exit::clean;
}

Runtime::Runtime(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Runtime::~Runtime() = default;

void Runtime::start() {
    impl_->start();
}

void Runtime::drain() {
    asio::post(impl_->control, [impl = impl_.get()] { impl->drain(); });
}

void Runtime::abort() {
    asio::post(impl_->control, [impl = impl_.get()] { impl->abort(); });
}

Runtime::Exit Runtime::wait() {
    return impl_->finish_wait();
}

std::string Runtime::admin_address() const {
    return impl_->admin ? impl_->admin->address() : "";
}

std::string Runtime::listener_address(size_t index) const {
    return impl_->listener_addresses[index];
}

}  // namespace telltale::proxy
