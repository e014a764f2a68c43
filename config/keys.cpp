#include "config/keys.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

namespace telltale::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr size_t listeners_max = 256;  // each is a set of metric series
constexpr size_t services_max = 4096;
constexpr size_t addresses_max = 1024;
constexpr size_t data_sets_max = 16;
constexpr size_t source_max = 80;
constexpr uint16_t port_max = 65535;
constexpr size_t confirm_ports_max = 16;

// A sub-mapping whose keys fill the same struct as the keys around it.
template <typename T>
Key<T> group(std::string name, Keys<T> keys) {
    std::vector<std::string> below;
    for (const Key<T>& key : keys) below.push_back("." + key.name);
    return {.name = std::move(name),
            .expected = "a mapping",
            .read = [keys](const Field& field, T& target) { read_mapping(field, keys, target); },
            .write = [keys](const T& source) -> std::optional<YamlNode> {
                return write_mapping(keys, source);
            },
            .below = std::move(below)};
}

// A key that is reserved for a later version: refused with a clear sentence, never written.
template <typename T>
Key<T> unsupported(std::string name, std::string instead) {
    return {.name = std::move(name),
            .expected = instead,
            .read =
                [instead](const Field& field, T&) {
                    field.fail_at(
                        field.node.key_line, field.path,
                        "got a key that is not supported by this version, expected " + instead);
                },
            .write = [](const T&) -> std::optional<YamlNode> { return std::nullopt; }};
}

const YamlNode* find_child(const YamlNode& node, std::string_view key) {
    const auto found = std::find_if(node.children.begin(), node.children.end(),
                                    [key](const YamlNode& child) { return child.key == key; });
    return found == node.children.end() ? nullptr : &*found;
}

// ---- node, admin

Keys<Node> node_keys() {
    return {
        scalar("name", &Node::name, node_name()),
        scalar("namespace", &Node::namespace_, node_name()),
    };
}

Key<Config> admin_listen_key() {
    const auto kind = admin_address();
    return {.name = "listen",
            .expected = kind.expected,
            .read =
                [kind](const Field& field, Config& config) {
                    const auto value = read_value(field, kind);
                    if (!value) return;
                    config.admin_enabled = value->has_value();
                    if (value->has_value()) config.admin = **value;
                },
            .write = [](const Config& config) -> std::optional<YamlNode> {
                return yaml_scalar(config.admin_enabled ? config.admin.text() : "none");
            }};
}

// ---- listeners

// One address says the same as a list of one.
Key<Upstream> upstream_address_key() {
    const auto kind = upstream_address();
    return {.name = "address",
            .expected = kind.expected,
            .read =
                [kind](const Field& field, Upstream& upstream) {
                    if (auto value = read_value(field, kind)) upstream.addresses = {*value};
                },
            .write = [kind](const Upstream& upstream) -> std::optional<YamlNode> {
                if (upstream.addresses.size() != 1) return std::nullopt;
                return yaml_scalar(kind.text(upstream.addresses.front()));
            }};
}

Key<Upstream> upstream_addresses_key() {
    Key<Upstream> key =
        list("addresses", &Upstream::addresses,
             values<Upstream>("a list of addresses", upstreams_max, upstream_address()));
    key.write = [write = key.write](const Upstream& upstream) -> std::optional<YamlNode> {
        if (upstream.addresses.size() == 1) return std::nullopt;
        return write(upstream);
    };
    return key;
}

Keys<Upstream> upstream_keys() {
    return {
        upstream_address_key(),
        upstream_addresses_key(),
        scalar("balance", &Upstream::balance, word_of<Balance>(balance_names)),
        scalar("resolve", &Upstream::resolve, duration_between(seconds(1), hours(24))),
        scalar("check", &Upstream::check, duration_between(milliseconds(0), hours(1))),
        unsupported<Upstream>("original_destination", "address"),
    };
}

