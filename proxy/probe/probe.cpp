#include "proxy/probe/probe.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "proxy/endpoint.h"
#include "proxy/probe/port_probe.h"
#include "sniff/words.h"

namespace telltale::proxy::probe {

namespace {

using Clock = std::chrono::steady_clock;
using Tcp = asio::ip::tcp;

// Each has two connections open at once, three for a moment.
constexpr size_t siblings_at_once = 2;

}  // namespace

struct Probe::Impl : std::enable_shared_from_this<Probe::Impl> {
    Impl(asio::io_context& on, Target asked, Options given)
        : context(on), options(std::move(given)), resolver(on), name_limit(on), total_limit(on) {
        report.target = std::move(asked);
        if (options.siblings.size() > siblings_max) options.siblings.resize(siblings_max);
    }

    void start();
    void resolve();
    void on_resolved(const ErrorCode& error, const Tcp::resolver::results_type& results);
    void on_no_name_in_time();
    void no_name(std::string why);
    void ask();
    void on_asked(const Observations& seen);
    [[nodiscard]] bool wants_siblings() const;
    void ask_siblings();
    void on_sibling(size_t index, const Observations& seen);
    void cut();
    void finish();
    void cancel();

    asio::io_context& context;
    Options options;
    asio::ip::basic_resolver<Tcp, Executor> resolver;
    asio::steady_timer name_limit;
    asio::steady_timer total_limit;
    Clock::time_point started;
    Done done;
    Report report;
    std::vector<Endpoint> endpoints;
    std::shared_ptr<PortProbe> own;
    std::vector<std::shared_ptr<PortProbe>> siblings;  // by place; empty: not begun
    size_t begun = 0;
    size_t open = 0;
    bool over = false;
    bool is_cut = false;
};

void Probe::Impl::start() {
    started = Clock::now();
    total_limit.expires_after(options.total);
    total_limit.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (!error && !self->over) self->cut();
    });
    const auto numeric = numeric_endpoint({.host = report.target.host, .port = report.target.port});
    if (!numeric) return resolve();
    endpoints = {*numeric};
    ask();
}

void Probe::Impl::resolve() {
    name_limit.expires_after(options.timeout);
    name_limit.async_wait([self = shared_from_this()](const ErrorCode& error) {
        if (!error && !self->over && self->endpoints.empty()) self->on_no_name_in_time();
    });
    resolver.async_resolve(report.target.host, std::to_string(report.target.port),
                           Tcp::resolver::numeric_service,
                           [self = shared_from_this()](const ErrorCode& error,
                                                       const Tcp::resolver::results_type& results) {
                               if (!self->over) self->on_resolved(error, results);
                           });
}

void Probe::Impl::on_resolved(const ErrorCode& error, const Tcp::resolver::results_type& results) {
    name_limit.cancel();
    if (error) return no_name(error.message());
    for (const auto& result : results) {
        const Endpoint endpoint(result.endpoint());
        const bool known =
            std::find(endpoints.begin(), endpoints.end(), endpoint) != endpoints.end();
        if (!known && endpoints.size() < addresses_max) endpoints.push_back(endpoint);
    }
    if (endpoints.empty()) return no_name("it has no address");
    ask();
}

void Probe::Impl::on_no_name_in_time() {
    report.seen.still_resolving = true;
    resolver.cancel();
    no_name("no answer within " + sniff::duration_words(options.timeout.count()));
}

void Probe::Impl::no_name(std::string why) {
    report.seen.resolve_error = std::move(why);
    report.verdict = judge(report.target, report.seen);
    finish();
}

void Probe::Impl::ask() {
    own = std::make_shared<PortProbe>(context, endpoints, report.target, options, options.depth);
    own->start([self = shared_from_this()](const Observations& seen) { self->on_asked(seen); });
}

void Probe::Impl::on_asked(const Observations& seen) {
    report.seen = seen;
    report.verdict = judge(report.target, report.seen);
    if (!wants_siblings()) return finish();
    for (const Sibling& sibling : options.siblings) {
        report.siblings.push_back(
            {.port = sibling.port, .why = sibling.why, .seen = {}, .verdict = {}});
    }
    siblings.resize(report.siblings.size());
    ask_siblings();
}

bool Probe::Impl::wants_siblings() const {
    if (is_cut || options.siblings.empty()) return false;
    switch (options.try_siblings) {
        case TrySiblings::never:
            return false;
        case TrySiblings::without_grpc:
            return report.verdict.outlook != Outlook::works;
        case TrySiblings::always:
            return true;
    }
    return false;
}

void Probe::Impl::ask_siblings() {
    while (!is_cut && open < siblings_at_once && begun < siblings.size()) {
        const size_t index = begun++;
        std::vector<Endpoint> there;
        for (const Endpoint& endpoint : endpoints) {
            // The address that answered tells whose sibling it is.
            const bool answered = report.seen.connected();
            if (answered && to_text(endpoint) != report.seen.address) continue;
            there.push_back(with_port(endpoint, report.siblings[index].port));
        }
        const Target target{.host = report.target.host, .port = report.siblings[index].port};
        siblings[index] =
            std::make_shared<PortProbe>(context, std::move(there), target, options, Depth::light);
        ++open;
        siblings[index]->start([self = shared_from_this(), index](const Observations& seen) {
            self->on_sibling(index, seen);
        });
    }
    if (open == 0) finish();
}

void Probe::Impl::on_sibling(size_t index, const Observations& seen) {
    PortReport& sibling = report.siblings[index];
    sibling.seen = seen;
    sibling.verdict = judge({.host = report.target.host, .port = sibling.port}, sibling.seen);
    --open;
    ask_siblings();
}

void Probe::Impl::cut() {
    is_cut = true;
    const auto self = shared_from_this();
    if (!own) {
        report.seen.cut = true;
        return on_no_name_in_time();
    }
    own->cut();
    const auto running = siblings;
    for (const auto& sibling : running) {
        if (sibling) sibling->cut();
    }
}

void Probe::Impl::finish() {
    if (over) return;
    over = true;
    name_limit.cancel();
    total_limit.cancel();
    // Those that the time did not suffice for.
    for (size_t i = begun; i < report.siblings.size(); ++i) report.siblings[i].seen.cut = true;
    for (size_t i = begun; i < report.siblings.size(); ++i) {
        PortReport& late = report.siblings[i];
        late.verdict = judge({.host = report.target.host, .port = late.port}, late.seen);
    }
    report.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started);
    if (const Done tell = std::exchange(done, nullptr)) tell(report);
}

void Probe::Impl::cancel() {
    over = true;
    done = nullptr;
    resolver.cancel();
    name_limit.cancel();
    total_limit.cancel();
    if (own) own->cancel();
    for (const auto& sibling : siblings) {
        if (sibling) sibling->cancel();
    }
}

Probe::Probe(asio::io_context& context, Target target, Options options)
    : impl_(std::make_shared<Impl>(context, std::move(target), std::move(options))) {}

Probe::~Probe() {
    impl_->cancel();
}

void Probe::start(Done done) {
    impl_->done = std::move(done);
    impl_->start();
}

void Probe::cancel() {
    impl_->cancel();
}

sniff::ConfirmedPort confirmed(uint16_t port, const Observations& seen, const Verdict& verdict) {
    return {.port = port, .spoken = verdict.spoken, .metrics = seen.metrics.prometheus};
}

}  // namespace telltale::proxy::probe
