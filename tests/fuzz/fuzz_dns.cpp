// A reply of a name server: 1 byte chooses the question, the rest follows its own header. Whatever
// comes out is few names that may be shown.
#include <array>
#include <string>

#include "proxy/dns_message.h"
#include "sniff/service_name.h"
#include "tests/fuzz/input.h"

namespace telltale::fuzz {

namespace {

using namespace telltale::proxy;

void check_reply(const DnsQuestion& question, const std::string& rest) {
    std::string message = write_question(question);
    require(!message.empty(), "the question is one");
    message[2] = static_cast<char>(0x81);  // now a reply
    message[7] = 16;                       // with answers
    message += rest;
    const auto reply = read_reply(message, question);
    require(reply.has_value(), "a reply to the question is one, however it ends");
    require(reply->names.size() <= dns_names_max, "few names");
    for (const std::string& name : reply->names) {
        require(sniff::is_dns_name(name), "names that may be shown");
    }
    require(reply->canonical.empty() || sniff::is_dns_name(reply->canonical), "and compared");
    static_cast<void>(read_reply(rest, question));
}

}  // namespace

}  // namespace telltale::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale;
    constexpr std::array<proxy::DnsType, 3> types = {proxy::DnsType::ptr, proxy::DnsType::a,
                                                     proxy::DnsType::aaaa};
    fuzz::Input input({data, size});
    const proxy::DnsType type = types[input.u8() % types.size()];
    fuzz::check_reply({.id = 0x5454, .name = "9.2.244.10.in-addr.arpa", .type = type},
                      input.text(size));
    return 0;
}
