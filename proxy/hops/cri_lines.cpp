#include "proxy/hops/cri_lines.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace telltale::proxy::hops {

namespace {

struct CriLine {
    size_t stream = 0;  // 0 stdout, 1 stderr
    bool is_part = false;
    std::string_view head;  // up to the text
    std::string_view text;
};

constexpr std::array<std::string_view, 2> streams{" stdout ", " stderr "};
constexpr size_t stream_size = streams[0].size();
// 2026-11-22T22:01:30Z to nanoseconds with an offset: 2026-11-22T22:01:30.123456789+02:00.
constexpr size_t time_size_min = 20;
constexpr size_t time_size_max = 35;

std::optional<CriLine> read_line(std::string_view line) {
    const size_t time = line.substr(0, time_size_max + 1).find(' ');
    if (time == std::string_view::npos || time < time_size_min) return std::nullopt;
    if (std::isdigit(static_cast<unsigned char>(line[0])) == 0 || line[10] != 'T') {
        return std::nullopt;
    }
    const size_t tags = time + stream_size;
    if (line.size() < tags + 2) return std::nullopt;
    CriLine read;
    const std::string_view stream = line.substr(time, stream_size);
    if (stream != streams[0] && stream != streams[1]) return std::nullopt;
    read.stream = stream == streams[0] ? 0 : 1;
    read.is_part = line[tags] == 'P';
    if (!read.is_part && line[tags] != 'F') return std::nullopt;
    if (line[tags + 1] != ' ' && line[tags + 1] != ':') return std::nullopt;
    const size_t end = line.find(' ', tags);
    if (end == std::string_view::npos) return std::nullopt;
    read.head = line.substr(0, end + 1);
    read.text = line.substr(end + 1);
    return read;
}

}  // namespace

std::optional<std::string> join_cri_parts(std::string_view text) {
    // Most texts have none: they are not copied.
    if (text.find(" stdout P") == std::string_view::npos &&
        text.find(" stderr P") == std::string_view::npos) {
        return std::nullopt;
    }
    std::string joined;
    joined.reserve(text.size());
    std::array<std::string, 2> begun;
    bool any = false;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        const std::optional<CriLine> read = read_line(line);
        if (!read) {
            joined += line;
        } else if (read->is_part) {
            any = true;
            begun[read->stream] += read->text;
        } else {
            joined += read->head;
            joined += begun[read->stream];
            joined += read->text;
            begun[read->stream].clear();
        }
        if (end < text.size()) joined += '\n';
        at = end + 1;
    }
    if (!any) return std::nullopt;
    // Of a line whose end is not in this text.
    for (const std::string& rest : begun) joined += rest;
    return joined;
}

}  // namespace telltale::proxy::hops
