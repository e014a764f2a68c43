#include "sniff/service_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace telltale::sniff {
namespace {

constexpr size_t name_bytes_max = 253;  // RFC 1035 §2.3.4
constexpr size_t label_bytes_max = 63;

// What Services of one workload have beside its name.
constexpr std::array<std::string_view, 22> common_words = {
    "service",  "svc",      "headless", "hl",     "grpc",   "http",    "metrics", "internal",
    "external", "lb",       "nodeport", "canary", "stable", "preview", "active",  "primary",
    "replicas", "readonly", "ro",       "rw",     "client", "peer"};

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts;
    while (true) {
        const size_t end = text.find(at);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// The words of its own; all words where it has no other.
std::vector<std::string> own_words(const std::string& service) {
    const std::vector<std::string> all = split(service, '-');
    std::vector<std::string> own;
    for (const std::string& word : all) {
        const bool common =
            std::find(common_words.begin(), common_words.end(), word) != common_words.end();
        if (!common) own.push_back(word);
    }
    return own.empty() ? all : own;
}

bool has_all(const std::vector<std::string>& words, const std::vector<std::string>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
        return std::find(words.begin(), words.end(), word) != words.end();
    });
}

bool is_name_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

}  // namespace

std::optional<ServiceName> service_of(std::string_view dns_name) {
    if (!is_dns_name(dns_name)) return std::nullopt;
    const std::vector<std::string> labels = split(lower(dns_name), '.');
    // The longer form first: a namespace may be called svc, too.
    for (const size_t svc : {size_t{3}, size_t{2}}) {
        if (labels.size() > svc && labels[svc] == "svc") {
            return ServiceName{.service = labels[svc - 2], .name_space = labels[svc - 1]};
        }
    }
    return std::nullopt;
}

bool may_be_one_workload(const ServiceName& a, const ServiceName& b) {
    if (a.name_space != b.name_space) return false;
    const std::vector<std::string> one = own_words(a.service);
    const std::vector<std::string> other = own_words(b.service);
    return has_all(one, other) || has_all(other, one);
}

bool is_dns_name(std::string_view text) {
    if (text.empty() || text.size() > name_bytes_max) return false;
    const std::vector<std::string> labels = split(text, '.');
    return std::all_of(labels.begin(), labels.end(), [](const std::string& label) {
        return !label.empty() && label.size() <= label_bytes_max &&
               std::all_of(label.begin(), label.end(), is_name_char);
    });
}

}  // namespace telltale::sniff
