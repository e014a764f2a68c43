#include "proxy/reload.h"

#include <algorithm>
#include <string_view>

namespace telltale::proxy {

namespace {

const config::Listener* find(const config::Config& config, const std::string& name) {
    const auto found =
        std::find_if(config.listeners.begin(), config.listeners.end(),
                     [&](const config::Listener& listener) { return listener.name == name; });
    return found == config.listeners.end() ? nullptr : &*found;
}

void append(std::string& text, std::string_view part) {
    if (!text.empty()) text += "; ";
    text += part;
}

void append_names(std::string& text, const std::string& names, std::string_view what) {
    if (names.empty()) return;
    append(text, "listeners ");
    text += what;
    text += ": " + names;
}

}  // namespace

std::vector<std::string> needs_restart(const config::Config& present, const config::Config& next) {
    std::vector<std::string> keys;
    const auto note = [&keys](bool differs, const char* key) {
        if (differs) keys.emplace_back(key);
    };
    note(present.workers != next.workers, "workers");
    note(present.admin_enabled != next.admin_enabled || !(present.admin == next.admin),
         "admin.listen");
    note(!(present.handover == next.handover), "handover");
    note(present.limits.incident_queue != next.limits.incident_queue, "limits.incident_queue");
    note(present.limits.incidents_kept != next.limits.incidents_kept, "limits.incidents_kept");
    note(present.log.format != next.log.format, "log.format");
    return keys;
}

std::string describe_changes(const config::Config& present, const config::Config& next) {
    std::string added, removed, changed;
    const auto name = [](std::string& names, const std::string& one) {
        if (!names.empty()) names += ", ";
        names += one;
    };
    for (const config::Listener& listener : next.listeners) {
        const config::Listener* const before = find(present, listener.name);
        if (before == nullptr) name(added, listener.name);
        if (before != nullptr && !(*before == listener)) name(changed, listener.name);
    }
    for (const config::Listener& listener : present.listeners) {
        if (find(next, listener.name) == nullptr) name(removed, listener.name);
    }
    std::string text;
    append_names(text, added, "added");
    append_names(text, removed, "removed");
    append_names(text, changed, "changed");
    config::Config rest = next;
    rest.listeners = present.listeners;
    if (!(rest == present)) append(text, "other settings changed");
    return text.empty() ? "nothing changed" : text;
}

}  // namespace telltale::proxy
