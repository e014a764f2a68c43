#include "config/overrides.h"

#include <array>
#include <utility>

#include "config/values.h"

namespace telltale::config {
namespace {

using Flag = std::optional<std::string>;

struct Row {
    Flag Overrides::*member;
    std::string_view flag;
    std::string_view variable;
};

constexpr std::array<Row, 11> rows = {{
    {&Overrides::listen, "--listen", "TELLTALE_LISTEN"},
    {&Overrides::upstream, "--upstream", "TELLTALE_UPSTREAM"},
    {&Overrides::on_mismatch, "--on-mismatch", "TELLTALE_ON_MISMATCH"},
    {&Overrides::admin, "--admin", "TELLTALE_ADMIN"},
    {&Overrides::handover, "--handover", "TELLTALE_HANDOVER"},
    {&Overrides::log_format, "--log-format", "TELLTALE_LOG_FORMAT"},
    {&Overrides::log_level, "--log-level", "TELLTALE_LOG_LEVEL"},
    {&Overrides::expect, "--expect", "TELLTALE_EXPECT"},
    {&Overrides::direction, "--direction", "TELLTALE_DIRECTION"},
    {&Overrides::workers, "--workers", "TELLTALE_WORKERS"},
    {&Overrides::node_name, "--node-name", "TELLTALE_NODE_NAME"},
}};

// The flags that say something about one listener.
constexpr std::array<Flag Overrides::*, 5> listener_flags = {
    &Overrides::listen, &Overrides::upstream, &Overrides::expect, &Overrides::direction,
    &Overrides::on_mismatch};

void fail(Flag Overrides::*member, std::string text, Report& report) {
    for (const Row& row : rows) {
        if (row.member != member) continue;
        const std::string name = std::string(row.flag) + " or " + std::string(row.variable);
        report.add({.file = {}, .line = 0, .path = name, .text = std::move(text)});
    }
}

template <typename V>
void apply(const Overrides& overrides, Flag Overrides::*member, const ValueKind<V>& kind, V& target,
           Report& report) {
    const Flag& flag = overrides.*member;
    if (!flag) return;
    Parsed<V> parsed = kind.parse(*flag);
    if (parsed.value) {
        target = std::move(*parsed.value);
    } else {
        fail(member, parsed.problem, report);
    }
}

void apply_to_listener(const Overrides& overrides, Listener& listener, Report& report) {
    apply(overrides, &Overrides::listen, listen_address(), listener.listen, report);
    if (overrides.upstream) {
        Address upstream;
        apply(overrides, &Overrides::upstream, upstream_address(), upstream, report);
        listener.upstream.addresses = {upstream};
    }
    apply(overrides, &Overrides::expect, expect_word(), listener.expect, report);
    apply(overrides, &Overrides::direction, direction_word(), listener.direction, report);
    apply(overrides, &Overrides::on_mismatch, policy_word(), listener.on_mismatch, report);
}

void apply_to_listeners(const Overrides& overrides, std::vector<Listener>& listeners,
                        Report& report) {
    if (listeners.size() > 1) {
        const std::string count = std::to_string(listeners.size());
        for (Flag Overrides::*const member : listener_flags) {
            if (!(overrides.*member)) continue;
            fail(member,
                 "got " + quoted(*(overrides.*member)) + " for a file of " + count +
                     " listeners, expected it in the file: a flag cannot say which one it means",
                 report);
        }
        return;
    }
    if (listeners.size() == 1) return apply_to_listener(overrides, listeners.front(), report);
    if (!overrides.listen && !overrides.upstream) return;
    if (!overrides.listen) {
        fail(&Overrides::listen, "got nothing, expected an address to listen on with --upstream",
             report);
    }
    if (!overrides.upstream) {
        fail(&Overrides::upstream, "got nothing, expected the upstream's address with --listen",
             report);
    }
    listeners.emplace_back().name = "default";
    apply_to_listener(overrides, listeners.front(), report);
}

}  // namespace

Overrides with_environment(Overrides flags, const Environment& environment) {
    if (!environment) return flags;
    for (const Row& row : rows) {
        Flag& flag = flags.*(row.member);
        if (flag) continue;
        // Set but empty is how manifests say "not set".
        if (auto value = environment(std::string(row.variable)); value && !value->empty()) {
            flag = std::move(value);
        }
    }
    return flags;
}

void apply_overrides(const Overrides& overrides, Config& config, Report& report) {
    apply_to_listeners(overrides, config.listeners, report);
    apply(overrides, &Overrides::log_format, log_format_word(), config.log.format, report);
    apply(overrides, &Overrides::log_level, log_level_word(), config.log.level, report);
    apply(overrides, &Overrides::workers, worker_count(), config.workers, report);
    apply(overrides, &Overrides::node_name, node_name(), config.node.name, report);
    apply(overrides, &Overrides::handover, handover_address(), config.handover, report);

    std::optional<Address> admin;
    if (config.admin_enabled) admin = config.admin;
    apply(overrides, &Overrides::admin, admin_address(), admin, report);
    config.admin_enabled = admin.has_value();
    if (admin) config.admin = *admin;
}

}  // namespace telltale::config
