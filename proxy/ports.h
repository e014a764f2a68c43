// The listening sockets of the process with their acceptors. A port stays open over reloads as long
// as a listener has its address, and goes to a successor with what waits in it.
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "proxy/acceptor.h"
#include "proxy/handover.h"

namespace telltale::proxy {

struct Port {
    Port(const std::string& listener_name, const config::Address& configured)
        : address(configured), socket(listener_name, configured) {}
    Port(const config::Address& configured, UniqueFd handed)
        : address(configured), socket(configured, std::move(handed)) {}

    config::Address address;
    ListeningSocket socket;
    std::unique_ptr<Acceptor> acceptor;  // used and destroyed on the first worker's thread
};
using PortPtr = std::shared_ptr<Port>;

// One port for each listener, in their order: one that is open, one that a predecessor handed over
// (taken out of `handed`), or a new one. Throws StartError when an address can't be had; then
// nothing has changed.
[[nodiscard]] std::vector<PortPtr> open_ports(const config::Config& config,
                                              const std::vector<PortPtr>& open,
                                              std::vector<HandedSocket>& handed);
// Of `open`, those that are not in `kept`.
[[nodiscard]] std::vector<PortPtr> without(const std::vector<PortPtr>& open,
                                           const std::vector<PortPtr>& kept);
// Takes the socket of this kind and address out; an empty descriptor when there is none.
[[nodiscard]] UniqueFd take_handed(std::vector<HandedSocket>& handed, std::string_view kind,
                                   const config::Address& address);
inline constexpr std::string_view listener_kind = "listener";
inline constexpr std::string_view admin_kind = "admin";

}  // namespace telltale::proxy
