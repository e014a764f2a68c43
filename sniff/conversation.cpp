#include "sniff/conversation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <string>
#include <string_view>

#include "sniff/attribution.h"
#include "sniff/extent.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/pairing.h"
#include "sniff/proxy_header.h"
#include "sniff/stream.h"
#include "sniff/tls.h"

namespace telltale::sniff {

namespace {

constexpr size_t layers_max = 4;
constexpr size_t greeting_kept = first_bytes_max;  // of answers without a length of their own
constexpr uint64_t request_body_max = uint64_t{1} << 40U;  // more is no number to count with
constexpr uint8_t no_application_protocol = 120;           // RFC 7301 §3.2
constexpr uint16_t tls_1_3 = 0x0304;

enum class Stage : uint8_t {
    sniffing,   // the pair is open
    heading,    // both speak HTTP/1: the head of the answer is open
    settling,   // there is something to diagnose: the rest of the answer may come
    answering,  // both speak HTTP/2: the first answer is open
    relaying,   // it was fine: only frame headers matter
    finished,   // nothing is looked at any more
};

enum class RequestKind : uint8_t { unknown, plain, grpc, connect, upgrade };

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return out;
}

// gRPC-Web is at home in HTTP/1; gRPC itself needs HTTP/2.
bool is_grpc_in_http1(std::string_view content_type) {
    const std::string type = lower(content_type);
    return type.starts_with("application/grpc") && !type.starts_with("application/grpc-web");
}

bool is_grpc_web(std::string_view content_type) {
    return lower(content_type).starts_with("application/grpc-web");
}

bool is_grpc(std::string_view content_type) {
    return lower(content_type).starts_with("application/grpc");
}

// An answer that only trailers carry may leave the type out, never the status.
bool is_grpc(const Http2Headers& answer) {
    return is_grpc(answer.content_type) || !answer.grpc_status.empty();
}

RequestKind kind_of(const Http1Request& request) {
    if (request.method == "CONNECT") return RequestKind::connect;
    if (!request.upgrade.empty()) return RequestKind::upgrade;
    return is_grpc_in_http1(request.content_type) ? RequestKind::grpc : RequestKind::plain;
}

// RFC 7540 §3.2: the body of a request to upgrade comes before the first frame.
uint64_t message_size(Bytes head) {
    const std::string_view text = http1_field(head, "content-length");
    uint64_t length = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
    if (parsed.ec != std::errc() || length > request_body_max) length = 0;
    return head.size() + length;
}

std::string upgrade_token(const Http1Response& answer, const Http1Request& request) {
    for (const auto& [field, value] : answer.headers) {
        if (lower(field) == "upgrade") return lower(value);
    }
    return lower(request.upgrade);
}

// Clients of gRPC offer "h2", old ones "grpc-exp" too.
bool offers_only_http2(const TlsHello& hello) {
    return !hello.alpn.empty() &&
           std::all_of(hello.alpn.begin(), hello.alpn.end(),
                       [](const auto& id) { return id == "h2" || id == "grpc-exp"; });
}

bool selects_http2(const TlsHello& hello) {
    return std::find(hello.alpn.begin(), hello.alpn.end(), "h2") != hello.alpn.end();
}

bool is_tls_1_3(const TlsHello& hello) {
    return std::any_of(hello.versions.begin(), hello.versions.end(),
                       [](uint16_t version) { return version >= tls_1_3; });
}

}  // namespace

struct Conversation::State {
    State(Expect expected, const ConversationLimits& given) noexcept
        : limits(given),
          client(Side::client, given.window_max),
          upstream(Side::upstream, given.window_max),
          expect(expected) {}

    Stream& of(Side side) noexcept { return side == Side::client ? client : upstream; }

    void consume(Side side, Bytes chunk);
    void end(Side side, StreamEnd how);
    void check_time();
    void close();
    void advance();
    bool step();

    bool tell_client();
    bool skip_proxy_header();
    bool pair();
    bool pair_http1();
    bool pair_grpc_web();
    bool pair_tunnel(const Http1Request& request);
    bool pair_tls();
    void enter(Layer layer, const Http1Request& request, size_t answer_head);
    bool judge_ending();
    bool settle();
    bool judge_head();
    bool judge_answer();
    void note_empty_end() noexcept;
    void note_spoken();

