// Who owns which port and address: built once from Config::services, asked when an incident is
// diagnosed (never on the data path).
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "sniff/evidence.h"

namespace telltale::config {

class Registry final {
   public:
    explicit Registry(std::vector<Service> services);

    // address: "10.244.2.9:12260" as dialled (may be empty); requested: the upstream as configured,
    // "group-rpc-service:12260", "group-rpc-service.openim.svc.cluster.local:12260" or an address.
    [[nodiscard]] sniff::RegistryFacts look_up(const std::string& address,
                                               const std::string& requested) const;

   private:
    [[nodiscard]] const Service* find_named(const std::string& host) const;
    [[nodiscard]] const Service* find_owner(const std::string& ip, uint16_t port,
                                            const Service* requested) const;

    std::vector<Service> services_;  // addresses in canonical form
};

}  // namespace telltale::config
