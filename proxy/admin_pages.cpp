#include "proxy/admin_pages.h"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "proxy/ending_code.h"
#include "proxy/incident.h"

namespace telltale::proxy {

namespace json = boost::json;

namespace {

constexpr size_t cell_bytes_max = 128;
// A name of 253 characters and its port.
constexpr size_t upstream_bytes_max = 260;
constexpr size_t sentence_bytes_max = 512;
constexpr size_t errors_shown_max = 20;

std::string cell(std::string_view text) {
    return clean_text(text, cell_bytes_max);
}

std::string listener_name(const std::vector<std::string>& names, size_t index) {
    return cell(index < names.size() ? names[index] : std::string());
}

bool is_open(const ConnectionRow& row) {
    return !row.ended_ms_ago;
}

void sort_rows(std::vector<ConnectionRow>& rows) {
    const auto ended = std::stable_partition(rows.begin(), rows.end(), is_open);
    std::stable_sort(ended, rows.end(), [](const ConnectionRow& one, const ConnectionRow& other) {
        return one.ended_ms_ago < other.ended_ms_ago;
    });
}

json::value ended_by(const ConnectionRow& row) {
    if (is_open(row)) return nullptr;
    const EndingWords words = ending_words(row.ended_by);
    return {{"code", words.code},
            {"side", words.side},
            {"operation", words.operation},
            {"error", words.error},
            {"errno", row.ended_by.error}};
}

json::object connection_object(const ConnectionRow& row, const std::vector<std::string>& names) {
    json::object object{
        {"id", row.id},
        {"listener", listener_name(names, row.listener)},
        {"client", {{"address", cell(row.client_address)}, {"protocol", sniff::name(row.client)}}},
        {"upstream",
         {{"address", cell(row.upstream_address)}, {"protocol", sniff::name(row.upstream)}}},
        {"verdict", sniff::name(row.verdict)},
        {"cause", sniff::name(row.cause)},
        {"policy", cell(row.policy)},
        {"action", cell(row.action)},
        {"state", cell(row.state)},
        {"bytes", {{"from_client", row.bytes[0]}, {"from_upstream", row.bytes[1]}}},
        {"age_ms", row.age_ms},
        {"ended_by", ended_by(row)}};
    if (row.ended_ms_ago) object["ended_ms_ago"] = *row.ended_ms_ago;
    return object;
}

std::string seconds_text(int64_t ms) {
    return std::to_string(ms / 1000) + "s";
}

std::vector<std::string> connection_cells(const ConnectionRow& row,
                                          const std::vector<std::string>& names) {
    const std::string ended =
        is_open(row) ? "-"
                     : ending_code(row.ended_by) + " " + seconds_text(*row.ended_ms_ago) + " ago";
    const std::string action = row.action.empty() ? "-" : cell(row.policy + "/" + row.action);
    return {listener_name(names, row.listener),
            cell(row.client_address),
            std::string(sniff::name(row.client)),
            cell(row.upstream_address),
            std::string(sniff::name(row.upstream)),
            std::string(sniff::name(row.verdict)),
            cell(row.state),
            std::to_string(row.bytes[0]),
            std::to_string(row.bytes[1]),
            seconds_text(row.age_ms),
            ended,
            action};
}

// "0.4": what people read, where Boost.JSON writes 4E-1.
std::string decimal(double value) {
    std::array<char, 64> digits{};
    static_cast<void>(std::snprintf(digits.data(), digits.size(), "%.1f", value));
    return digits.data();
}

std::string check_text(const CheckState& check) {
    std::string out = "upstream " + cell(check.listener) + " " +
                      clean_text(check.upstream, upstream_bytes_max) + ": ";
    if (check.result.empty()) return out + "not checked yet";
    out += clean_text(check.says.empty() ? check.result : check.says, sentence_bytes_max);
    return out + ", " + decimal(check.latency_ms) + " ms, checked " +
           std::to_string(check.age_ms / 1000) + " s ago";
}

std::string check_json(const CheckState& check) {
    json::object object{{"listener", cell(check.listener)},
                        {"upstream", clean_text(check.upstream, upstream_bytes_max)},
                        {"up", check.up},
                        {"result", nullptr},
                        {"says", clean_text(check.says, sentence_bytes_max)},
                        {"checked_ms_ago", nullptr}};
    if (!check.result.empty()) {
        object["result"] = cell(check.result);
        object["checked_ms_ago"] = check.age_ms;
    }
    std::string out = json::serialize(object);
    out.pop_back();
    return out + ",\"latency_ms\":" + (check.result.empty() ? "null" : decimal(check.latency_ms)) +
           "}";
}

}  // namespace

std::string table_text(const std::vector<std::vector<std::string>>& lines) {
    std::vector<size_t> widths(lines.front().size());
    for (const auto& line : lines) {
        for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    std::string out;
    for (const auto& line : lines) {
        for (size_t i = 0; i + 1 < line.size(); ++i) {
            out += line[i] + std::string(widths[i] - line[i].size() + 2, ' ');
        }
        out += line.back() + "\n";
    }
    return out;
}

std::string incidents_json(const std::vector<IncidentSink::Entry>& entries) {
    std::string out = "[";
    for (const auto& entry : entries) {
        if (out.size() > 1) out += ',';
        out += "\n{\"count\":" + std::to_string(entry.count) + ",\"first\":\"" +
               utc_text(entry.first) + "\",\"last\":\"" + utc_text(entry.incident.at) +
               "\",\"incident\":" + to_json(entry.incident) + "}";
    }
    return out + "]\n";
}

std::string incidents_text(const std::vector<IncidentSink::Entry>& entries) {
    if (entries.empty()) return "no incidents\n";
    std::string out;
    for (const auto& entry : entries) {
        out += to_text(entry.incident, Colour::off) + "  seen " + std::to_string(entry.count) +
               (entry.count == 1 ? " time" : " times, first " + utc_text(entry.first)) + "\n\n";
    }
    return out;
}

std::string connections_json(std::vector<ConnectionRow> rows,
                             const std::vector<std::string>& names) {
    sort_rows(rows);
    std::string out = "[";
    for (const auto& row : rows) {
        if (out.size() > 1) out += ',';
        out += "\n" + json::serialize(connection_object(row, names));
    }
    return out + "]\n";
}

std::string connections_text(std::vector<ConnectionRow> rows,
                             const std::vector<std::string>& names) {
    sort_rows(rows);
    std::vector<std::vector<std::string>> lines = {{"LISTENER", "CLIENT", "SPEAKS", "UPSTREAM",
                                                    "SPEAKS", "VERDICT", "STATE", "FROM CLIENT",
                                                    "FROM UPSTREAM", "AGE", "ENDED", "ACTION"}};
    for (const auto& row : rows) lines.push_back(connection_cells(row, names));
    return table_text(lines);
}

std::string ready_line(std::string_view reason) {
    if (reason.empty()) return "ready\n";
    return "not ready: " + clean_text(reason, sentence_bytes_max) + "\n";
}

std::string checks_text(const std::vector<CheckState>& checks) {
    std::string out;
    for (const CheckState& check : checks) out += check_text(check) + "\n";
    return out;
}

std::string ready_json(std::string_view reason, const std::vector<CheckState>& checks) {
    json::object head{{"ready", reason.empty()}, {"reason", nullptr}};
    if (!reason.empty()) head["reason"] = clean_text(reason, sentence_bytes_max);
    std::string out = json::serialize(head);
    out.pop_back();
    out += ",\"checks\":[";
    for (size_t i = 0; i < checks.size(); ++i) {
        out += (i == 0 ? "\n" : ",\n") + check_json(checks[i]);
    }
    return out + "]}\n";
}

std::string config_comments(const ConfigStatus& status) {
    std::string out = "# In effect since " + utc_text(status.loaded_at) + ".\n";
    if (!status.failed_at) return out;
    out += "# The reload of " + utc_text(*status.failed_at) + " failed and changed nothing:\n";
    const size_t shown = std::min(status.errors.size(), errors_shown_max);
    for (size_t i = 0; i < shown; ++i) {
        out += "#   " + clean_text(status.errors[i], sentence_bytes_max) + "\n";
    }
    if (status.errors.size() > shown) {
        out += "#   and " + std::to_string(status.errors.size() - shown) + " more\n";
    }
    return out;
}

}  // namespace telltale::proxy