// Exactly one of `address` and `addresses`.
void check_upstream(const Field& field) {
    const YamlNode* const address = find_child(field.node, "address");
    const YamlNode* const addresses = find_child(field.node, "addresses");
    if (address == nullptr && addresses == nullptr) {
        const std::string path = field.child(field.node, "address").path;
        field.fail_at(field.node.line, path,
                      "got nothing, expected " + upstream_address().expected);
    } else if (address != nullptr && addresses != nullptr) {
        field.child(*addresses, "addresses").fail("got it beside address, expected one of the two");
    } else if (addresses != nullptr && addresses->children.empty() &&
               (addresses->kind == YamlNode::Kind::list ||
                addresses->kind == YamlNode::Kind::null)) {
        field.child(*addresses, "addresses").fail("got an empty list, expected an address");
    }
}

// `upstream: host:port` says the same as `upstream: {address: "host:port"}`.
Key<Listener> upstream_key() {
    Key<Listener> key = mapping("upstream", &Listener::upstream, upstream_keys());
    const Key<Upstream> address = upstream_address_key();
    key.expected = address.expected;
    key.read = [address, as_mapping = key.read](const Field& field, Listener& listener) {
        if (field.node.kind != YamlNode::Kind::mapping) {
            address.read(field, listener.upstream);
            return;
        }
        as_mapping(field, listener);
        check_upstream(field);
    };
    return key;
}

Keys<Listener> listener_keys() {
    return {
        required(scalar("name", &Listener::name, label_name())),
        required(scalar("listen", &Listener::listen, listen_address())),
        scalar("direction", &Listener::direction, direction_word()),
        scalar("expect", &Listener::expect, expect_word()),
        required(upstream_key()),
        scalar("on_mismatch", &Listener::on_mismatch, policy_word()),
    };
}

// ---- policies

Keys<Answer> answer_keys() {
    return {
        scalar("show_addresses", &Answer::show_addresses, yes_or_no()),
        scalar("linger", &Answer::linger, duration_between(milliseconds(0), minutes(1))),
    };
}

Keys<Reroute> reroute_keys() {
    return {
        scalar("attempts", &Reroute::attempts, number_between<uint32_t>(0, 8)),
        scalar("eject_s", &Reroute::eject_s, number_between<uint32_t>(0, 86400)),
        scalar("correct_port", &Reroute::correct_port, yes_or_no()),
    };
}

// ---- registry

struct RegistryDraft {
    std::vector<std::string> include;
    std::vector<Service> services;
};

Keys<Service> service_keys() {
    const auto port = number_between<uint16_t>(0, port_max);
    return {
        required(scalar("name", &Service::name, service_name())),
        scalar("grpc", &Service::grpc, port),
        scalar("metrics", &Service::metrics, port),
        list("addresses", &Service::addresses,
             values<Service>("a list of IP addresses", addresses_max, ip_address())),
        scalar("source", &Service::source, printable_text(source_max)),
    };
}

Keys<RegistryDraft> registry_keys() {
    return {
        list("include", &RegistryDraft::include,
             values<RegistryDraft>("a list of built-in data sets, such as [openim]", data_sets_max,
                                   printable_text(source_max))),
        list("services", &RegistryDraft::services,
             mappings<RegistryDraft>("a list of services", services_max, service_keys())),
    };
}

void check_service(const Field& field, const Service& service) {
    if (service.grpc != 0 && service.grpc == service.metrics) {
        field.fail("got " + std::to_string(service.grpc) +
                   " for both grpc and metrics, expected two ports");
    }
    const YamlNode& node = field.node;
    const bool has_facts = find_child(node, "grpc") != nullptr ||
                           find_child(node, "metrics") != nullptr ||
                           find_child(node, "addresses") != nullptr;
    if (node.kind == YamlNode::Kind::mapping && !has_facts) {
        field.fail("got a service with a name only, expected grpc, metrics or addresses");
    }
}

