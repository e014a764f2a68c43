#include "proxy/ports.h"

#include <algorithm>
#include <utility>

namespace telltale::proxy {

UniqueFd take_handed(std::vector<HandedSocket>& handed, std::string_view kind,
                     const config::Address& address) {
    const auto found = std::find_if(handed.begin(), handed.end(), [&](const HandedSocket& socket) {
        return socket.kind == kind && socket.address == address.text();
    });
    if (found == handed.end()) return {};
    UniqueFd fd = std::move(found->fd);
    handed.erase(found);
    return fd;
}

std::vector<PortPtr> open_ports(const config::Config& config, const std::vector<PortPtr>& open,
                                std::vector<HandedSocket>& handed) {
    std::vector<PortPtr> ports;
    for (const config::Listener& listener : config.listeners) {
        const auto same = std::find_if(open.begin(), open.end(), [&](const PortPtr& port) {
            return port->address == listener.listen &&
                   std::find(ports.begin(), ports.end(), port) == ports.end();
        });
        if (same != open.end()) {
            ports.push_back(*same);
            continue;
        }
        UniqueFd fd = take_handed(handed, listener_kind, listener.listen);
        ports.push_back(fd.is_open() ? std::make_shared<Port>(listener.listen, std::move(fd))
                                     : std::make_shared<Port>(listener.name, listener.listen));
    }
    return ports;
}

std::vector<PortPtr> without(const std::vector<PortPtr>& open, const std::vector<PortPtr>& kept) {
    std::vector<PortPtr> rest;
    std::copy_if(open.begin(), open.end(), std::back_inserter(rest), [&](const PortPtr& port) {
        return std::find(kept.begin(), kept.end(), port) == kept.end();
    });
    return rest;
}

}  // namespace telltale::proxy
