#include "proxy/probe/siblings.h"

#include <algorithm>
#include <array>
#include <optional>

#include "config/address.h"
#include "config/registry.h"
#include "sniff/escape.h"

namespace telltale::proxy::probe {

namespace {

constexpr size_t shown_max = 60;

// Defaults, each as the program's own pages tell them.
// clang-format off
constexpr auto pairs = std::to_array<PortPair>({
    {"OTLP", 4318, "OTLP over HTTP", 4317, "https://opentelemetry.io/docs/specs/otel/protocol/exporter/"},
    {"Qdrant", 6333, "REST", 6334, "https://qdrant.tech/documentation/cloud/cluster-access/"},
    {"etcd", 2380, "peers", 2379, "https://github.com/etcd-io/etcd/blob/main/hack/kubernetes-deploy/etcd.yml"},
    {"SkyWalking OAP", 12800, "REST", 11800, "https://skywalking.apache.org/docs/skywalking-helm/next/expose/oap-endpoints/"},
    {"Dgraph Alpha", 8080, "HTTP", 9080, "https://dgraph.io/docs/deploy/security/ports-usage"},
    {"Dgraph Zero", 6080, "HTTP", 5080, "https://dgraph.io/docs/deploy/security/ports-usage"},
    {"Nacos", 8848, "HTTP", 9848, "https://nacos.io/blog/faq/nacos-user-question-history15151/"},
    {"Nacos, between servers", 8848, "HTTP", 9849, "https://nacos.io/blog/faq/nacos-user-question-history15151/"},
    {"Jaeger collector", 14268, "Thrift over HTTP", 14250, "https://grafana.com/docs/alloy/latest/reference/components/otelcol/otelcol.receiver.jaeger/"},
    {"Tempo", 3200, "HTTP", 9095, "https://grafana.com/docs/tempo/latest/configuration/manifest/"},
    {"Loki", 3100, "HTTP", 9095, "https://grafana.com/docs/loki/next/reference/network-ports/"},
    {"Triton", 8000, "HTTP", 8001, "https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/README.html"},
    {"Triton", 8002, "metrics", 8001, "https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/README.html"},
    {"ClickHouse", 8123, "HTTP", 9100, "https://clickhouse.com/docs/guides/sre/network-ports"},
    {"Milvus", 9091, "metrics and health", 19530, "https://milvus.io/docs/v2.3.x/manage_connection.md"},
    {"Weaviate", 8080, "REST", 50051, "https://docs.weaviate.io/weaviate/installation/docker"},
    {"Dapr", 3500, "HTTP", 50001, "https://docs.dapr.io/reference/arguments-annotations-overview"},
    {"Consul", 8500, "HTTP", 8502, "https://developer.hashicorp.com/consul/docs/install/ports"},
    {"Consul with TLS", 8501, "HTTPS", 8503, "https://developer.hashicorp.com/consul/docs/install/ports"},
    {"Zeebe", 8080, "REST", 26500, "https://docs.camunda.io/docs/self-managed/zeebe-deployment/operations/network-ports/"},
    {"Zeebe", 9600, "metrics", 26500, "https://docs.camunda.io/docs/self-managed/zeebe-deployment/operations/network-ports/"},
    {"Temporal", 8233, "web interface", 7233, "https://docs.temporal.io/cli/server"},
});
// clang-format on

class Collected final {
   public:
    explicit Collected(uint16_t own) : own_(own) {}

    void add(uint16_t port, std::string why) {
        if (port == 0 || port == own_ || found.size() == siblings_max) return;
        for (Sibling& known : found) {
            if (known.port != port) continue;
            const bool said = known.why.find(why) != std::string::npos;
            if (!said) known.why += (known.why.empty() ? "" : "; ") + why;
            return;
        }
        found.push_back({.port = port, .why = std::move(why)});
    }

    std::vector<Sibling> found;

   private:
    uint16_t own_;
};

void add_of_registry(const std::string& host, uint16_t port,
                     const std::vector<config::Service>& services, Collected& all) {
    const config::Registry registry(services);
    const std::string address = Target{.host = host, .port = port}.text();
    const auto facts = registry.look_up(config::canonical_ip(host) ? address : "", address);
    for (const std::string& name : {facts.requested_service, facts.service}) {
        for (const config::Service& service : services) {
            if (name.empty() || service.name != name) continue;
            const std::string of =
                " of " + sniff::escape_wire(service.name, shown_max) + " by the " + service.source;
            all.add(service.grpc, "gRPC port" + of);
            all.add(service.metrics, "metrics port" + of);
        }
    }
}

std::optional<uint16_t> port_number(std::string_view text) {
    const auto number = config::parse_number(text);
    if (!number || *number == 0 || *number > UINT16_MAX) return std::nullopt;
    return static_cast<uint16_t>(*number);
}

}  // namespace

std::span<const PortPair> port_pairs() noexcept {
    return pairs;
}

std::vector<Sibling> siblings_of(const std::string& host, uint16_t port,
                                 const std::vector<config::Service>& services,
                                 const std::vector<uint16_t>& asked) {
    Collected all(port);
    for (const uint16_t one : asked) all.add(one, {});
    add_of_registry(host, port, services, all);
    for (const PortPair& pair : pairs) {
        const std::string program(pair.program);
        if (pair.other == port) all.add(pair.grpc, "gRPC port of " + program + " by default");
        if (pair.grpc == port) {
            all.add(pair.other, std::string(pair.other_is) + " port of " + program + " by default");
        }
    }
    return all.found;
}

std::vector<uint16_t> parse_ports(std::string_view text, std::string& error) {
    std::vector<uint16_t> ports;
    while (true) {
        const size_t comma = text.find(',');
        const std::string_view part = text.substr(0, comma);
        const size_t dash = part.find('-');
        const auto first = port_number(part.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : port_number(part.substr(dash + 1));
        if (!first || !last || *last < *first) {
            error = sniff::quote_wire(part, shown_max) +
                    " is no port from 1 to 65535 and no range of them";
            return {};
        }
        for (uint32_t port = *first; port <= *last; ++port) {
            if (ports.size() == siblings_max) {
                error = "more than " + std::to_string(siblings_max) + " ports";
                return {};
            }
            ports.push_back(static_cast<uint16_t>(port));
        }
        if (comma == std::string_view::npos) return ports;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace telltale::proxy::probe