    [[nodiscard]] bool client_spoke_whole();
    [[nodiscard]] bool asks_grpc() const;
    [[nodiscard]] bool waits_for_request() const;
    [[nodiscard]] std::optional<Millis> silence_since() const;
    [[nodiscard]] std::optional<Millis> due() const;
    [[nodiscard]] std::optional<size_t> answer_size() const;
    [[nodiscard]] bool request_enough();
    [[nodiscard]] size_t request_size();

    void latch(Verdict value) noexcept;
    void mismatch() noexcept;
    bool conclude(Verdict value);
    void report();
    void finish();
    void give_up() noexcept;

    ConversationLimits limits;
    Stream client;
    Stream upstream;
    std::string connect_target;
    std::optional<Millis> connected_at;
    std::optional<Millis> spoke_at;  // the client's first message was whole
    std::optional<Millis> pair_at;   // both protocols of the innermost layer were known
    std::optional<Millis> verdict_at;
    std::optional<Millis> silent_for;
    Millis now = 0;
    std::array<Layer, layers_max> layers{};
    uint8_t layer_count = 0;
    Expect expect;
    Stage stage = Stage::sniffing;
    Verdict verdict = Verdict::undecided;
    RequestKind request_kind = RequestKind::unknown;
    bool ready = false;
    bool over = false;                 // the connection is
    bool proxy_header_passed = false;  // there is none, or it is behind us
    bool request_came_first = false;   // its head was whole before the answer began
    bool upgrade_asked_grpc = false;
    std::optional<StreamEnd> upstream_end;
};

// ---- in

void Conversation::State::consume(Side side, Bytes chunk) {
    check_time();
    while (!chunk.empty() && stage != Stage::relaying && stage != Stage::finished) {
        if (side == Side::upstream && upstream.layer_empty()) {
            request_came_first = client.protocol() == Protocol::http1 && client.head_size() > 0;
        }
        chunk = chunk.subspan(of(side).take(chunk));
        advance();
    }
    if (stage == Stage::relaying && side == Side::upstream) upstream.follow(chunk);
}

void Conversation::State::end(Side side, StreamEnd how) {
    check_time();
    of(side).end();
    if (side == Side::upstream) {
        upstream_end = how;
        note_empty_end();
    }
    advance();
}

// An upstream that ends without a byte while the client waits; when the client left first, it only
// says goodbye.
void Conversation::State::note_empty_end() noexcept {
    if (!upstream_end || !upstream.layer_empty() || client.ended()) return;
    if (upstream.protocol() != Protocol::undecided) return;
    upstream.set_protocol(*upstream_end == StreamEnd::fin ? Protocol::closed : Protocol::reset);
}

void Conversation::State::advance() {
    while (step()) {
    }
    note_spoken();
}

// Decisions come before more bytes are read, so that every split of the bytes meets them at the
// same byte.
bool Conversation::State::step() {
    switch (stage) {
        case Stage::sniffing:
            return tell_client() || upstream.look() || pair() || client.replay() ||
                   upstream.replay();
        case Stage::heading:
            return judge_head();
        case Stage::settling:
            return settle() || client.replay() || upstream.replay();
        case Stage::answering:
            return judge_answer() || client.replay() || upstream.replay();
        case Stage::relaying:
        case Stage::finished:
            return false;
    }
    return false;
}

// ---- who speaks what

bool Conversation::State::tell_client() {
    if (client.protocol() != Protocol::undecided || client.kept().empty()) return false;
    if (!proxy_header_passed) return skip_proxy_header();
    return client.look();
}

bool Conversation::State::skip_proxy_header() {
    const ProxyHeader header = parse_proxy_header(client.kept());
    if (header.match == Match::more && client.may_grow()) return false;
    proxy_header_passed = true;
    if (header.match == Match::yes) {
        layers[layer_count++] = Layer::proxy_header;
        client.restart(header.size);
    }
    return true;
}

bool Conversation::State::client_spoke_whole() {
    if (client.protocol() == Protocol::http2) return true;
    if (client.protocol() == Protocol::http1) return client.head_size() > 0;
    if (client.protocol() == Protocol::tls) return tls_first_message(client.kept()).end > 0;
    return client.protocol() == Protocol::other && expect == Expect::grpc;
}

