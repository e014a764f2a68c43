// Who may change something through the admin server: whoever is on this host, and no page of
// another site that a browser on this host shows. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "proxy/net.h"

namespace telltale::proxy {

struct ChangeRequest {
    Endpoint peer;                              // who asks
    Endpoint local;                             // which of our addresses it asked at
    std::string_view host;                      // the Host header
    std::vector<std::string_view> origins;      // every Origin header (RFC 6454 §7)
    std::vector<std::string_view> fetch_sites;  // every Sec-Fetch-Site header (Fetch Metadata)
};

// "" when it may, else why not, in one sentence.
//
// Both ends of the connection must be loopback, or a Unix socket: a mesh's sidecar dials from a
// loopback address what came from another host, but it dials the pod's address. An Origin must be
// this server by a loopback address or as localhost: a name could be anybody's that points here.
[[nodiscard]] std::string_view why_refused(const ChangeRequest& request);

}  // namespace telltale::proxy
