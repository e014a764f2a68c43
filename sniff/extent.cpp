#include "sniff/extent.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "sniff/http1.h"
#include "sniff/tls.h"

namespace telltale::sniff {

namespace {

constexpr uint8_t content_change_cipher_spec = 20;  // RFC 8446 §5.1
constexpr uint8_t content_alert = 21;
constexpr uint8_t content_handshake = 22;
constexpr size_t handshake_header_size = 4;

bool is_interim(int status) {
    return status >= 100 && status < 200 && status != 101;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

size_t body_wanted(Bytes head) {
    const int status = http1_status(head);
    if (status == 204 || status == 304 || status == 101) return 0;
    size_t length = answer_body_max;
    const std::string_view text = http1_field(head, "content-length");
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
    if (parsed.ec != std::errc()) return answer_body_max;
    return std::min(length, answer_body_max);
}

struct RecordHeader {
    uint8_t type = 0;
    uint16_t length = 0;
};

std::optional<RecordHeader> read_record_header(Cursor& cursor) noexcept {
    const auto type = cursor.u8();
    const auto version = cursor.u16();
    const auto length = cursor.u16();
    if (!type || !version || !length) return std::nullopt;
    return RecordHeader{.type = *type, .length = *length};
}

}  // namespace

size_t http1_interim_size(Bytes answer) {
    size_t size = 0;
    while (true) {
        const Bytes rest = answer.subspan(size);
        const size_t head = http1_head_size(rest);
        if (head == 0 || !is_interim(http1_status(rest.first(head)))) return size;
        size += head;
    }
}

std::optional<size_t> http1_answer_size(Bytes answer) {
    const size_t interim = http1_interim_size(answer);
    const Bytes final_answer = answer.subspan(interim);
    if (final_answer.empty()) return std::nullopt;
    size_t head = 0;
    size_t body = answer_body_max;
    if (http1_response_probe(final_answer) != Match::no) {  // otherwise HTML without a status line
        head = http1_head_size(final_answer);
        if (head == 0) return std::nullopt;
        body = body_wanted(final_answer.first(head));
    }
    if (final_answer.size() < head + body) return std::nullopt;
    return interim + head + body;
}

std::string_view http1_field(Bytes head, std::string_view name) noexcept {
    std::string_view rest = as_text(head);
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        if (equal_ignoring_case(line.substr(0, colon), name))
            return trimmed(line.substr(colon + 1));
    }
    return {};
}

TlsMessage tls_first_message(Bytes stream) noexcept {
    size_t wanted = handshake_header_size;
    size_t have = 0;  // of the message
    uint32_t length = 0;
    size_t offset = 0;
    while (true) {
        Cursor cursor(stream.subspan(offset));
        const auto record = read_record_header(cursor);
        if (!record || record->type != content_handshake) return {};
        const size_t body_at = stream.size() - cursor.rest().size();
        const Bytes body =
            cursor.rest().first(std::min<size_t>(cursor.rest().size(), record->length));
        for (size_t i = 0; i < body.size() && have + i < handshake_header_size; ++i) {
            if (have + i > 0)
                length = (length << 8U) | body[i];  // RFC 8446 §4: type, then 24 bits of length
            if (have + i == 3) wanted += length;
        }
        if (have + body.size() >= handshake_header_size && have + body.size() >= wanted) {
            return {.end = body_at + (wanted - have), .record_end = body_at + record->length};
        }
        have += body.size();
        if (body.size() < record->length) return {};
        offset = body_at + body.size();
    }
}

LaterAlert tls_later_alert(Bytes records) noexcept {
    size_t offset = 0;
    while (true) {
        const Bytes rest = records.subspan(std::min(offset, records.size()));
        if (offset > records.size() || rest.empty()) return {.match = Match::more};
        if (rest[0] == content_alert) {
            const Match match = tls_alert_probe(rest);
            if (match != Match::yes) return {.match = match};
            return {.match = match, .size = offset + tls_alert_window, .description = rest[6]};
        }
        if (rest[0] != content_change_cipher_spec) return {};
        Cursor cursor(rest);
        const auto record = read_record_header(cursor);
        if (!record) return {.match = Match::more};
        offset += rest.size() - cursor.rest().size() + record->length;
    }
}

}  // namespace telltale::sniff