void Conversation::State::note_spoken() {
    if (stage != Stage::sniffing || spoke_at || !upstream.layer_empty()) return;
    if (client_spoke_whole()) spoke_at = now;
}

// ---- the pair

bool Conversation::State::pair() {
    if (client.protocol() == Protocol::undecided) return false;
    const Protocol answer = upstream.protocol();
    if (answer == Protocol::undecided) return false;
    if (!pair_at) pair_at = now;
    if (answer == Protocol::closed || answer == Protocol::reset) return judge_ending();
    switch (pairing(client.protocol(), answer, expect)) {
        case Pairing::mismatch:
            mismatch();
            return true;
        case Pairing::undecided:
            return conclude(Verdict::undecided);
        case Pairing::http1:
            return pair_http1();
        case Pairing::tls:
            return pair_tls();
        case Pairing::http2:
            stage = Stage::answering;
            if (answer == Protocol::http2_goaway) latch(Verdict::match);
            return true;
    }
    return false;
}

bool Conversation::State::judge_ending() {
    if (client.protocol() == Protocol::other && expect != Expect::grpc) {
        return conclude(Verdict::undecided);
    }
    if (!request_enough() && now < *pair_at + limits.settle_ms) return false;
    latch(Verdict::undecided);
    report();
    return true;
}

// The upstream is known, and what the client asks is not yet whole.
bool Conversation::State::waits_for_request() const {
    if (stage != Stage::sniffing || !pair_at) return false;
    const Protocol answer = upstream.protocol();
    if (answer == Protocol::closed || answer == Protocol::reset) return true;
    return answer == Protocol::http1 && client.protocol() == Protocol::http1 &&
           request_kind == RequestKind::unknown;
}

bool Conversation::State::pair_http1() {
    Http1Request request;
    if (client.head_size() > 0) {
        request = parse_http1_request(client.kept().first(client.head_size()));
        if (request_kind == RequestKind::unknown) request_kind = kind_of(request);
    }
    if (request_kind == RequestKind::unknown) {
        if (client.may_grow() && now < *pair_at + limits.settle_ms) return false;
        request_kind = RequestKind::plain;
    }
    if (request_kind == RequestKind::connect || request_kind == RequestKind::upgrade) {
        return pair_tunnel(request);
    }
    if (expect != Expect::grpc && request_kind == RequestKind::plain) {
        latch(Verdict::match);
        stage = Stage::heading;
        return true;
    }
    if (expect == Expect::grpc && is_grpc_web(request.content_type)) return pair_grpc_web();
    mismatch();
    return true;
}

// Where gRPC is expected, gRPC-Web in HTTP/1 is right as long as the answer is gRPC-Web too.
bool Conversation::State::pair_grpc_web() {
    const Bytes answer = upstream.kept().subspan(http1_interim_size(upstream.kept()));
    const size_t head = http1_head_size(answer);
    if (head == 0 && upstream.may_grow()) return false;
    const Http1Response response =
        parse_http1_response(answer.first(head > 0 ? head : answer.size()));
    if (is_grpc_web(response.content_type)) return conclude(Verdict::match);
    if (!attributed_cause(response.telltale_cause)) {
        mismatch();
        return true;
    }
    latch(Verdict::match);
    stage = Stage::settling;
    return true;
}

bool Conversation::State::pair_tunnel(const Http1Request& request) {
    // An answer that came before its request was whole is not its answer.
    if (!request_came_first) return conclude(Verdict::undecided);
    const size_t interim = http1_interim_size(upstream.kept());
    const Bytes answer = upstream.kept().subspan(interim);
    const size_t head = http1_head_size(answer);
    if (head == 0 && upstream.may_grow()) return false;
    const Http1Response response =
        parse_http1_response(answer.first(head > 0 ? head : answer.size()));
    const bool is_connect = request_kind == RequestKind::connect;
    const bool accepted = is_connect ? response.status / 100 == 2 : response.status == 101;
    if (!accepted && is_connect) {
        mismatch();
        return true;
    }
    if (!accepted) {
        // The upstream did not take the upgrade: an exchange of HTTP/1 like any other.
        request_kind =
            is_grpc_in_http1(request.content_type) ? RequestKind::grpc : RequestKind::plain;
        return true;
    }
    if (head == 0) return conclude(Verdict::undecided);
    if (layer_count == layers_max) return conclude(Verdict::match);
    if (is_connect) {
        connect_target = request.target;
        enter(Layer::connect_tunnel, request, interim + head);
        return true;
    }
    if (upgrade_token(response, request) == "h2c") {
        enter(Layer::upgrade_h2c, request, interim + head);
        return true;
    }
    layers[layer_count++] = Layer::upgrade_other;
    return conclude(Verdict::match);
}

