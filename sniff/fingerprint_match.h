// The small languages of the fingerprint table: text patterns, orders of headers, lists of
// SETTINGS, first frames, products of Server and Via headers. Pure; work on views; not for others
// than the fingerprints.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sniff/evidence.h"

namespace telltale::sniff {

enum class Anchor : uint8_t { begin, whole };
// '*' stands for any text, "a|b" for either; linear in the text for each '*'.
[[nodiscard]] bool text_fits(std::string_view text, std::string_view pattern, Anchor anchor);

enum class Case : uint8_t { any, exact };
// "date,[via],connection" against the names of an answer.
[[nodiscard]] bool order_fits(const Http1Response& response, std::string_view order, Case how);
[[nodiscard]] bool order_fits(const Http2Headers& headers, std::string_view order);

[[nodiscard]] bool settings_fit(std::span<const Http2Setting> sent, std::string_view pattern);
// False when these first bytes of a connection end within its first frame; true when none were
// kept.
[[nodiscard]] bool first_frame_is_whole(std::string_view bytes);
// `bytes`: what came first on the connection, cut anywhere.
[[nodiscard]] bool frames_fit(std::string_view bytes, std::string_view pattern);

[[nodiscard]] bool same_no_case(std::string_view a, std::string_view b);
// Where `product` stands as a whole product outside comments, e.g. "aiohttp" in "Python/3.11
// aiohttp/3.8.4"; npos when it does not.
[[nodiscard]] size_t find_product(std::string_view server, std::string_view product);
// Where a hop of a Via header names itself or its product so: "1.0 a, 1.1 edge (squid/5.7)".
[[nodiscard]] size_t find_via(std::string_view via, std::string_view product);
// The hop that wrote last.
[[nodiscard]] std::string_view last_hop(std::string_view via);
// "1.22.1" behind "nginx" in "nginx/1.22.1", "9.4.57" in "Jetty(9.4.57)", "2.1.1" in "Yaws 2.1.1";
// escaped and cut.
[[nodiscard]] std::string version_behind(std::string_view text, size_t name_end);
[[nodiscard]] bool is_token_char(char c);

}  // namespace telltale::sniff
