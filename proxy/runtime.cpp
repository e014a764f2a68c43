#include "proxy/runtime.h"

#include <fcntl.h>
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
#include <iterator>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "config/load.h"
#include "config/registry.h"
#include "proxy/acceptor.h"
#include "proxy/admin.h"
#include "proxy/checks.h"
#include "proxy/file_watch.h"
#include "proxy/generation.h"
#include "proxy/handover.h"
#include "proxy/incident_sink.h"
#include "proxy/inquiry.h"
#include "proxy/inquiry_sources.h"
#include "proxy/log_level.h"
#include "proxy/metrics.h"
#include "proxy/options.h"
#include "proxy/ports.h"
#include "proxy/process_usage.h"
#include "proxy/reload.h"
#include "proxy/worker.h"

namespace telltale::proxy {

namespace {

constexpr std::chrono::milliseconds drain_poll{20};
constexpr std::chrono::milliseconds sink_patience{2000};
constexpr std::chrono::milliseconds handover_patience{10'000};
constexpr size_t slots_max = 4096;         // different names of listeners in the life of a process
constexpr uint32_t descriptors_kept = 64;  // admin, log, resolver, epoll, listeners

// Two descriptors per connection, and some for the process itself.
uint32_t connection_limit(const config::Config& config) {
    if (config.limits.connections != 0) return config.limits.connections;
    const size_t files = raise_file_limit();
    const size_t kept = std::min<size_t>(descriptors_kept, files / 2);
    return static_cast<uint32_t>(std::clamp<size_t>((files - kept) / 2, 1, 1'000'000));
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

// Open ones first.
std::vector<ConnectionRow> rows_of(std::vector<WorkerSnapshot> snapshots, size_t max) {
    std::vector<ConnectionRow> rows, ended;
    const auto move_to = [](std::vector<ConnectionRow>& to, std::vector<ConnectionRow>& from) {
        std::move(from.begin(), from.end(), std::back_inserter(to));
    };
    for (WorkerSnapshot& snapshot : snapshots) {
        move_to(rows, snapshot.connections);
        move_to(ended, snapshot.ended);
    }
    move_to(rows, ended);
    if (rows.size() > max) rows.resize(max);
    return rows;
}

}  // namespace

struct Runtime::Impl {
    explicit Impl(Options given)
        : options(std::move(given)),
          sink(options.config, options.write_incident ? options.write_incident : stdout_writer()),
          shared{.sink = inquiry,
                 .names = control,
                 .memory = name_memory,
                 .process_id = process_id(),
                 .workers = worker_count(options.config),
                 .client_left = [this](const PeerAddress& peer) { client_left(peer); }},
          work(control.get_executor()),
          drain_timer(control) {
        if (options.config.handover.is_unix()) {
            takeover = Takeover::ask(options.config.handover, handover_patience);
        }
        std::vector<HandedSocket> none;
        std::vector<HandedSocket>& handed = takeover ? takeover->sockets() : none;
        ports = open_ports(options.config, {}, handed);
        generation = make_generation(options.config, ports, 0);
        inquiry.apply(options.config, generation->own);
        for (const Endpoint& bound : generation->own.bound) first_bound.push_back(to_text(bound));
        make_workers();
        gate.open_connections = [this] { return open_connections(); };
        if (options.config.admin_enabled) start_admin(handed);
    }

    ~Impl() {
        if (control_thread.joinable()) {
            asio::post(control, [this] { abort(); });
            finish_wait();
        }
        // Before the worker whose deadlines they use.
        ports.clear();
    }

    void make_workers();
    void start_admin(std::vector<HandedSocket>& handed);
    [[nodiscard]] AdminSources admin_sources();
    void start();
    void gather(size_t connections_max_wanted,
                std::function<void(std::vector<WorkerSnapshot>)> then);
    [[nodiscard]] std::string metrics_text(const std::vector<WorkerSnapshot>& snapshots);
    [[nodiscard]] NodeFacts node_facts() const;
    [[nodiscard]] std::vector<ListenerFacts> listener_facts(
        const std::vector<WorkerSnapshot>& snapshots) const;
    [[nodiscard]] ProcessStats process_stats() const;
    [[nodiscard]] uint32_t open_connections() const;
    Worker& least_loaded();
    void client_left(const PeerAddress& peer);

    [[nodiscard]] GenerationPtr make_generation(const config::Config& config,
                                                const std::vector<PortPtr>& with, uint64_t number);
    [[nodiscard]] size_t slot_of(const config::Listener& listener);
    void accept_for(const GenerationPtr& next, std::vector<PortPtr> open,
                    std::vector<PortPtr> retired);
    void reload(const std::function<void(bool, std::string)>& then);
    void take_effect(config::Config next, std::string& told);
    void reload_failed(std::vector<std::string> errors, std::string& told);

    void serve_successors();
    [[nodiscard]] std::vector<HandedSocket> duplicates() const;
    void taken_over();

    void drain();
    void stop_accepting();
    void poll_drained();
    void abort();
    void finished();
    Exit finish_wait();

    Options options;  // with the configuration as it was at the start
    IncidentSink sink;
    // Before the workers, whose routes look names up in it.
    asio::io_context control{1};
    InquirySources inquiry_sources{control};
    Inquiry inquiry{control, sink, inquiry_sources.functions()};
    Shared shared;
    NameMemory name_memory;
    AcceptGate gate;
    std::atomic<bool> counts_clients{false};
    std::vector<std::unique_ptr<Worker>> workers;
    // The acceptors run on the first worker's loop, so that a single worker adopts without a thread
    // switch.
    std::vector<PortPtr> ports;  // index = listener
    GenerationPtr generation;    // the newest
    std::vector<ListenerLabel> slots;
    std::vector<std::string> first_bound;  // at the start; any thread

    asio::executor_work_guard<Executor> work;
    asio::steady_timer drain_timer;
    std::optional<Takeover> takeover;
    std::unique_ptr<HandoverServer> handover;
    std::unique_ptr<FileWatch> watch;
    Checks checks{control};
    UsageReader usage;
    std::unique_ptr<Admin> admin;
    std::thread control_thread;
    const std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point drain_until;
    ConfigStatus status{
        .loaded_at = std::chrono::system_clock::now(), .failed_at = {}, .errors = {}};
    uint64_t reloads_ok = 0, reloads_failed = 0;
    std::chrono::system_clock::time_point last_reload = std::chrono::system_clock::now();
    bool draining = false;
    bool aborting = false;
    bool cut = false;

    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
};

void Runtime::Impl::make_workers() {
    try {
        for (size_t number = 0; number < shared.workers; ++number) {
            workers.push_back(std::make_unique<Worker>(number, shared, generation));
        }
    } catch (const std::system_error& error) {
        throw StartError(std::string("the workers can't have their event loops: ") + error.what() +
                         "; raise the limit of open files (ulimit -n)");
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

// Only where the limit is on: a hand-over to the acceptors' thread costs a wake-up.
void Runtime::Impl::client_left(const PeerAddress& peer) {
    if (!counts_clients.load(std::memory_order_relaxed)) return;
    Reactor& home = workers.front()->reactor();
    if (home.is_own_thread()) {
        gate.clients.leave(peer);
    } else {
        home.post([this, peer] { gate.clients.leave(peer); });
    }
}

void Runtime::Impl::start_admin(std::vector<HandedSocket>& handed) {
    try {
        admin = std::make_unique<Admin>(control, options.config.admin, admin_sources(),
                                        take_handed(handed, admin_kind, options.config.admin));
    } catch (const std::exception& error) {
        throw StartError(error.what());
    }
}

AdminSources Runtime::Impl::admin_sources() {
    AdminSources sources;
    sources.metrics = [this](std::function<void(std::string)> then) {
        gather(0, [this, then = std::move(then)](const std::vector<WorkerSnapshot>& snapshots) {
            then(metrics_text(snapshots));
        });
    };
    sources.connections = [this](size_t max, std::function<void(std::vector<ConnectionRow>)> then) {
        gather(max, [then = std::move(then), max](std::vector<WorkerSnapshot> snapshots) {
            then(rows_of(std::move(snapshots), max));
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
    sources.config_yaml = [this] { return config::to_yaml(generation->config); };
    sources.not_ready_reason = [this]() -> std::string {
        return draining ? "draining: this process is about to stop" : "";
    };
    sources.listener_names = [this] {
        std::vector<std::string> names;
        for (const ListenerLabel& slot : slots) names.push_back(slot.name);
        return names;
    };
    sources.config_status = [this] { return status; };
    sources.checks = [this] { return checks.states(); };
    sources.log_level = [] { return log_level(); };
    sources.set_log_level = [](std::string_view word) {
        if (!set_log_level(word)) return false;
        spdlog::info("the log level is now {}", word);
        return true;
    };
    sources.drain = [this] { drain(); };
    sources.node = [this] { return node_facts(); };
    sources.listeners = [this](size_t max, std::function<void(std::vector<ListenerFacts>)> then) {
        gather(max, [this, then = std::move(then)](const std::vector<WorkerSnapshot>& snapshots) {
            then(listener_facts(snapshots));
        });
    };
    sources.history = [this](std::function<void(IncidentHistory)> then) {
        sink.history([this, then = std::move(then)](IncidentHistory history) {
            asio::post(control, [then, history = std::move(history)]() mutable {
                then(std::move(history));
            });
        });
    };
    if (options.load) {
        sources.reload = [this](const std::function<void(bool, std::string)>& then) {
            reload(then);
        };
    }
    return sources;
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

NodeFacts Runtime::Impl::node_facts() const {
    return {.name = generation->config.node.name,
            .space = generation->config.node.namespace_,
            .version = options.version,
            .commit = options.commit,
            .started = started};
}

std::vector<ListenerFacts> Runtime::Impl::listener_facts(
    const std::vector<WorkerSnapshot>& snapshots) const {
    std::vector<SpokenCounts> spoken = spoken_now(snapshots, slots.size());
    std::vector<ListenerFacts> out;
    for (size_t index = 0; index < generation->config.listeners.size(); ++index) {
        const config::Listener& listener = generation->config.listeners[index];
        const size_t slot = generation->slots[index];
        ListenerFacts facts{
            .name = listener.name,
            .direction = listener.direction,
            .expect = listener.expect,
            .policy = config::policy_names[static_cast<size_t>(listener.on_mismatch)],
            .bound = to_text(ports[index]->socket.bound()),
            .upstream = listener.upstream.text(),
            .stats = {},
            .open = std::move(spoken[slot])};
        for (const WorkerSnapshot& snapshot : snapshots) {
            if (slot < snapshot.listeners.size()) facts.stats.add(snapshot.listeners[slot]);
        }
        out.push_back(std::move(facts));
    }
    return out;
}

std::string Runtime::Impl::metrics_text(const std::vector<WorkerSnapshot>& snapshots) {
    MetricsInput input;
    input.labels = slots;
    input.listeners.resize(slots.size());
    for (const WorkerSnapshot& snapshot : snapshots) {
        const size_t known = std::min(slots.size(), snapshot.listeners.size());
        for (size_t slot = 0; slot < known; ++slot) {
            input.listeners[slot].add(snapshot.listeners[slot]);
        }
    }
    for (const config::Listener& listener : generation->config.listeners) {
        ListenerInfo info{.name = listener.name,
                          .direction = listener.direction,
                          .expect = listener.expect,
                          .upstream = {}};
        for (const config::Address& address : listener.upstream.addresses) {
            info.upstream.push_back(address.text());
        }
        input.in_force.push_back(std::move(info));
    }
    input.process = process_stats();
    input.usage = usage.read();
    input.version = options.version;
    input.commit = options.commit;
    return render_metrics(input);
}

ProcessStats Runtime::Impl::process_stats() const {
    using std::chrono::seconds;
    ProcessStats process;
    process.config_reloads_ok = reloads_ok;
    process.config_reloads_failed = reloads_failed;
    process.config_last_reload_successful = !status.failed_at;
    process.config_last_reload_s =
        std::chrono::duration_cast<seconds>(last_reload.time_since_epoch()).count();
    process.incident_records_dropped = sink.dropped();
    process.accept_paused = gate.paused_total.load(std::memory_order_relaxed);
    for (size_t limit = 0; limit < limit_count; ++limit) {
        process.limits_reached[limit] = gate.reached[limit].load(std::memory_order_relaxed);
    }
    process.limits_reached[static_cast<size_t>(Limit::incident_queue)] = sink.dropped();
    process.inquiries = inquiry.counts();
    process.checks = checks.states();
    process.checks_done = checks.done();
    return process;
}

void Runtime::Impl::start() {
    for (const auto& worker : workers) worker->run();
    accept_for(generation, ports, {});
    // Whoever connects from here on waits in our queues: nobody is refused when the other goes.
    if (options.config.handover.is_unix()) serve_successors();
    if (takeover) {
        takeover->complete();
        takeover.reset();
        spdlog::info("took over the listening sockets of the process before");
    }
    checks.apply(options.config);
    if (options.load && !options.watched_file.empty()) {
        watch = std::make_unique<FileWatch>(
            control, options.watched_file, [this] { reload({}); }, options.watched_text);
    }
    control_thread = std::thread([this] {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, nullptr);
        pthread_setname_np(pthread_self(), "control");
        control.run();
    });
}

// ---- generations of the configuration

size_t Runtime::Impl::slot_of(const config::Listener& listener) {
    const auto known = std::find_if(slots.begin(), slots.end(), [&](const ListenerLabel& label) {
        return label.name == listener.name;
    });
    if (known == slots.end()) {
        slots.push_back({.name = listener.name, .direction = listener.direction});
        return slots.size() - 1;
    }
    known->direction = listener.direction;
    return static_cast<size_t>(known - slots.begin());
}

GenerationPtr Runtime::Impl::make_generation(const config::Config& config,
                                             const std::vector<PortPtr>& with, uint64_t number) {
    auto made =
        std::make_shared<Generation>(Generation{.number = number,
                                                .config = config,
                                                .registry = config::Registry(config.services),
                                                .own = {},
                                                .slots = {}});
    made->own.local = local_addresses();
    for (const PortPtr& port : with) made->own.bound.push_back(port->socket.bound());
    for (const config::Listener& listener : config.listeners) {
        made->slots.push_back(slot_of(listener));
    }
    return made;
}

// On the acceptors' thread: what comes in from now on belongs to `next`; what still waits at ports
// that go belongs to the generation before.
void Runtime::Impl::accept_for(const GenerationPtr& next, std::vector<PortPtr> open,
                               std::vector<PortPtr> retired) {
    counts_clients = next->config.limits.connections_per_client != 0;
    workers.front()->reactor().post([this, next, open = std::move(open),
                                     retired = std::move(retired)]() mutable {
        const config::Limits& limits = next->config.limits;
        gate.connections_max = connection_limit(next->config);
        gate.clients.set_limit(limits.connections_per_client);
        if (gate.rate.per_second() != limits.accept_rate) {
            gate.rate = AcceptRate(limits.accept_rate);
        }
        for (const PortPtr& port : retired) {
            if (port->acceptor) port->acceptor->stop();
        }
        for (size_t index = 0; index < open.size(); ++index) {
            auto& acceptor = open[index]->acceptor;
            if (!acceptor) {
                acceptor = std::make_unique<Acceptor>(*workers.front(), open[index]->socket, gate);
            }
            acceptor->aim(
                next->config.listeners[index].name,
                [this, to = Destination{next, index}](UniqueFd fd, const PeerAddress& peer) {
                    least_loaded().hand_over(to, std::move(fd), peer);
                });
        }
        retired.clear();
    });
}

void Runtime::Impl::reload(const std::function<void(bool, std::string)>& then) {
    std::string told;
    bool ok = false;
    last_reload = std::chrono::system_clock::now();
    if (draining || !options.load) {
        told = "not reloaded: this process is about to stop";
    } else {
        auto loaded = options.load();
        if (auto* errors = std::get_if<std::vector<std::string>>(&loaded)) {
            reload_failed(std::move(*errors), told);
        } else {
            try {
                take_effect(std::move(std::get<config::Config>(loaded)), told);
                ok = true;
            } catch (const StartError& error) {
                reload_failed({error.what()}, told);
            }
        }
    }
    if (then) then(ok, told);
}

void Runtime::Impl::reload_failed(std::vector<std::string> errors, std::string& told) {
    ++reloads_failed;
    spdlog::error("the configuration was not reloaded, the one before stays in effect: {} error{}",
                  errors.size(), errors.size() == 1 ? "" : "s");
    for (const std::string& error : errors) {
        spdlog::error("{}", error);
        told += error + "\n";
    }
    status.failed_at = last_reload;
    status.errors = std::move(errors);
}

void Runtime::Impl::take_effect(config::Config next, std::string& told) {
    const config::Config& present = generation->config;
    if (next.node.name.empty()) next.node.name = present.node.name;
    std::vector<HandedSocket> none;
    std::vector<PortPtr> open = open_ports(next, ports, none);
    if (slots.size() + next.listeners.size() > slots_max) {
        throw StartError("too many different listener names since the start; restart the process");
    }
    told = "reloaded: " + describe_changes(present, next);
    const auto restart = needs_restart(options.config, next);
    for (const std::string& key : restart) {
        told += (&key == &restart.front() ? "; needs a restart: " : ", ") + key;
    }
    if (present.log.level != next.log.level) set_log_level(next.log.level);
    GenerationPtr made = make_generation(next, open, generation->number + 1);
    // The acceptors' thread gets the last hold on the ports that go: they end there.
    std::vector<PortPtr> retired = without(ports, open);
    ports = std::move(open);
    generation = made;
    for (const auto& worker : workers) worker->use(made);
    accept_for(made, ports, std::move(retired));
    checks.apply(next);
    inquiry.apply(next, made->own);
    ++reloads_ok;
    status = {.loaded_at = last_reload, .failed_at = {}, .errors = {}};
    spdlog::info("{}", told);
    told += "\n";
}

// ---- a successor

void Runtime::Impl::serve_successors() {
    handover = std::make_unique<HandoverServer>(
        control, options.config.handover, [this] { return duplicates(); },
        [this] { taken_over(); });
}

std::vector<HandedSocket> Runtime::Impl::duplicates() const {
    std::vector<HandedSocket> sockets;
    for (const PortPtr& port : ports) {
        UniqueFd fd(::fcntl(port->socket.fd(), F_DUPFD_CLOEXEC, 0));
        if (!fd.is_open()) continue;  // the successor binds it, and tells why it can't
        sockets.push_back({.kind = std::string(listener_kind),
                           .address = port->address.text(),
                           .fd = std::move(fd)});
    }
    if (!admin) return sockets;
    UniqueFd fd = admin->duplicate();
    if (!fd.is_open()) return sockets;
    sockets.push_back({.kind = std::string(admin_kind),
                       .address = options.config.admin.text(),
                       .fd = std::move(fd)});
    return sockets;
}

void Runtime::Impl::taken_over() {
    spdlog::info("a successor accepts now; open connections may finish here");
    if (draining) return;
    if (admin) admin->give_away();
    workers.front()->reactor().post([open = ports] {
        for (const PortPtr& port : open) {
            if (port->acceptor) port->acceptor->give_away();
        }
    });
    drain();
}

// ---- the orderly end, on the control thread

void Runtime::Impl::drain() {
    if (draining) return;
    draining = true;
    if (handover) handover->stop();
    if (watch) watch->stop();
    checks.stop();
    const auto& timeouts = generation->config.timeouts;
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
    workers.front()->reactor().post([this, open = ports] {
        for (const PortPtr& port : open) {
            if (port->acceptor) port->acceptor->stop();
        }
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
    // What waits for an answer is written as it is.
    inquiry.stop();
    inquiry_sources.stop();
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

void Runtime::reload() {
    asio::post(impl_->control, [impl = impl_.get()] { impl->reload({}); });
}

std::string Runtime::listener_address(size_t index) const {
    return impl_->first_bound[index];
}

}  // namespace telltale::proxy