// Both sides begin again behind their heads.
void Conversation::State::enter(Layer layer, const Http1Request& request, size_t answer_head) {
    layers[layer_count++] = layer;
    const size_t head = client.head_size();
    if (layer == Layer::upgrade_h2c) upgrade_asked_grpc = is_grpc(request.content_type);
    client.restart(layer == Layer::upgrade_h2c ? message_size(client.kept().first(head)) : head);
    request_kind = RequestKind::unknown;
    spoke_at.reset();
    pair_at.reset();
    // What the client sent behind its head came before the answer: it is read first.
    while (client.look() || client.replay()) {
    }
    request_came_first = client.protocol() == Protocol::http1 && client.head_size() > 0;
    upstream.restart(answer_head);
    note_empty_end();
}

bool Conversation::State::pair_tls() {
    const TlsMessage asked = tls_first_message(client.kept());
    const TlsMessage answered = tls_first_message(upstream.kept());
    if (asked.end == 0 && client.may_grow()) return false;
    if (answered.end == 0 && upstream.may_grow()) return false;
    if (answered.end == 0) return conclude(Verdict::match);

    const TlsHello hello = parse_server_hello(upstream.kept().first(answered.end));
    // Behind the ServerHello of TLS 1.3 everything is sealed, the protocol chosen too.
    if (is_tls_1_3(hello) && !hello.hello_retry) return conclude(Verdict::match);
    if (!hello.hello_retry && offers_only_http2(parse_client_hello(client.kept())) &&
        !selects_http2(hello)) {
        upstream.trim(answered.end);
        mismatch();
        return true;
    }
    if (answered.end < answered.record_end) return conclude(Verdict::match);
    const LaterAlert alert = tls_later_alert(upstream.kept().subspan(answered.record_end));
    if (alert.match == Match::more && upstream.may_grow()) return false;
    if (alert.match != Match::yes || alert.description != no_application_protocol) {
        return conclude(Verdict::match);
    }
    upstream.trim(answered.record_end + alert.size);
    mismatch();
    return true;
}

// ---- a mismatch settles

std::optional<size_t> Conversation::State::answer_size() const {
    const Bytes answer = upstream.kept();
    switch (upstream.protocol()) {
        case Protocol::http1:
            return http1_answer_size(answer);
        case Protocol::http2:
        case Protocol::http2_goaway: {
            const FrameWalker& walker = *upstream.walker();
            const bool enough =
                walker.settings_complete() || upstream.whole_goaway() != nullptr || !walker.sane();
            return enough ? std::optional(answer.size()) : std::nullopt;
        }
        case Protocol::tls: {
            if (upstream.is_trimmed()) return answer.size();
            const TlsMessage hello = tls_first_message(answer);
            return hello.end > 0 ? std::optional(hello.end) : std::nullopt;
        }
        case Protocol::tls_alert:
            return tls_alert_window;
        default:
            return answer.size() >= greeting_kept ? std::optional(greeting_kept) : std::nullopt;
    }
}

bool Conversation::State::request_enough() {
    if (!client.may_grow()) return true;
    if (client.protocol() == Protocol::http1) return client.head_size() > 0;
    if (client.protocol() == Protocol::tls) return tls_first_message(client.kept()).end > 0;
    if (client.protocol() == Protocol::other) return client.kept().size() >= client_first_bytes_max;
    return true;
}