// What one row cannot see by itself.
void check_services(const Field& registry, const std::vector<Service>& services) {
    const YamlNode* const node = find_child(registry.node, "services");
    if (node == nullptr || node->children.size() != services.size()) return;
    const Field list = registry.child(*node, "services");
    std::set<std::string> names;
    for (size_t i = 0; i < services.size(); ++i) {
        check_service(list.item(i), services[i]);
        const std::string& name = services[i].name;
        if (!name.empty() && !names.insert(name).second) {
            list.item(i).fail(got_expected(name, "a name that no other service has"));
        }
    }
}

std::vector<Service> read_includes(const Field& registry, const std::vector<std::string>& names) {
    std::vector<Service> services;
    const YamlNode* const node = find_child(registry.node, "include");
    if (node == nullptr || node->children.size() != names.size()) return services;
    const Field list = registry.child(*node, "include");
    std::set<std::string> seen;
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) continue;  // was no text, which has been reported
        if (!seen.insert(names[i]).second) {
            list.item(i).fail(got_expected(names[i], "each data set once"));
            continue;
        }
        const auto& data_sets = registry.context.data_sets;
        const auto text = data_sets ? data_sets(names[i]) : std::nullopt;
        if (!text) {
            list.item(i).fail(got_expected(names[i], "a built-in data set, such as openim"));
            continue;
        }
        auto set = read_data_set(registry.context, names[i], *text);
        std::move(set.begin(), set.end(), std::back_inserter(services));
    }
    return services;
}

// A later row with the same name replaces an earlier one: the file corrects the data sets.
std::vector<Service> merged(std::vector<Service> services, const std::vector<Service>& later) {
    const auto is_replaced = [&later](const Service& service) {
        return std::any_of(later.begin(), later.end(),
                           [&](const Service& other) { return other.name == service.name; });
    };
    services.erase(std::remove_if(services.begin(), services.end(), is_replaced), services.end());
    services.insert(services.end(), later.begin(), later.end());
    return services;
}

Key<Config> registry_key() {
    const auto keys = registry_keys();
    std::vector<std::string> below;
    for (const auto& key : keys) {
        below.push_back("." + key.name);
        for (const std::string& path : key.below) below.push_back("." + key.name + path);
    }
    return {.name = "registry",
            .expected = "a mapping",
            .read =
                [keys](const Field& field, Config& config) {
                    RegistryDraft draft;
                    read_mapping(field, keys, draft);
                    check_services(field, draft.services);
                    config.services = merged(read_includes(field, draft.include), draft.services);
                },
            .write = [keys](const Config& config) -> std::optional<YamlNode> {
                return write_mapping(keys, {.include = {}, .services = config.services});
            },
            .below = std::move(below)};
}

// ---- what is asked after an incident

Keys<Names> names_keys() {
    return {
        scalar("dns", &Names::dns, yes_or_no()),
        scalar("timeout", &Names::timeout, duration_between(milliseconds(10), seconds(5))),
        scalar("per_second", &Names::per_second, number_between<uint32_t>(1, 1000)),
    };
}

Keys<Confirm> confirm_keys() {
    return {
        scalar("enabled", &Confirm::enabled, yes_or_no()),
        list("ports", &Confirm::ports,
             values<Confirm>("a list of ports", confirm_ports_max,
                             number_between<uint16_t>(1, port_max))),
        scalar("timeout", &Confirm::timeout, duration_between(milliseconds(100), seconds(10))),
        scalar("again_after", &Confirm::again_after, duration_between(seconds(1), hours(24))),
        scalar("per_minute", &Confirm::per_minute, number_between<uint32_t>(1, 6000)),
    };
}

// ---- numbers

Keys<Timeouts> timeouts_keys() {
    return {
        scalar("connect", &Timeouts::connect, duration_between(milliseconds(1), minutes(10))),
        scalar("idle", &Timeouts::idle, duration_between(milliseconds(0), hours(720))),
        scalar("half_closed", &Timeouts::half_closed,
               duration_between(milliseconds(1), hours(720))),
        scalar("drain", &Timeouts::drain, duration_between(milliseconds(0), hours(24))),
        scalar("drain_delay", &Timeouts::drain_delay, duration_between(milliseconds(0), hours(1))),
    };
}

