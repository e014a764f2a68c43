// How the sidecar asks after an incident: name servers by DnsClient, ports by probes of their own
// (proxy/probe, light). On the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "proxy/dns_client.h"
#include "proxy/inquiry.h"
#include "proxy/net.h"

namespace telltale::proxy {

class InquirySources final {
   public:
    explicit InquirySources(asio::io_context& context);
    ~InquirySources();
    InquirySources(const InquirySources&) = delete;
    InquirySources& operator=(const InquirySources&) = delete;

    // They refer to this object.
    [[nodiscard]] Inquiry::Sources functions();
    // Nobody is called back any more; every connection is closed.
    void stop();

   private:
    struct Probes;
    void ask_ports(const ConfirmQuestion& question, std::chrono::milliseconds timeout,
                   std::function<void(Confirmation::Ports)> then);

    asio::io_context& context_;
    DnsClient dns_;
    std::unique_ptr<Probes> probes_;
};

}  // namespace telltale::proxy
