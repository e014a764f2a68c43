#include "sniff/explain/wire_reading.h"

#include <algorithm>
#include <array>

#include "sniff/conversation.h"
#include "sniff/escape.h"
#include "sniff/explain/causes.h"
#include "sniff/fingerprint.h"
#include "sniff/http2.h"
#include "sniff/sniffer.h"
#include "sniff/tls.h"
#include "sniff/words.h"

namespace telltale::sniff::explain {
namespace {

constexpr uint32_t window = 16384;
constexpr size_t shown_max = 120;
constexpr uint8_t no_application_protocol = 120;  // RFC 7301 §3.2

std::string quoted(std::string_view text) {
    return quote_wire(text, shown_max);
}

// ---- by their first bytes: too few for a parser, or of a protocol that has none

struct Beginning {
    std::string_view bytes = {};
    std::string_view says = {};
    std::span<const Likely> causes = {};
};

// clang-format off: a row reads as a row.
// clang-format off
constexpr auto beginnings = std::to_array<Beginning>({
    {"HTT", "the begin of an HTTP/1 status line, \"HTTP/…\"", http1_answered},
    {"<!D", "the begin of an HTML page without a status line, \"<!DOCTYPE\"", html_answered},
    {"<!d", "the begin of an HTML page without a status line, \"<!doctype\"", html_answered},
    {"<ht", "the begin of an HTML page without a status line, \"<html\"", html_answered},
    {"<HT", "the begin of an HTML page without a status line, \"<HTML\"", html_answered},
    {"<?x", "the begin of an XML document, \"<?xml\"", http1_answered},
    {"SSH", "the banner of an SSH server, \"SSH-…\"", foreign_answered},
    {"-ER", "an error of Redis, or of NATS, \"-ERR\"", foreign_answered},
    {"INF", "the greeting of a NATS server, \"INFO\"", foreign_answered},
    {"220", "the greeting of an FTP or SMTP server, \"220\"", foreign_answered},
    {"421", "the refusal of an FTP or SMTP server, \"421\"", foreign_answered},
    {"554", "the refusal of an SMTP server, \"554\"", foreign_answered},
    {"+OK", "the greeting of a POP3 or Redis server, \"+OK\"", foreign_answered},
    {"* O", "the greeting of an IMAP server, \"* OK\"", foreign_answered},
    {"RFB", "the greeting of a VNC server, \"RFB\"", foreign_answered},
    {"AMQ", "the header of an AMQP server (RabbitMQ), \"AMQP\"", foreign_answered},
    {"ERR", "an error of memcached, \"ERROR\"", foreign_answered},
    {"PRI", "the HTTP/2 preface itself, \"PRI * HTTP/2.0\": both ends are clients, or it was echoed "
            "or sent twice", answered_not_grpc},
    {"PRO", "a header of the PROXY protocol, \"PROXY …\", where nobody expected one", foreign_answered},
    {std::string_view("\r\n\r", 3), "the signature of the PROXY protocol, version 2", foreign_answered},
    {"GET", "an HTTP/1 request, \"GET\"", http1_asked},
    {"HEA", "an HTTP/1 request, \"HEAD\"", http1_asked},
    {"POS", "an HTTP/1 request, \"POST\"", post_asked},
    {"PUT", "an HTTP/1 request, \"PUT\"", http1_asked},
    {"OPT", "an HTTP/1 request, \"OPTIONS\"", http1_asked},
    {"DEL", "an HTTP/1 request, \"DELETE\"", http1_asked},
    {"CON", "an HTTP/1 request, \"CONNECT\": the client takes this port for a forward proxy", http1_asked},
});
// clang-format on

std::optional<WireReading> by_beginning(Bytes bytes) {
    for (const Beginning& row : beginnings) {
        if (starts_with(bytes, row.bytes)) {
            return WireReading{.says = std::string(row.says), .causes = row.causes};
        }
    }
    return std::nullopt;
}

bool is_text(uint8_t byte) {
    return (byte >= 0x20 && byte < 0x7f) || byte == '\r' || byte == '\n' || byte == '\t';
}

bool all_text(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), is_text);
}

