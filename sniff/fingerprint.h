// Which software answered, from what it said: one data table, first match wins. A row matches the
// shape of an answer (Server product, header names and their order, the begin of the body, the
// first SETTINGS), never a word somewhere in a page. Called by the facts and by the naming of the
// hop; pure; an answer that fits no row has no name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sniff/cause.h"
#include "sniff/evidence.h"

namespace telltale::sniff {

// One row. Every field that is not empty must hold; HTTP/2 rows have settings, HTTP/1 rows have any
// of the others.
struct FingerprintRow {
    std::string_view id = {};
    std::string_view software = {};  // as people call it
    Role role = Role::unknown;
    Confidence confidence = Confidence::likely;
    std::string_view product =
        {};  // a product token of the Server header: "nginx" of "nginx/1.22.1"
    std::string_view header =
        {};  // a header that is present; a final '*' matches the rest of the name
    std::string_view header_value = {};  // the exact value of `header`
    std::string_view header_order =
        {};  // all header names in their order, lower case, with commas between
    std::string_view version =
        {};          // "HTTP/2.0": the version on the status line; "none": no status line
    int status = 0;  // 0: any
    std::string_view body_prefix = {};  // the body begins so
    std::string_view body_line =
        {};  // a whole line of the page (without its indent), where body_prefix alone is too common
    std::span<const Http2Setting> settings = {};  // exactly this list, in this order
    uint16_t setting_id = 0;                      // this setting is in the list
};

[[nodiscard]] std::span<const FingerprintRow> fingerprint_rows() noexcept;

struct Fingerprint {
    std::string_view id;  // of the row; empty: not recognised
    std::string software;
    std::string version;  // escaped; empty when the answer does not say
    Role role = Role::unknown;
    Confidence confidence = Confidence::possible;
    std::string reason;  // "Server header \"nginx/1.22.1\"", "header order and body of HAProxy"
};

[[nodiscard]] Fingerprint fingerprint(const SideEvidence& upstream);

// "Prometheus" and "2.42.0" of a User-Agent or Server text; escaped and cut.
struct Product {
    std::string name;
    std::string version;
};
[[nodiscard]] Product first_product(std::string_view text);

}  // namespace telltale::sniff
