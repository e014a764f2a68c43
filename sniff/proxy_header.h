// The PROXY protocol header in front of a client's first bytes, versions 1 and 2 (HAProxy's
// proxy-protocol.txt).
#pragma once

#include <cstddef>
#include <string>

#include "sniff/bytes.h"
#include "sniff/probe.h"

namespace telltale::sniff {

struct ProxyHeader {
    Match match = Match::no;
    size_t size = 0;          // of the header, when match is yes
    std::string source = {};  // "192.0.2.1:5000"; empty for LOCAL and UNKNOWN
};

[[nodiscard]] ProxyHeader parse_proxy_header(Bytes prefix);

}  // namespace telltale::sniff
