// HTTP/1 text as servers really send it: probes for the table, and heads parsed by llhttp (RFC 9112), with a plain reading of
// the status line where the text is not clean HTTP (`HTTP/1.0`, ASCII `HTTP/2.0 400`, bare HTML without a status line).
#pragma once

#include <cstddef>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/probe.h"

namespace telltale::sniff {

[[nodiscard]] Match http1_request_probe(Bytes prefix) noexcept;   // METHOD SP …, CONNECT and PRI-lookalikes included
[[nodiscard]] Match http1_response_probe(Bytes prefix) noexcept;  // HTTP/d.d SP ddd
[[nodiscard]] Match html_probe(Bytes prefix) noexcept;            // "<!DOCTYPE HTML", "<html", any case, after white space

// Size of the head including its empty line; 0 while that has not come.
[[nodiscard]] size_t http1_head_size(Bytes bytes) noexcept;

// Best effort on any prefix: what is complete is filled, the rest stays empty.
[[nodiscard]] Http1Request parse_http1_request(Bytes prefix);
[[nodiscard]] Http1Response parse_http1_response(Bytes prefix);

}  // namespace telltale::sniff