// A record of TLS: type, major version 3, a minor one up to 4 (RFC 8446 §5.1).
std::optional<WireReading> tls_record(Bytes bytes) {
    if (bytes.size() < 3 || bytes[1] != 3 || bytes[2] > 4) return std::nullopt;
    if (bytes[0] == 0x15)
        return WireReading{.says = "the begin of a TLS alert", .causes = tls_answered};
    if (bytes[0] == 0x16) {
        return WireReading{.says = "the begin of a TLS handshake", .causes = tls_answered};
    }
    return std::nullopt;
}

std::optional<WireReading> mysql_greeting(Bytes bytes) {
    const bool small = bytes.size() == 3 && bytes[0] >= 0x30 && bytes[1] == 0 && bytes[2] == 0;
    if (!small) return std::nullopt;
    return WireReading{.says =
                           "perhaps the greeting of a MySQL or MariaDB server, whose length comes "
                           "first with its low byte in front",
                       .causes = foreign_answered};
}

// ---- HTTP/2 frames

constexpr auto frame_names = std::to_array<std::string_view>(
    {"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
     "WINDOW_UPDATE", "CONTINUATION"});
constexpr auto setting_names = std::to_array<std::string_view>(
    {"", "HEADER_TABLE_SIZE", "ENABLE_PUSH", "MAX_CONCURRENT_STREAMS", "INITIAL_WINDOW_SIZE",
     "MAX_FRAME_SIZE", "MAX_HEADER_LIST_SIZE", "", "ENABLE_CONNECT_PROTOCOL",
     "NO_RFC7540_PRIORITIES"});

std::string setting_words(const Http2Setting& setting) {
    const std::string_view known =
        setting.id < setting_names.size() ? setting_names[setting.id] : std::string_view();
    return (known.empty() ? std::to_string(setting.id) : std::string(known)) + "=" +
           std::to_string(setting.value);
}

std::string settings_words(const std::vector<Http2Setting>& settings) {
    std::string out;
    for (const Http2Setting& setting : settings) {
        out += (out.empty() ? "" : ", ") + setting_words(setting);
    }
    return out.empty() ? "no values: all as by default" : out;
}

std::string goaway_words(const Http2Goaway& goaway) {
    std::string out = "GOAWAY with " + http2_error_words(goaway.error_code) + ", last stream " +
                      std::to_string(goaway.last_stream);
    if (!goaway.debug.empty()) out += ", saying " + quoted(goaway.debug);
    return out;
}

// The begin of a frame other than SETTINGS; five bytes are enough (Netty shows no more).
std::optional<WireReading> frame_beginning(Bytes bytes) {
    if (bytes.size() < 5) return std::nullopt;
    const uint32_t length = bytes[0] * 65536U + bytes[1] * 256U + bytes[2];
    if (length > http2_frame_length_default_max || bytes[3] >= frame_names.size()) {
        return std::nullopt;
    }
    std::string says = "an HTTP/2 frame: " + std::string(frame_names[bytes[3]]) + ", " +
                       std::to_string(length) + " bytes";
    const bool settings = bytes[3] == static_cast<uint8_t>(FrameType::settings);
    if (settings && bytes[4] == 0) return WireReading{.says = says};
    if (settings) says += ", an acknowledgement in the place of the server's own SETTINGS";
    return WireReading{
        .says = says,
        .notes = {"The peer speaks HTTP/2 but did not begin with SETTINGS: a fault in "
                  "the order of frames, or a server that is going away; not an HTTP/1 "
                  "server."},
        .causes = answered_not_grpc};
}

// ---- by the parsers

Evidence evidence_of(Side side, Bytes bytes) {
    Conversation conversation(Expect::any, {.window_max = window});
    conversation.on_connected(0);
    conversation.on_bytes(side, bytes, 0);
    conversation.on_end(side, StreamEnd::fin, 1);
    conversation.on_close(1);
    Evidence evidence;
    conversation.describe(evidence);
    return evidence;
}

