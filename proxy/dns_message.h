// The few DNS messages that Telltale needs (RFC 1035 §4): a question, and from the reply the names
// that a PTR question finds, or where the aliases of a name end. Pure: bytes in, values out. A
// reply is hostile: every length is checked, every name that is no host name is passed over.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace telltale::proxy {

enum class DnsType : uint16_t { a = 1, cname = 5, ptr = 12, aaaa = 28 };

struct DnsQuestion {
    uint16_t id = 0;
    std::string name;  // without a final dot
    DnsType type = DnsType::ptr;
};

struct DnsReply {
    bool failed = false;             // the server could not answer (SERVFAIL, REFUSED, …)
    std::vector<std::string> names;  // of PTR records, at most dns_names_max
    // Where the aliases of the name end, if there is an address; empty otherwise.
    std::string canonical;
};

inline constexpr size_t dns_names_max = 8;
inline constexpr size_t dns_message_max = 4096;  // bytes read of one

// "9.2.244.10.in-addr.arpa", "….ip6.arpa" (RFC 3596 §2.5).
[[nodiscard]] std::string reverse_name(const boost::asio::ip::address& address);
// Empty: the name does not fit into a question.
[[nodiscard]] std::string write_question(const DnsQuestion& question);
// nullopt: no reply to this question; whoever sent it, it is waited on.
[[nodiscard]] std::optional<DnsReply> read_reply(std::string_view message,
                                                 const DnsQuestion& question);

}  // namespace telltale::proxy
