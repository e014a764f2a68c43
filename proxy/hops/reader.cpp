#include "proxy/hops/reader.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>
#include <unordered_map>

#include "proxy/hops/cri_lines.h"

namespace telltale::proxy::hops {

namespace json = boost::json;

namespace {

constexpr size_t depth_max = 16;  // a group of /incidents has 6
constexpr size_t evidence_max = 8;
constexpr int64_t count_max = 1'000'000'000'000;  // sums of them stay far from the type's end
constexpr std::string_view between_values = " \t\r\n[],";

// Fields of one object by name. What has another type counts as missing, and is counted.
class Fields final {
   public:
    Fields(const json::object& object, const ReadLimits& limits, Reading& reading)
        : object_(object), limits_(limits), reading_(reading) {}

    [[nodiscard]] std::string text(std::string_view key) const {
        const json::value* value = find(key);
        if (value == nullptr) return {};
        if (const json::string* string = value->if_string()) return cut(*string);
        ++reading_.wrong_fields;
        return {};
    }
    [[nodiscard]] int64_t number(std::string_view key) const {
        const json::value* value = find(key);
        if (value == nullptr) return 0;
        if (const int64_t* number = value->if_int64()) return *number;
        if (value->is_uint64()) return std::numeric_limits<int64_t>::max();
        ++reading_.wrong_fields;
        return 0;
    }
    [[nodiscard]] UnixMillis time(std::string_view key) const {
        return parse_utc(text(key)).value_or(0);
    }
    // An empty object when there is none.
    [[nodiscard]] Fields inside(std::string_view key) const {
        static const json::object none;
        const json::value* value = find(key);
        if (value == nullptr) return {none, limits_, reading_};
        if (const json::object* object = value->if_object()) return {*object, limits_, reading_};
        ++reading_.wrong_fields;
        return {none, limits_, reading_};
    }
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const {
        std::vector<std::string> out;
        const json::value* value = find(key);
        const json::array* array = value == nullptr ? nullptr : value->if_array();
        if (value != nullptr && array == nullptr) ++reading_.wrong_fields;
        if (array == nullptr) return out;
        for (const json::value& item : *array) {
            if (out.size() == evidence_max) break;
            if (const json::string* string = item.if_string()) out.push_back(cut(*string));
        }
        return out;
    }
    [[nodiscard]] bool has_object(std::string_view key) const {
        const json::value* value = find(key);
        return value != nullptr && value->is_object();
    }

