#include "proxy/page_data.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/incident.h"

namespace telltale::proxy {

namespace json = boost::json;

namespace {

constexpr size_t word_bytes_max = 256;
constexpr size_t sentence_bytes_max = 512;
// All addresses of one listener, with commas.
constexpr size_t upstream_bytes_max = 4096;

std::string words(std::string_view text) {
    return clean_text(text, word_bytes_max);
}

json::object spoken(sniff::Protocol client, sniff::Protocol upstream, sniff::Verdict verdict,
                    uint64_t count) {
    return {{"client", sniff::name(client)},
            {"upstream", sniff::name(upstream)},
            {"verdict", sniff::name(verdict)},
            {"count", count}};
}

json::array open_now(const SpokenCounts& counts) {
    json::array out;
    for (const auto& [key, count] : counts) {
        const auto& [client, upstream, verdict] = key;
        out.emplace_back(spoken(client, upstream, verdict, count));
    }
    return out;
}

// Only what there was: 768 combinations could be.
json::array seen_so_far(const ConnectionCounts& counts) {
    json::array out;
    for (size_t client = 0; client < counts.size(); ++client) {
        for (size_t upstream = 0; upstream < counts[client].size(); ++upstream) {
            for (size_t verdict = 0; verdict < counts[client][upstream].size(); ++verdict) {
                const uint64_t count = counts[client][upstream][verdict];
                if (count == 0) continue;
                out.emplace_back(spoken(static_cast<sniff::Protocol>(client),
                                        static_cast<sniff::Protocol>(upstream),
                                        static_cast<sniff::Verdict>(verdict), count));
            }
        }
    }
    return out;
}

uint64_t incidents_of(const ListenerStats& stats) {
    uint64_t sum = 0;
    for (const auto& [key, count] : stats.incidents) sum += count;
    return sum;
}

json::array checks_of(std::string_view listener, const std::vector<CheckState>& checks) {
    json::array out;
    for (const CheckState& check : checks) {
        if (check.listener != listener) continue;
        json::object row{{"upstream", clean_text(check.upstream, upstream_bytes_max)},
                         {"up", check.up},
                         {"result", nullptr},
                         {"says", clean_text(check.says, sentence_bytes_max)},
                         {"checked_ms_ago", nullptr}};
        if (!check.result.empty()) {
            row["result"] = words(check.result);
            row["checked_ms_ago"] = check.age_ms;
        }
        out.emplace_back(std::move(row));
    }
    return out;
}

json::object listener_object(const ListenerFacts& listener, const std::vector<CheckState>& checks) {
    const ListenerStats& stats = listener.stats;
    uint64_t looked_at = 0;
    for (const auto& [key, count] : listener.open) looked_at += count;
    return {{"name", words(listener.name)},
            {"direction", sniff::name(listener.direction)},
            {"expect", sniff::name(listener.expect)},
            {"policy", words(listener.policy)},
            {"bound", words(listener.bound)},
            {"upstream", clean_text(listener.upstream, upstream_bytes_max)},
            {"active", stats.active},
            {"open", open_now(listener.open)},
            {"open_looked_at", looked_at},
            {"accepted", stats.accepted},
            {"connections", seen_so_far(stats.connections)},
            {"incidents", incidents_of(stats)},
            {"bytes", {{"from_client", stats.bytes[0]}, {"from_upstream", stats.bytes[1]}}},
            {"checks", checks_of(listener.name, checks)}};
}

}  // namespace

std::vector<SpokenCounts> spoken_now(const std::vector<WorkerSnapshot>& snapshots, size_t slots) {
    std::vector<SpokenCounts> out(slots);
    for (const WorkerSnapshot& snapshot : snapshots) {
        for (const ConnectionRow& row : snapshot.connections) {
            if (row.listener >= slots) continue;
            ++out[row.listener][{row.client, row.upstream, row.verdict}];
        }
    }
    return out;
}

std::string listeners_json(const NodeFacts& node, std::string_view reason,
                           std::chrono::system_clock::time_point now,
                           const std::vector<ListenerFacts>& listeners,
                           const std::vector<CheckState>& checks) {
    json::object head{
        {"name", words(node.name)},          {"namespace", words(node.space)},
        {"version", words(node.version)},    {"commit", words(node.commit)},
        {"started", utc_text(node.started)}, {"now", utc_text(now)},
        {"ready", reason.empty()},           {"reason", clean_text(reason, sentence_bytes_max)}};
    std::string out = "{\"node\":" + json::serialize(head) + ",\"listeners\":[";
    bool first = true;
    for (const ListenerFacts& listener : listeners) {
        out += (first ? "\n" : ",\n") + json::serialize(listener_object(listener, checks));
        first = false;
    }
    return out + "]}\n";
}

std::string history_json(const IncidentHistory& history) {
    std::string out =
        "{\"minutes_kept\":" + std::to_string(IncidentHistory::minutes_max) + ",\"minutes\":[";
    bool first = true;
    for (const auto& minute : history.minutes()) {
        json::object counts;
        for (size_t cause = 0; cause < minute.counts.size(); ++cause) {
            if (minute.counts[cause] == 0) continue;
            counts[sniff::cause_names[cause]] = minute.counts[cause];
        }
        const json::object row{{"at", utc_text(minute.at)}, {"counts", std::move(counts)}};
        out += (first ? "\n" : ",\n") + json::serialize(row);
        first = false;
    }
    return out + "]}\n";
}

}  // namespace telltale::proxy
