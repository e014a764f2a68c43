// A log or a page of incidents: any text is read within bounds, each sighting ends in a path, and
// what is printed of them is clean.
#include <string>

#include "proxy/hops/paths.h"
#include "proxy/hops/reader.h"
#include "proxy/hops/render.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace hops = telltale::proxy::hops;
    using telltale::fuzz::require;
    const std::string text = telltale::fuzz::Input({data, size}).text(size);
    // Twice, as from two sidecars: so that there is something to join.
    hops::Reading reading = hops::read_sightings(text, 0);
    const hops::Reading again = hops::read_sightings(text, 1);
    require(reading.sightings.size() == again.sightings.size(), "reading is repeatable");
    reading.sightings.insert(reading.sightings.end(), again.sightings.begin(),
                             again.sightings.end());
    const size_t read = reading.sightings.size();
    const hops::Joined joined = hops::join(std::move(reading.sightings));
    require(joined.sightings.size() <= read, "nothing is made up");
    require(joined.paths.empty() == (read == 0), "what was read ends in a path");
    const std::string shown =
        hops::paths_text(joined, {}, telltale::proxy::Colour::off) + hops::paths_json(joined, {});
    for (const char c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        require((byte >= 0x20 && byte != 0x7f) || c == '\n', "no control characters");
    }
    return 0;
}