void add_software(const SideEvidence& side, WireReading& reading) {
    const Fingerprint found = fingerprint(side);
    if (found.software.empty()) return;
    reading.notes.push_back("It looks like " + found.software +
                            (found.version.empty() ? "" : " " + found.version) + ": " +
                            found.reason + ".");
}

void add_goaway(const SideEvidence& side, WireReading& reading) {
    if (side.goaway) reading.notes.push_back("Then " + goaway_words(*side.goaway) + ".");
}

WireReading http1_answer(const SideEvidence& side) {
    const Http1Response& answer = *side.http1_response;
    if (answer.version.empty()) {
        return {.says = "an HTML page without a status line", .causes = html_answered};
    }
    std::string says =
        "a status line of HTTP/1: " + shown(answer.version) + " " + std::to_string(answer.status);
    if (!answer.reason.empty()) says += " " + shown(answer.reason);
    WireReading reading{.says = says, .causes = http1_answered};
    if (answer.version == "HTTP/2.0") {
        reading.notes.emplace_back("It says HTTP/2.0 in letters; HTTP/2 itself is binary.");
    }
    return reading;
}

WireReading settings_reading(const SideEvidence& side) {
    WireReading reading{.says = "SETTINGS of HTTP/2: " + settings_words(side.settings)};
    add_goaway(side, reading);
    return reading;
}

WireReading alert_reading(Bytes bytes) {
    WireReading reading{.says = "a TLS alert", .causes = tls_answered};
    const auto alert = parse_tls_alert(bytes);
    if (!alert) return reading;
    reading.says += ": " + alert_words(*alert);
    if (alert->description == no_application_protocol) reading.causes = no_h2_in_tls;
    return reading;
}

std::string list(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + shown(word);
    return out;
}

WireReading hello_reading(const SideEvidence& side, Side speaker) {
    WireReading reading;
    const bool client = speaker == Side::client;
    reading.says = client ? "a TLS ClientHello" : "a TLS ServerHello";
    reading.causes = client ? std::span<const Likely>(tls_asked) : tls_answered;
    if (!side.tls_hello) return reading;
    const TlsHello& hello = *side.tls_hello;
    if (!hello.sni.empty())
        reading.notes.push_back("It asks for the name " + quoted(hello.sni) + ".");
    if (!hello.alpn.empty()) {
        reading.notes.push_back((client ? "It offers by ALPN: " : "By ALPN it chose: ") +
                                list(hello.alpn) + ".");
    }
    return reading;
}

WireReading foreign_reading(const SideEvidence& side) {
    std::string says = "the greeting of a server of " + std::string(name(side.protocol));
    if (!side.greeting.empty()) says += ": " + quoted(side.greeting);
    return {.says = says, .causes = foreign_answered};
}

std::optional<WireReading> read_upstream(Bytes bytes) {
    Sniffer sniffer(Side::upstream, window);
    sniffer.look(bytes);
    const Protocol protocol = sniffer.finish(bytes);
    if (protocol == Protocol::other || protocol == Protocol::undecided) return std::nullopt;
    const SideEvidence side = evidence_of(Side::upstream, bytes).upstream;
    std::optional<WireReading> reading;
    if (protocol == Protocol::http1 && side.http1_response) reading = http1_answer(side);
    if (protocol == Protocol::http2) reading = settings_reading(side);
    if (protocol == Protocol::http2_goaway && side.goaway) {
        reading = WireReading{.says = goaway_words(*side.goaway) + ", where SETTINGS were due",
                              .causes = answered_not_grpc};
    }
    if (protocol == Protocol::tls) reading = hello_reading(side, Side::upstream);
    if (protocol == Protocol::tls_alert) reading = alert_reading(bytes);
    if (protocol >= Protocol::ssh && protocol <= Protocol::smtp) reading = foreign_reading(side);
    if (reading) add_software(side, *reading);
    return reading;
}

