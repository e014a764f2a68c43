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

Keys<Listener> upstream_keys() {
    return {
        required(scalar("address", &Listener::upstream, upstream_address())),
        unsupported<Listener>("original_destination", "address"),
    };
}

// `upstream: host:port` says the same as `upstream: {address: "host:port"}`.
Key<Listener> upstream_key() {
    Key<Listener> key = group("upstream", upstream_keys());
    const Key<Listener> address = scalar("upstream", &Listener::upstream, upstream_address());
    key.expected = address.expected;
    key.read = [address, as_mapping = key.read](const Field& field, Listener& listener) {
        const bool is_mapping = field.node.kind == YamlNode::Kind::mapping;
        (is_mapping ? as_mapping : address.read)(field, listener);
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
        scalar("on_mismatch", &Listener::on_mismatch, policy()),
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

const YamlNode* find_child(const YamlNode& node, std::string_view key) {
    const auto found = std::find_if(node.children.begin(), node.children.end(),
                                    [key](const YamlNode& child) { return child.key == key; });
    return found == node.children.end() ? nullptr : &*found;
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
        scalar("incident_queue", &Limits::incident_queue, number_between<uint32_t>(1, 1'000'000)),
        scalar("incidents_kept", &Limits::incidents_kept, number_between<uint32_t>(0, 10'000)),
        scalar("buffered_bytes", &Limits::buffered_bytes,
               number_between<uint64_t>(1U << 20U, uint64_t{1} << 40U)),
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
        list("listeners", &Config::listeners,
             mappings<Config>("a list of listeners", listeners_max, listener_keys())),
        registry_key(),
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
