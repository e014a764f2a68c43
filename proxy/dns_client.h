// Asks the name servers of resolv.conf(5) by UDP, for the names of incidents: what getaddrinfo and
// getnameinfo can't do, an answer within a few hundred milliseconds or none, without a thread that
// a dead name server would hold up, and every PTR record instead of the first. On the control
// thread.
//
// A question is sent three times within its time, to the servers in turn; the first answer counts.
// Each is sent from a port of its own with a random number, so that nobody off the path can answer.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/dns_message.h"
#include "proxy/net.h"

namespace telltale::proxy {

struct DnsSettings {                               // what is used of resolv.conf
    std::vector<asio::ip::udp::endpoint> servers;  // at most 3; none given: this host
    std::vector<std::string> search;               // at most 6
    size_t ndots = 1;
    friend bool operator==(const DnsSettings&, const DnsSettings&) = default;
};
[[nodiscard]] DnsSettings read_resolv_conf(std::string_view text);
// The full names that `host` may stand for, in the order in which a resolver tries them.
[[nodiscard]] std::vector<std::string> full_names(const std::string& host,
                                                  const DnsSettings& settings);

class DnsClient final {
   public:
    // nullopt: nobody answered in time. Empty: there is no name.
    using Names = std::function<void(std::optional<std::vector<std::string>>)>;
    using Name = std::function<void(std::string)>;

    DnsClient(asio::io_context& context, std::string resolv_conf = "/etc/resolv.conf");
    ~DnsClient();
    DnsClient(const DnsClient&) = delete;
    DnsClient& operator=(const DnsClient&) = delete;

    // Both call back once, on the context's thread, never from within; not at all after stop().
    void names_of(const asio::ip::address& address, std::chrono::milliseconds timeout, Names then);
    // Where the aliases of a host name end: "group-rpc-service.openim.svc.cluster.local" for
    // "group-rpc-service". type: a or aaaa. "": it has no such address, or nobody answered.
    void canonical_of(const std::string& host, DnsType type, std::chrono::milliseconds timeout,
                      Name then);
    void stop();

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace telltale::proxy