Keys<Sniff> sniff_keys() {
    return {
        scalar("window_bytes", &Sniff::window_bytes, number_between<uint32_t>(512, 1U << 20U)),
        scalar("preface_hold", &Sniff::preface_hold,
               duration_between(milliseconds(0), seconds(10))),
        scalar("settle", &Sniff::settle, duration_between(milliseconds(0), seconds(10))),
        scalar("silent_after", &Sniff::silent_after, duration_between(milliseconds(1), hours(1))),
    };
}

Keys<Limits> limits_keys() {
    return {
        scalar("connections", &Limits::connections, number_between<uint32_t>(0, 1'000'000)),
        scalar("connections_per_client", &Limits::connections_per_client,
               number_between<uint32_t>(0, 1'000'000)),
        scalar("accept_rate", &Limits::accept_rate, number_between<uint32_t>(0, 1'000'000)),
        scalar("incident_queue", &Limits::incident_queue, number_between<uint32_t>(1, 1'000'000)),
        scalar("incidents_kept", &Limits::incidents_kept, number_between<uint32_t>(0, 10'000)),
        scalar("buffered_bytes", &Limits::buffered_bytes,
               number_between<uint64_t>(1U << 20U, uint64_t{1} << 40U)),
        scalar("first_flight_bytes", &Limits::first_flight_bytes,
               number_between<uint32_t>(4096, 262144)),
    };
}

Keys<Log> log_keys() {
    return {
        scalar("format", &Log::format, log_format_word()),
        scalar("level", &Log::level, log_level_word()),
    };
}

}  // namespace

const Keys<Config>& config_keys() {
    static const Keys<Config> keys = {
        mapping("node", &Config::node, node_keys()),
        group<Config>("admin", {admin_listen_key()}),
        scalar("workers", &Config::workers, worker_count()),
        scalar("handover", &Config::handover, handover_address()),
        list("listeners", &Config::listeners,
             mappings<Config>("a list of listeners", listeners_max, listener_keys())),
        mapping("answer", &Config::answer, answer_keys()),
        mapping("reroute", &Config::reroute, reroute_keys()),
        registry_key(),
        mapping("names", &Config::names, names_keys()),
        mapping("confirm", &Config::confirm, confirm_keys()),
        mapping("timeouts", &Config::timeouts, timeouts_keys()),
        mapping("sniff", &Config::sniff, sniff_keys()),
        mapping("limits", &Config::limits, limits_keys()),
        mapping("log", &Config::log, log_keys()),
        scalar("runbook_url", &Config::runbook_url, http_url()),
    };
    return keys;
}

std::vector<std::string> all_key_paths() {
    std::vector<std::string> paths;
    for (const Key<Config>& key : config_keys()) {
        paths.push_back(key.name);
        for (const std::string& below : key.below) paths.push_back(key.name + below);
    }
    return paths;
}

std::vector<Service> read_data_set(const Context& context, const std::string& name,
                                   const std::string& text) {
    const std::string source = name + " data set";
    const Environment nothing;
    Context own{.file = source,
                .environment = nothing,
                .data_sets = context.data_sets,
                .report = context.report};
    auto tree = read_yaml(text);
    if (auto* error = std::get_if<Error>(&tree)) {
        error->file = source;
        context.report.add(std::move(*error));
        return {};
    }
    const Field root{own, std::get<YamlNode>(tree), ""};
    Keys<RegistryDraft> keys = registry_keys();
    keys.erase(keys.begin());  // a data set includes no other
    RegistryDraft draft;
    read_mapping(root, keys, draft);
    check_services(root, draft.services);
    for (Service& service : draft.services) service.source = source;
    return std::move(draft.services);
}

}  // namespace telltale::config
