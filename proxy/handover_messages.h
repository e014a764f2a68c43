// What a process and its successor say to each other while sockets are handed over, without any
// socket: any bytes may come in. SOCK_SEQPACKET, so a message is a whole; text that begins with the
// line "telltale-handover 1":
//   successor    ask
//   predecessor  sockets N of TOTAL, then N lines "KIND ADDRESS", with N descriptors in the same
//                order; further such messages until TOTAL are sent; one with none when TOTAL is 0
//   successor    complete
// or, from the predecessor, "refused REASON" and the end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace telltale::proxy::handover {

inline constexpr size_t message_bytes_max = 32768;
inline constexpr size_t sockets_per_message_max = 253;  // SCM_MAX_FD
inline constexpr size_t sockets_max = 4096;             // of one process
inline constexpr size_t kind_bytes_max = 16;
inline constexpr size_t address_bytes_max = 512;
inline constexpr size_t reason_bytes_max = 256;

struct Name {  // of one socket
    std::string kind, address;
    friend bool operator==(const Name&, const Name&) = default;
};
struct Ask {};
struct Sockets {
    std::vector<Name> names;  // one for each descriptor of the message
    size_t total = 0;
};
struct Complete {};
struct Refused {
    std::string reason;  // from the peer: printable, bounded
};
struct Nonsense {
    std::string what;  // "it speaks version 2 of the hand-over, this one 1"
};
using Message = std::variant<Ask, Sockets, Complete, Refused, Nonsense>;

[[nodiscard]] std::string encode_ask();
[[nodiscard]] std::string encode_complete();
[[nodiscard]] std::string encode_refused(std::string_view reason);
// Whether it can be told: a kind of small letters, an address without control characters that has
// at most address_bytes_max.
[[nodiscard]] bool can_be_told(const Name& name);
// As many messages as the limits want, at least one. names: at most sockets_max, each can be told.
[[nodiscard]] std::vector<Sockets> split(const std::vector<Name>& names);
[[nodiscard]] std::string encode(const Sockets& sockets);
// Any bytes.
[[nodiscard]] Message decode(std::string_view message);

}  // namespace telltale::proxy::handover