bool Conversation::State::settle() {
    const bool answered = answer_size().has_value() || !upstream.may_grow();
    const bool timed_out = now >= *verdict_at + limits.settle_ms;
    if (!(answered && request_enough()) && !over && !timed_out) return false;
    report();
    return true;
}

// ---- the first answer of a pair that matches

// A Telltale further in may have written it, and says so in its head.
bool Conversation::State::judge_head() {
    const Bytes answer = upstream.kept().subspan(http1_interim_size(upstream.kept()));
    const size_t head = http1_head_size(answer);
    const bool timed_out = now >= *verdict_at + limits.settle_ms;
    if (head == 0 && upstream.may_grow() && !over && !timed_out) return false;
    if (!attributed_cause(http1_field(answer.first(head), "x-telltale-cause"))) {
        finish();
        return true;
    }
    stage = Stage::settling;
    return true;
}

bool Conversation::State::asks_grpc() const {
    if (expect == Expect::grpc || upgrade_asked_grpc) return true;
    const Http2Headers* request = client.walker()->first_headers();
    return request != nullptr && is_grpc(request->content_type);
}

bool Conversation::State::judge_answer() {
    const FrameWalker& walker = *upstream.walker();
    if (upstream.refused_by_goaway()) {
        latch(Verdict::match);
        report();
        return true;
    }
    const Http2Headers* answer = walker.first_headers();
    if (answer == nullptr && !walker.headers_failed() && walker.sane()) {
        if (now >= *pair_at + limits.http2_settle_ms) latch(Verdict::match);
        return false;
    }
    if (answer != nullptr && attributed_cause(answer->telltale_cause)) {
        latch(Verdict::match);
        report();
        return true;
    }
    if (answer != nullptr && asks_grpc() && !is_grpc(*answer)) {
        latch(Verdict::mismatch);
        report();
        return true;
    }
    if (!walker.sane()) return conclude(Verdict::match);
    latch(Verdict::match);
    client.release();
    upstream.relay();
    stage = Stage::relaying;
    return true;
}

// ---- time

std::optional<Millis> Conversation::State::silence_since() const {
    if (stage != Stage::sniffing || !spoke_at || !connected_at || !upstream.layer_empty())
        return {};
    if (upstream.ended()) return {};
    return std::max(*spoke_at, *connected_at);
}

std::optional<Millis> Conversation::State::due() const {
    if (stage == Stage::heading || stage == Stage::settling) return *verdict_at + limits.settle_ms;
    if (stage == Stage::answering && !verdict_at) return *pair_at + limits.http2_settle_ms;
    if (waits_for_request()) return *pair_at + limits.settle_ms;
    // A server of HTTP/1 may think as long as it likes before it answers, a proxy may dial as long.
    const bool answers_at_once = client.protocol() != Protocol::http1 || expect == Expect::grpc;
    const auto since = silence_since();
    if (since && answers_at_once) return *since + limits.silent_after_ms;
    return std::nullopt;
}

// What was due before this moment comes before what happens in it.
void Conversation::State::check_time() {
    const auto at = due();
    if (!at || now < *at) return;
    advance();
    const auto since = silence_since();
    if (!since || stage != Stage::sniffing) return;
    upstream.set_protocol(Protocol::silent);
    silent_for = now - *since;
    latch(Verdict::undecided);
    report();
}

void Conversation::State::close() {
    const auto since = silence_since();
    over = true;
    client.end();
    upstream.end();
    advance();
    if (stage == Stage::relaying || stage == Stage::finished) {
        stage = Stage::finished;
        return;
    }
    if (stage == Stage::answering) {
        latch(Verdict::match);
        finish();
        return;
    }
    if (client.protocol() == Protocol::undecided) client.set_protocol(Protocol::silent);
    if (upstream.protocol() == Protocol::undecided) {
        upstream.set_protocol(connected_at ? Protocol::silent : Protocol::none);
    }
    latch(Verdict::undecided);
    if (upstream.protocol() != Protocol::silent || !since) return finish();
    silent_for = now - *since;
    report();
}

// ---- out

void Conversation::State::latch(Verdict value) noexcept {
    if (verdict_at) return;
    verdict = value;
    verdict_at = now;
}

void Conversation::State::mismatch() noexcept {
    latch(Verdict::mismatch);
    stage = Stage::settling;
}

