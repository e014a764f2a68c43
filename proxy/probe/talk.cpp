#include "proxy/probe/talk.h"

#include <algorithm>
#include <optional>

#include "config/address.h"
#include "sniff/http1.h"

namespace telltale::proxy::probe {

namespace {

using sniff::Protocol;

constexpr size_t body_enough = 8192;
constexpr size_t greeting_enough = 64;

Talk::Wants wants_of_http1(sniff::Bytes kept) {
    const size_t head = sniff::http1_head_size(kept);
    if (head == 0) return Talk::Wants::a_bit;  // HTML without a status line, or a slow head
    const size_t body = kept.size() - head;
    const auto answer = sniff::parse_http1_response(kept);
    const auto length = config::parse_number(answer.content_length);
    const bool whole = length && body >= *length;
    return whole || body >= body_enough ? Talk::Wants::nothing : Talk::Wants::a_bit;
}

}  // namespace

void Heard::feed(sniff::Bytes bytes) {
    stream_.count(bytes.size(), 0);
    while (!bytes.empty()) {
        bytes = bytes.subspan(stream_.take(bytes));
        stream_.look();
        while (stream_.replay()) {
        }
    }
}

void Heard::end(sniff::StreamEnd how) {
    stream_.end();
    stream_.look();
    while (stream_.replay()) {
    }
    if (stream_.bytes() > 0) return;
    stream_.set_protocol(how == sniff::StreamEnd::fin ? Protocol::closed : Protocol::reset);
}

Talk::Wants Heard::wants() const {
    const sniff::Bytes kept = stream_.kept();
    switch (stream_.protocol()) {
        case Protocol::undecided:
        case Protocol::http2:
        case Protocol::http2_goaway:
            return Talk::Wants::more;
        case Protocol::http1:
            return wants_of_http1(kept);
        case Protocol::ssh:
        case Protocol::mysql:
        case Protocol::postgres:
        case Protocol::redis:
        case Protocol::smtp: {
            const bool whole = std::find(kept.begin(), kept.end(), '\n') != kept.end();
            return whole || kept.size() > greeting_enough ? Talk::Wants::nothing
                                                          : Talk::Wants::a_bit;
        }
        case Protocol::tls_alert:
            return Talk::Wants::nothing;
        default:
            return Talk::Wants::a_bit;
    }
}

sniff::SideEvidence Heard::describe() const {
    sniff::SideEvidence said;
    stream_.describe(said);
    if (said.bytes == 0 && said.protocol == Protocol::undecided) said.protocol = Protocol::silent;
    return said;
}

}  // namespace telltale::proxy::probe
