#include "proxy/handover_messages.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "config/address.h"
#include "sniff/escape.h"

namespace telltale::proxy::handover {

namespace {

constexpr std::string_view protocol = "telltale-handover ";
constexpr std::string_view version = "1";
// "sockets 253 of 4096" and the line before it.
constexpr size_t head_bytes_max = 64;
constexpr size_t shown_bytes_max = 40;

std::string with_head(std::string_view text) {
    return std::string(protocol) + std::string(version) + "\n" + std::string(text) + "\n";
}

// The first line without its end, taken off; nullopt: it has no end.
std::optional<std::string_view> take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

std::string_view take_prefix(std::string_view line, std::string_view prefix) {
    return line.starts_with(prefix) ? line.substr(prefix.size()) : std::string_view();
}

Nonsense nonsense(std::string_view said) {
    return {"it said " + sniff::quote_wire(said, shown_bytes_max)};
}

// "N of TOTAL"
std::optional<std::pair<size_t, size_t>> counts_of(std::string_view text) {
    const size_t middle = text.find(" of ");
    if (middle == std::string_view::npos) return std::nullopt;
    const auto here = config::parse_number(text.substr(0, middle));
    const auto total = config::parse_number(text.substr(middle + 4));
    if (!here || !total || *here > sockets_per_message_max || *total > sockets_max) {
        return std::nullopt;
    }
    if (*here > *total || (*here == 0 && *total != 0)) return std::nullopt;
    return std::pair<size_t, size_t>(*here, *total);
}

Message decode_sockets(std::string_view counts, std::string_view rest) {
    const auto numbers = counts_of(counts);
    if (!numbers) return nonsense(counts);
    Sockets sockets;
    sockets.total = numbers->second;
    for (size_t i = 0; i < numbers->first; ++i) {
        const auto line = take_line(rest);
        if (!line) return Nonsense{"it named fewer sockets than it announced"};
        const size_t space = std::min(line->find(' '), line->size());
        Name name{std::string(line->substr(0, space)),
                  std::string(line->substr(std::min(space + 1, line->size())))};
        if (!can_be_told(name)) return nonsense(*line);
        sockets.names.push_back(std::move(name));
    }
    if (!rest.empty()) return nonsense(rest);
    return sockets;
}

}  // namespace

std::string encode_ask() {
    return with_head("ask");
}

std::string encode_complete() {
    return with_head("complete");
}

std::string encode_refused(std::string_view reason) {
    return with_head("refused " + sniff::cut_text(sniff::escape_wire(reason, reason_bytes_max),
                                                  reason_bytes_max));
}

bool can_be_told(const Name& name) {
    const auto is_small_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    return !name.kind.empty() && name.kind.size() <= kind_bytes_max &&
           std::all_of(name.kind.begin(), name.kind.end(), is_small_letter) &&
           !name.address.empty() && name.address.size() <= address_bytes_max &&
           std::none_of(name.address.begin(), name.address.end(), is_control);
}

std::vector<Sockets> split(const std::vector<Name>& names) {
    std::vector<Sockets> messages(1);
    size_t bytes = head_bytes_max;
    for (const Name& name : names) {
        const size_t line = name.kind.size() + name.address.size() + 2;
        if (messages.back().names.size() == sockets_per_message_max ||
            bytes + line > message_bytes_max) {
            messages.emplace_back();
            bytes = head_bytes_max;
        }
        messages.back().names.push_back(name);
        bytes += line;
    }
    for (Sockets& message : messages) message.total = names.size();
    return messages;
}

std::string encode(const Sockets& sockets) {
    std::string text = with_head("sockets " + std::to_string(sockets.names.size()) + " of " +
                                 std::to_string(sockets.total));
    for (const Name& name : sockets.names) text += name.kind + " " + name.address + "\n";
    return text;
}

Message decode(std::string_view message) {
    if (message.size() > message_bytes_max) return Nonsense{"its message is too long"};
    std::string_view rest = message;
    const auto head = take_line(rest);
    const std::string_view spoken = take_prefix(head.value_or(""), protocol);
    if (spoken.empty()) return nonsense(message);
    if (spoken != version) {
        return Nonsense{"it speaks version " + sniff::escape_wire(spoken, shown_bytes_max) +
                        " of the hand-over, and this one speaks " + std::string(version)};
    }
    const auto line = take_line(rest);
    if (!line) return nonsense(message);
    if (line->starts_with("sockets ")) return decode_sockets(take_prefix(*line, "sockets "), rest);
    if (!rest.empty()) return nonsense(rest);
    if (*line == "ask") return Ask{};
    if (*line == "complete") return Complete{};
    if (line->starts_with("refused ")) {
        return Refused{sniff::escape_wire(take_prefix(*line, "refused "), reason_bytes_max)};
    }
    return nonsense(*line);
}

}  // namespace telltale::proxy::handover