WireReading http1_request(const SideEvidence& side) {
    const Http1Request& request = *side.http1_request;
    const bool post = request.method == "POST";
    WireReading reading{
        .says = "an HTTP/1 request: " + shown(request.method) + " " + shown(request.target),
        .causes = post ? std::span<const Likely>(post_asked) : http1_asked};
    if (!request.user_agent.empty()) {
        reading.notes.push_back("User-Agent " + quoted(request.user_agent) + ".");
    }
    if (!request.forwarded.empty()) {
        reading.notes.push_back("A proxy passed it on: " + list(request.forwarded) + ".");
    }
    return reading;
}

std::optional<WireReading> read_client(Bytes bytes) {
    const Evidence evidence = evidence_of(Side::client, bytes);
    const SideEvidence& side = evidence.client;
    std::optional<WireReading> reading;
    if (side.protocol == Protocol::http1 && side.http1_request) reading = http1_request(side);
    if (side.protocol == Protocol::tls) reading = hello_reading(side, Side::client);
    if (side.protocol == Protocol::http2) {
        reading = WireReading{.says = "the HTTP/2 preface of a client"};
        if (!side.settings.empty()) {
            reading->notes.push_back("Its SETTINGS: " + settings_words(side.settings) + ".");
        }
    }
    if (reading && has_layer(evidence, Layer::proxy_header)) {
        reading->notes.emplace_back("A header of the PROXY protocol stands in front of it.");
    }
    return reading;
}

std::optional<WireReading> text_reading(Bytes bytes) {
    if (bytes.size() < 3 || !all_text(bytes)) return std::nullopt;
    return WireReading{.says = "text: " + quoted(as_text(bytes)), .causes = foreign_answered};
}

}  // namespace

std::optional<WireReading> read_wire(Bytes bytes, PlainText plain) {
    if (bytes.size() < 2) return std::nullopt;
    for (const auto read :
         {read_upstream, read_client, tls_record, by_beginning, frame_beginning}) {
        if (auto reading = read(bytes)) return reading;
    }
    return plain == PlainText::read ? text_reading(bytes) : std::nullopt;
}

std::optional<WireReading> read_frame_length(uint64_t length) {
    if (length > 0xFFFFFF || length <= http2_frame_length_default_max) return std::nullopt;
    const std::array<uint8_t, 3> bytes = {static_cast<uint8_t>(length >> 16U),
                                          static_cast<uint8_t>(length >> 8U),
                                          static_cast<uint8_t>(length)};
    for (const auto read : {tls_record, by_beginning, mysql_greeting, text_reading}) {
        if (auto reading = read(bytes)) return reading;
    }
    return std::nullopt;
}

std::optional<WireReading> read_frame_type(uint64_t type) {
    if (type < frame_names.size()) {
        WireReading reading{.says = "an HTTP/2 frame " + std::string(frame_names[type]) +
                                    " where SETTINGS were due",
                            .causes = answered_not_grpc};
        return reading;
    }
    if (type > 0xff || !is_text(static_cast<uint8_t>(type))) return std::nullopt;
    const char letter = static_cast<char>(type);
    std::string says = "text: its fourth byte is '" + std::string(1, letter) + "'";
    if (letter == 'P') says += ", as in \"HTTP/\": an HTTP/1 answer";
    if (letter == 'O') says += ", as in \"<!DOCTYPE\": an HTML page without a status line";
    if (letter == '-') says += ", as in \"SSH-\": the banner of an SSH server";
    if (letter == 'R') says += ", as in \"-ERR\": an error of Redis";
    if (letter == 'P') return WireReading{.says = says, .causes = http1_answered};
    if (letter == 'O') return WireReading{.says = says, .causes = html_answered};
    return WireReading{.says = says, .causes = foreign_answered};
}

std::string length_bytes_words(uint64_t length) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    std::string text;
    for (const unsigned shift : {16U, 8U, 0U}) {
        const auto byte = static_cast<uint8_t>(length >> shift);
        if (!hex.empty()) hex += ' ';
        hex += digits[byte >> 4U];
        hex += digits[byte & 15U];
        text += static_cast<char>(byte);
    }
    return all_text(as_bytes(text)) ? hex + " (" + quoted(text) + ")" : hex;
}

}  // namespace telltale::sniff::explain
