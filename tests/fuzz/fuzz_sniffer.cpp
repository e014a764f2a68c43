// One side's bytes: 1 byte of choices, 2 that choose the split points, then the stream. The same
// protocol and the same frames must come out of every split, and every parser must survive.
#include "sniff/extent.h"
#include "sniff/greetings.h"
#include "sniff/http1.h"
#include "sniff/http2.h"
#include "sniff/proxy_header.h"
#include "sniff/sniffer.h"
#include "sniff/tls.h"
#include "tests/fuzz/input.h"

namespace telltale::fuzz {

namespace {

using namespace telltale::sniff;

void sniff_in_pieces(Side side, uint32_t window, Bytes stream, Cuts cuts) {
    Sniffer whole(side, window);
    const Protocol at_once = whole.look(stream);
    Sniffer pieces(side, window);
    Protocol latched = Protocol::undecided;
    for (size_t seen = 0; seen < stream.size();) {
        seen += cuts(stream.size() - seen);
        const Protocol now = pieces.look(stream.first(seen));
        require(latched == Protocol::undecided || latched == now, "a protocol stays");
        latched = now;
    }
    require(latched == at_once, "the same protocol at every split");
    require(whole.finish(stream) == pieces.finish(stream), "the same end at every split");
}

void walk_in_pieces(Side side, Bytes stream, Cuts cuts) {
    FrameWalker whole(side);
    whole.feed(stream);
    FrameWalker pieces(side);
    for (Bytes rest = stream; !rest.empty();) {
        const size_t size = cuts(rest.size());
        pieces.feed(rest.first(size));
        rest = rest.subspan(size);
    }
    require(whole.frames() == pieces.frames(), "the same frames at every split");
    require(whole.sane() == pieces.sane(), "the same sanity at every split");
    require(whole.settings().size() == pieces.settings().size(),
            "the same SETTINGS at every split");
    require((whole.first_headers() == nullptr) == (pieces.first_headers() == nullptr),
            "the same HEADERS at every split");
}

void parse_everything(Bytes stream) {
    (void)parse_http1_request(stream);
    (void)parse_http1_response(stream);
    (void)http1_field(stream, "content-length");
    (void)parse_client_hello(stream);
    (void)parse_server_hello(stream);
    (void)parse_tls_alert(stream);
    (void)find_later_alert(stream);
    require(parse_proxy_header(stream).size <= stream.size(), "a header lies in its stream");
    require(http1_head_size(stream) <= stream.size(), "a head lies in its stream");
    require(http1_answer_size(stream).value_or(0) <= stream.size(), "an answer lies in its stream");
    require(tls_first_message(stream).end <= stream.size(), "a message lies in its stream");
    require(tls_later_alert(stream).size <= stream.size(), "an alert lies in its stream");
    for (const Protocol protocol :
         {Protocol::ssh, Protocol::mysql, Protocol::postgres, Protocol::redis, Protocol::smtp}) {
        require(greeting_text(protocol, stream).size() <= stream.size(), "a greeting was said");
    }
}

}  // namespace

}  // namespace telltale::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale::fuzz;
    Input input({data, size});
    const uint8_t choices = input.u8();
    const Cuts cuts(input.u16());
    const auto side =
        (choices & 1U) == 0 ? telltale::sniff::Side::client : telltale::sniff::Side::upstream;
    const uint32_t window = (choices & 2U) == 0 ? 16384 : 1 + (choices >> 2U);
    sniff_in_pieces(side, window, input.rest(), cuts);
    walk_in_pieces(side, input.rest(), cuts);
    parse_everything(input.rest());
    return 0;
}
