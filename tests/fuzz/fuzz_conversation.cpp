// A whole exchange: 1 byte chooses what is expected and the window, 2 choose the split points, then
// events of one byte each, bytes with their length in two more. Whole chunks and pieces must say
// the same after every event, and a verdict stays.
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/sniff/conversation_script.h"

namespace telltale::fuzz {

namespace {

using namespace telltale::sniff;
using namespace telltale::sniff::test;

constexpr size_t events_max = 64;

// The low 3 bits say what happens, the high 5 how much time passes before it.
Event read_event(Input& input) {
    const uint8_t choice = input.u8();
    const Millis after = choice < 0x80 ? 0 : Millis{choice & 0x78} * 70;
    switch (choice & 7U) {
        case 0:
        case 1:
            return client(input.text(input.u16()), after);
        case 2:
        case 3:
            return upstream(input.text(input.u16()), after);
        case 4:
            return end_of(Side::client, (choice & 8U) == 0 ? StreamEnd::fin : StreamEnd::reset,
                          after);
        case 5:
            return end_of(Side::upstream, (choice & 8U) == 0 ? StreamEnd::fin : StreamEnd::reset,
                          after);
        case 6:
            return connected();
        default:
            return passes(after);
    }
}

Script read_script(Input& input, uint8_t choices) {
    Script script{.name = "fuzz", .expect = static_cast<Expect>((choices & 3U) % 3), .events = {}};
    if ((choices & 4U) != 0) script.limits.window_max = 32 + (choices >> 3U) * 64;
    if ((choices & 8U) == 0) script.events.push_back(connected());
    bool ended[2] = {false, false};
    while (!input.empty() && script.events.size() < events_max) {
        Event event = read_event(input);
        bool& side_ended = ended[static_cast<size_t>(event.side)];
        // A stream has no bytes behind its end.
        if (event.kind == Event::Kind::bytes && side_ended) continue;
        if (event.kind == Event::Kind::end) side_ended = true;
        script.events.push_back(std::move(event));
    }
    script.events.push_back(closed(1));
    return script;
}

void play_both(const Script& script, Cuts cuts) {
    Player whole(script);
    Player pieces(script);
    std::optional<Verdict> latched;
    for (const Event& event : script.events) {
        whole.play(event);
        pieces.play(event, cuts);
        require(facts(*whole) == facts(*pieces), "the same facts at every split");
        require(!latched || latched == whole->verdict(), "a verdict stays");
        if (whole->decided()) latched = whole->verdict();
    }
    require(whole->decided(), "every connection ends with a verdict");
    require(!whole->deadline(), "nothing is waited for at the end");
}

}  // namespace

}  // namespace telltale::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale::fuzz;
    Input input({data, size});
    const uint8_t choices = input.u8();
    const Cuts cuts(input.u16());
    play_both(read_script(input, choices), cuts);
    return 0;
}
