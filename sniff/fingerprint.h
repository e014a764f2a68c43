// Which software answered, from what it said. One data table (fingerprint_rows.cpp): a row matches
// the shape of an answer (status line, names of headers and their order, Server, Via, the begin of
// the body, a TLS alert, the first frames of HTTP/2), never a word somewhere in a page. All rows
// are asked; fingerprint.cpp decides what to believe when they disagree. Called by the facts and by
// the naming of the hop; pure; an answer that fits no row has no name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sniff/cause.h"
#include "sniff/evidence.h"

namespace telltale::sniff {

// One row; every field that is given must hold. In texts marked "pattern" a '*' stands for
// anything, "a|b" for either.
struct FingerprintRow {
    std::string_view id = {};
    std::string_view software = {};  // as people call it; of a shape that many share, the family
    Role role = Role::unknown;
    Confidence confidence = Confidence::likely;
    std::string_view on = {};      // the software that it is built on: whose rows fit as well
    std::string_view source = {};  // where it is documented, of a row that rests on no capture

    // What an answer of HTTP/1 or the first headers of HTTP/2 say of themselves.
    std::string_view product = {};  // a product of the Server header: "nginx" of "nginx/1.22.1"
    bool product_version = true;    // the version behind it is that of the software
    std::string_view via = {};      // a hop of the Via header: its name or the product behind it
    std::string_view header = {};   // a header that is there
    std::string_view header_value = {};  // pattern of all of its value; HTTP/1 only
    std::string_view header_order = {};  // all names in order, lower case: "date,[via],connection";
                                         // those in brackets may be missing
    bool exact_case = false;             // the names stand there as they are sent
    int status = 0;                      // 0: any

    // HTTP/1 only.
    std::string_view version = {};    // "HTTP/2.0" on the status line; "none": no status line
    std::string_view reason = {};     // pattern of the words behind the status
    std::string_view body = {};       // pattern of the begin of the body
    std::string_view body_line = {};  // a whole line of the page (without its indent)

    // HTTP/2 only. SETTINGS as "3=* [4=*] 5=16777215": ids in order, their values or '*', in
    // brackets what may be missing; "none": an empty frame.
    std::string_view settings = {};
    // Frames of the connection after the first SETTINGS, without ACK: "[WINDOW_UPDATE *]; PING 1;
    // SETTINGS 4=*". A leading '?': only where bytes behind the SETTINGS were seen.
    std::string_view frames = {};
    std::string_view goaway = {};  // pattern of the begin of a GOAWAY's text
    uint16_t setting_id = 0;       // this setting is in the list

    // Other protocols.
    Protocol protocol = Protocol::undecided;  // undecided: HTTP
    uint8_t alert = 0;               // description of a TLS alert that came first (RFC 8446 §6)
    EndKind end = EndKind::none;     // how the upstream ended, where it is known; none: any
    std::string_view greeting = {};  // pattern of the begin of the greeting or of the first bytes
    std::string_view version_after = {};  // the version stands behind this text of the greeting
};

[[nodiscard]] std::span<const FingerprintRow> fingerprint_rows() noexcept;
// True when the row fits what was seen of the upstream.
[[nodiscard]] bool claims(const FingerprintRow& row, const SideEvidence& upstream);

// What in an answer a name rests on, in the order in which it is believed: the first are of the
// next hop itself, the last may have been passed on from behind it.
enum class Clue : uint8_t { frames, alert, greeting, via, marker, server, shape, framework };
[[nodiscard]] Clue clue_of(const FingerprintRow& row) noexcept;

struct Fingerprint {
    std::string_view id;  // of the row; empty: not recognised
    std::string software;
    std::string version;  // escaped; empty when the answer does not say
    Role role = Role::unknown;
    Confidence confidence = Confidence::possible;
    std::string reason;  // "Server header \"nginx/1.22.1\"", "HTTP/2 frames as Envoy sends them"
};

[[nodiscard]] Fingerprint fingerprint(const SideEvidence& upstream);

// "Prometheus" and "2.42.0" of a User-Agent or Server text; escaped and cut.
struct Product {
    std::string name;
    std::string version;
};
[[nodiscard]] Product first_product(std::string_view text);

}  // namespace telltale::sniff
