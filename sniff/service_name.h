// Names that Kubernetes' DNS gives to Services and to the pods behind them, and whether two of them
// can be the same Service. Called by the facts. Pure; whatever does not look like such a name says
// nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace telltale::sniff {

struct ServiceName {
    std::string service;
    std::string name_space;
};

// Of "SERVICE.NAMESPACE.svc.DOMAIN", "POD.SERVICE.NAMESPACE.svc.DOMAIN" and
// "10-244-2-9.SERVICE.NAMESPACE.svc.DOMAIN"; nullopt for every other name. Lower case.
[[nodiscard]] std::optional<ServiceName> service_of(std::string_view dns_name);

// False only where the names leave no doubt. A pod may stand behind several Services, and those of
// one workload mostly share their words: "etcd" and "etcd-headless", "group-rpc" and
// "openim-group-rpc-metrics".
[[nodiscard]] bool may_be_one_workload(const ServiceName& a, const ServiceName& b);

// At most 253 bytes of letters, digits, '-', '_' and '.', no empty label: a name that may be shown
// and compared. Whoever owns an address may write anything into its PTR record.
[[nodiscard]] bool is_dns_name(std::string_view text);

}  // namespace telltale::sniff