   private:
    [[nodiscard]] const json::value* find(std::string_view key) const {
        const json::value* value = object_.if_contains(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    [[nodiscard]] std::string cut(const json::string& string) const {
        return std::string(string.data(), std::min(string.size(), limits_.text_bytes));
    }

    const json::object& object_;
    const ReadLimits& limits_;
    Reading& reading_;
};

template <typename Enum, size_t size>
std::optional<Enum> find_word(const std::array<std::string_view, size>& names,
                              std::string_view word) {
    const auto* const found = std::find(names.begin(), names.end(), word);
    if (found == names.end()) return std::nullopt;
    return static_cast<Enum>(found - names.begin());
}

SeenHop read_hop(const Fields& hop) {
    return {
        .position = find_word<sniff::HopPosition>(sniff::hop_position_names, hop.text("position")),
        .address = hop.text("address"),
        .name = hop.text("name"),
        .role = hop.text("role"),
        .software = hop.text("software"),
        .version = hop.text("version"),
        .evidence = hop.texts("evidence")};
}

SeenClient read_client(const Fields& client) {
    return {.address = client.text("address"),
            .reached = client.text("reached"),
            .protocol = client.text("protocol"),
            .path = client.text("path"),
            .user_agent = client.text("user_agent")};
}

SeenUpstream read_upstream(const Fields& upstream) {
    return {.address = upstream.text("address"),
            .from = upstream.text("from"),
            .requested = upstream.text("requested"),
            .protocol = upstream.text("protocol"),
            .status = upstream.number("status")};
}

Sighting read_record(const Fields& record) {
    Sighting seen;
    seen.id = record.text("id");
    seen.node = record.text("node");
    seen.listener = record.text("listener");
    seen.direction = record.text("direction");
    seen.at = seen.first = seen.last = record.time("ts");
    seen.client = read_client(record.inside("client"));
    seen.upstream = read_upstream(record.inside("upstream"));
    seen.cause = record.text("cause");
    seen.confidence =
        find_word<sniff::Confidence>(sniff::confidence_names, record.text("confidence"))
            .value_or(sniff::Confidence::possible);
    seen.hop = read_hop(record.inside("hop"));
    seen.attributed_by = record.text("attributed_by");
    seen.action = record.text("action");
    seen.rerouted_to = record.text("rerouted_to");
    seen.explanation = record.text("explanation");
    seen.fix = record.text("fix");
    seen.runbook = record.text("runbook");
    return seen;
}

std::string group_key(const Sighting& seen) {
    return seen.node + '\0' + seen.listener + '\0' + seen.cause + '\0' + dialled(seen);
}

uint64_t count_of(const Fields& fields) {
    return static_cast<uint64_t>(std::clamp<int64_t>(fields.number("count"), 1, count_max));
}

class Reader final {
   public:
    Reader(size_t source, const ReadLimits& limits) : source_(source), limits_(limits) {}

    [[nodiscard]] Reading read(std::string_view text);

   private:
    void read_line(std::string_view line);
    [[nodiscard]] size_t take_object(std::string_view text);
    void take(const json::object& object, bool is_wrapped);
    void take_summary(const Fields& fields);
    void take_group(const Fields& fields);
    void add(Sighting seen);
    void keep_newest();

    const size_t source_;
    const ReadLimits limits_;
    Reading reading_;
    // Where the newest record of each group is; summaries of repeats are counted there.
    std::unordered_map<std::string, size_t> newest_;
};

Reading Reader::read(std::string_view text) {
    size_t at = 0;
    size_t lines = 1;
    size_t counted = 0;  // up to here
    size_t end = 0;      // of the line; looked for once a line, which may hold all of the text
    while (at < text.size()) {
        at = std::min(text.find_first_not_of(between_values, at), text.size());
        if (at == text.size()) break;
        reading_.blank = false;
        if (at >= end) end = std::min(text.find('\n', at), text.size());
        const size_t brace =
            text[at] == '{' ? at : std::min(text.substr(0, end).find("{\"", at), end);
        const size_t size = brace == end ? 0 : take_object(text.substr(brace));
        if (size != 0) {
            at = brace + size;
            continue;
        }
        const std::string_view line = text.substr(at, end - at);
        const bool like_record = line.find("\"event\":\"incident") != std::string_view::npos ||
                                 line.find("\"incident\":") != std::string_view::npos;
        ++reading_.other_lines;
        if (like_record) {
            ++reading_.unreadable;
            lines += static_cast<size_t>(std::count(text.begin() + static_cast<long>(counted),
                                                    text.begin() + static_cast<long>(at), '\n'));
            counted = at;
            if (reading_.first_bad_line == 0) reading_.first_bad_line = lines;
        }
        at = end;
    }
    keep_newest();
    return std::move(reading_);
}

// The size of the object at the front; 0 when there is no whole one within the limit.
size_t Reader::take_object(std::string_view text) {
    json::parse_options options;
    options.max_depth = depth_max;
    json::stream_parser parser({}, options);
    boost::system::error_code error;
    const std::string_view part = text.substr(0, limits_.object_bytes);
    const size_t size = parser.write_some(part.data(), part.size(), error);
    if (error || !parser.done()) return 0;
    const json::value value = parser.release();
    if (!value.is_object()) return 0;
    ++reading_.objects;
    take(value.get_object(), false);
    return size;
}

void Reader::take(const json::object& object, bool is_wrapped) {
    const Fields fields(object, limits_, reading_);
    // Docker's json-file driver keeps the line as a text in an object of its own.
    const json::value* wrapped = object.if_contains("log");
    if (!is_wrapped && wrapped != nullptr && wrapped->is_string()) {
        read_line({wrapped->get_string().data(), wrapped->get_string().size()});
        return;
    }
    if (fields.has_object("incident")) return take_group(fields);
    const json::value* event = object.if_contains("event");
    if (event == nullptr) {
        const bool is_record = fields.has_object("upstream") || fields.has_object("client");
        if (is_record && object.contains("cause")) add(read_record(fields));
        return;
    }
    if (!event->is_string()) return;
    if (event->get_string() == "incident") add(read_record(fields));
    if (event->get_string() == "incident_repeated") take_summary(fields);
}

void Reader::read_line(std::string_view line) {
    const size_t brace = line.find("{\"");
    if (brace == std::string_view::npos) return;
    json::parse_options options;
    options.max_depth = depth_max;
    json::stream_parser parser({}, options);
    boost::system::error_code error;
    static_cast<void>(parser.write_some(line.data() + brace, line.size() - brace, error));
    if (error || !parser.done()) return;
    const json::value value = parser.release();
    if (value.is_object()) take(value.get_object(), true);
}

void Reader::take_group(const Fields& fields) {
    Sighting seen = read_record(fields.inside("incident"));
    seen.count = count_of(fields);
    const UnixMillis first = fields.time("first");
    const UnixMillis last = fields.time("last");
    if (first != 0 && (first < seen.first || seen.first == 0)) seen.first = first;
    seen.last = std::max(seen.last, last);
    add(std::move(seen));
}

void Reader::take_summary(const Fields& fields) {
    Sighting summary = read_record(fields);
    summary.count = count_of(fields);
    summary.last = std::max(summary.last, fields.time("last"));
    const auto found = newest_.find(group_key(summary));
    if (found != newest_.end()) {
        Sighting& group = reading_.sightings[found->second];
        group.count += summary.count;
        group.last = std::max(group.last, summary.last);
        return;
    }
    const UnixMillis first = fields.time("first");
    if (first != 0) summary.first = first;
    summary.id.clear();  // the record of that name was not here
    add(std::move(summary));
}

void Reader::add(Sighting seen) {
    seen.source = source_;
    if (reading_.sightings.size() >= 2 * limits_.sightings) keep_newest();
    newest_[group_key(seen)] = reading_.sightings.size();
    reading_.sightings.push_back(std::move(seen));
}

// In time proportional to what there is: a long log comes here often.
void Reader::keep_newest() {
    std::vector<Sighting>& all = reading_.sightings;
    if (all.size() <= limits_.sightings) return;
    const size_t dropped = all.size() - limits_.sightings;
    std::vector<UnixMillis> times;
    times.reserve(all.size());
    for (const Sighting& seen : all) times.push_back(seen.last);
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(dropped),
                     times.end());
    const UnixMillis oldest_kept = times[dropped];
    const auto older = static_cast<size_t>(
        std::count_if(times.begin(), times.end(), [&](UnixMillis at) { return at < oldest_kept; }));
    size_t as_old = dropped - older;  // of those at the edge
    std::erase_if(all, [&](const Sighting& seen) {
        if (seen.last != oldest_kept) return seen.last < oldest_kept;
        return as_old != 0 && as_old-- != 0;
    });
    reading_.passed_over += dropped;
    newest_.clear();
    for (size_t i = 0; i < all.size(); ++i) newest_[group_key(all[i])] = i;
}

// Two digits, or four, at the front of `text`, and then `end`; -1 when it is not so.
int take_number(std::string_view& text, size_t digits, char end) noexcept {
    int value = 0;
    if (text.size() <= digits || text[digits] != end) return -1;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || stop != text.data() + digits || value < 0) return -1;
    text.remove_prefix(digits + 1);
    return value;
}

}  // namespace

Reading read_sightings(std::string_view text, size_t source, const ReadLimits& limits) {
    const std::optional<std::string> whole = join_cri_parts(text);
    return Reader(source, limits).read(whole ? *whole : text);
}

std::optional<UnixMillis> parse_utc(std::string_view text) noexcept {
    if (text.size() < 20 || text.size() > 40 || text.back() != 'Z') return std::nullopt;
    const int year = take_number(text, 4, '-');
    const int month = take_number(text, 2, '-');
    const int day = take_number(text, 2, 'T');
    const int hour = take_number(text, 2, ':');
    const int minute = take_number(text, 2, ':');
    const bool has_fraction = text.size() > 3 && text[2] == '.';
    const int second = take_number(text, 2, has_fraction ? '.' : 'Z');
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (year < 0 || month < 0 || day < 0 || !date.ok()) return std::nullopt;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return std::nullopt;
    }
    int millis = 0;
    if (has_fraction) {
        int scale = 100;
        for (const char c : text.substr(0, text.size() - 1)) {
            if (c < '0' || c > '9') return std::nullopt;
            millis += (c - '0') * scale;
            scale /= 10;
        }
    }
    const auto days = std::chrono::sys_days(date).time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(days).count() +
           ((hour * 60LL + minute) * 60 + second) * 1000 + millis;
}

}  // namespace telltale::proxy::hops
