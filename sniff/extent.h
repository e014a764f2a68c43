// How far the first message of a side reaches: which bytes of a prefix are enough to judge it. Used
// by the conversation to know when to wait and when to stop; pure functions of the prefix, the same
// for every split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sniff/bytes.h"
#include "sniff/probe.h"

namespace telltale::sniff {

inline constexpr size_t answer_body_max =
    512;  // of an HTTP/1 body: an error page says enough in it

// Whole interim heads (1xx, but not 101) at the front of an answer: RFC 9110 §15.2.
[[nodiscard]] size_t http1_interim_size(Bytes answer);

// Interim heads, the final head and the part of its body worth reading; nullopt while more of it
// may come. An answer whose length nobody tells is enough at answer_body_max.
[[nodiscard]] std::optional<size_t> http1_answer_size(Bytes answer);

// A field of a raw HTTP/1 head, without the white space around it; "" when it is not there.
[[nodiscard]] std::string_view http1_field(Bytes head, std::string_view name) noexcept;

struct TlsMessage {
    size_t end = 0;         // of the first handshake message in the stream; 0 while it is not whole
    size_t record_end = 0;  // of the record that it ends in; may lie behind what has come
};
[[nodiscard]] TlsMessage tls_first_message(Bytes stream) noexcept;

// Whether the next record is an alert in clear, after any ChangeCipherSpec (RFC 8446 §D.4); size:
// where it ends.
struct LaterAlert {
    Match match = Match::no;
    size_t size = 0;
    uint8_t description = 0;
};
[[nodiscard]] LaterAlert tls_later_alert(Bytes records) noexcept;

}  // namespace telltale::sniff
