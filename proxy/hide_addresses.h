// Takes out of a text whatever tells where peers are: their addresses as the evidence has them, and
// any other literal IP address. For answers that leave the cluster (answer.show_addresses: false).
#pragma once

#include <string>

#include "sniff/evidence.h"

namespace telltale::proxy {

// "the upstream" and "the client" stand where their addresses (host and port) stood, "an address"
// where another IP address stood, with its port; HOST:PORT inside commands and URLs. Names of hosts
// and bare port numbers stay. A text that looks like an address (a version of four numbers) goes,
// too.
[[nodiscard]] std::string hide_addresses(std::string text, const sniff::Evidence& evidence);

}  // namespace telltale::proxy
