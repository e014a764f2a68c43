// HTTP/1 text as servers really send it: probes for the table, and heads parsed by llhttp (RFC
// 9112), with a plain reading of the status line where the text is not clean HTTP (`HTTP/1.0`,
// ASCII `HTTP/2.0 400`, bare HTML without a status line).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/probe.h"

namespace telltale::sniff {

inline constexpr uint16_t http1_request_window =
    45;  // 4 line ends, a method of 32, a space, "https://"
inline constexpr uint16_t http1_response_window = 12;
inline constexpr uint16_t html_window = 80;  // 64 of white space, then the tag
inline constexpr size_t http1_head_max = 16384;

[[nodiscard]] Match http1_request_probe(
    Bytes prefix) noexcept;  // METHOD SP …, CONNECT and PRI-lookalikes included
[[nodiscard]] Match http1_response_probe(Bytes prefix) noexcept;  // HTTP/d.d SP ddd
[[nodiscard]] Match html_probe(
    Bytes prefix) noexcept;  // "<!DOCTYPE HTML", "<html", any case, after white space

// Names (lower case) that only a proxy adds to a request: Via, Forwarded, X-Forwarded-*, X-Real-IP,
// X-Envoy-*, …
[[nodiscard]] bool proves_a_proxy(std::string_view name) noexcept;
// Adds such a name once, up to a limit; does nothing with any other.
void add_forwarded(std::vector<std::string>& forwarded, std::string_view name);

// Size of the head including its empty line; 0 while that has not come. Lines may end in a bare LF.
[[nodiscard]] size_t http1_head_size(Bytes bytes) noexcept;
// The same, where the first `searched` bytes were searched before in vain: O(new bytes) for a head
// that dribbles in.
[[nodiscard]] size_t http1_head_size(Bytes bytes, size_t searched) noexcept;

// The status of an answer's head, 0 when it has no status line; the fields are not looked at.
[[nodiscard]] int http1_status(Bytes head) noexcept;

// Best effort on any prefix, looking at no more than http1_head_max bytes: what is complete is
// filled, the rest stays empty. Of a repeated field the first counts.
[[nodiscard]] Http1Request parse_http1_request(Bytes prefix);
// Interim answers (1xx but 101) are passed over; while there is nothing behind one it is given with
// head_complete false. HTML without a status line: version empty, status 0, head_complete false,
// all of it is body.
[[nodiscard]] Http1Response parse_http1_response(Bytes prefix);

}  // namespace telltale::sniff