bool Conversation::State::conclude(Verdict value) {
    latch(value);
    finish();
    return true;
}

// There is something to diagnose: what describes it stays.
void Conversation::State::report() {
    ready = true;
    stage = Stage::finished;
    upstream.trim(answer_size().value_or(upstream.kept().size()));
    client.trim(request_size());
}

size_t Conversation::State::request_size() {
    size_t size = 0;
    if (client.protocol() == Protocol::http1) size = client.head_size();
    if (client.protocol() == Protocol::tls) size = tls_first_message(client.kept()).end;
    if (client.protocol() == Protocol::other) size = client_first_bytes_max;
    return size > 0 ? size : client.kept().size();
}

void Conversation::State::finish() {
    stage = Stage::finished;
    client.release();
    upstream.release();
}

void Conversation::State::give_up() noexcept {
    latch(Verdict::undecided);
    stage = Stage::finished;
    client.drop();
    upstream.drop();
}

// ---- the public face: nothing throws; memory that is not there ends the sniffing, never the
// connection

Conversation::Conversation(Expect expect, const ConversationLimits& limits) noexcept
    : state_(new (std::nothrow) State(expect, limits)) {}

Conversation::~Conversation() = default;

void Conversation::restart() noexcept {
    if (!state_) return;
    state_.reset(new (std::nothrow) State(state_->expect, state_->limits));
}

void Conversation::on_connected(Millis now) noexcept {
    if (!state_ || state_->connected_at) return;
    state_->now = now;
    state_->connected_at = now;
}

void Conversation::on_bytes(Side side, Bytes chunk, Millis now) noexcept {
    if (!state_ || chunk.empty()) return;
    state_->now = now;
    state_->of(side).count(chunk.size(), now);
    try {
        state_->consume(side, chunk);
    } catch (const std::bad_alloc&) {
        state_->give_up();
    }
}

void Conversation::on_end(Side side, StreamEnd end, Millis now) noexcept {
    if (!state_) return;
    state_->now = now;
    try {
        state_->end(side, end);
    } catch (const std::bad_alloc&) {
        state_->give_up();
    }
}

void Conversation::on_time(Millis now) noexcept {
    if (!state_) return;
    state_->now = now;
    try {
        state_->check_time();
    } catch (const std::bad_alloc&) {
        state_->give_up();
    }
}

void Conversation::on_close(Millis now) noexcept {
    if (!state_) return;
    state_->now = now;
    try {
        state_->close();
    } catch (const std::bad_alloc&) {
        state_->give_up();
    }
}

bool Conversation::decided() const noexcept {
    return !state_ || state_->verdict_at.has_value();
}

Verdict Conversation::verdict() const noexcept {
    return state_ ? state_->verdict : Verdict::undecided;
}

std::optional<Millis> Conversation::verdict_at() const noexcept {
    return state_ ? state_->verdict_at : std::nullopt;
}

Protocol Conversation::protocol(Side side) const noexcept {
    return state_ ? state_->of(side).protocol() : Protocol::undecided;
}

bool Conversation::ready_for_diagnosis() const noexcept {
    return state_ && state_->ready;
}

std::optional<Millis> Conversation::deadline() const noexcept {
    return state_ ? state_->due() : std::nullopt;
}

bool Conversation::client_in_preface() const noexcept {
    if (!state_ || state_->client.protocol() != Protocol::undecided) return false;
    const Bytes kept = state_->client.kept();
    return !kept.empty() && kept.size() < http2_preface.size() &&
           http2_preface_probe(kept) == Match::more;
}

void Conversation::describe(Evidence& evidence) const {
    if (!state_) return;
    state_->client.describe(evidence.client);
    state_->upstream.describe(evidence.upstream);
    if (state_->upstream_end) {
        evidence.upstream.end =
            *state_->upstream_end == StreamEnd::fin ? EndKind::eof : EndKind::reset;
    }
    evidence.layers.assign(state_->layers.begin(), state_->layers.begin() + state_->layer_count);
    evidence.connect_target = state_->connect_target;
    evidence.verdict = state_->verdict;
    evidence.silent_for = state_->silent_for;
}

}  // namespace telltale::sniff
