#include "config/validate.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "config/address.h"

namespace telltale::config {
namespace {

const YamlNode* find_child(const YamlNode* node, std::string_view key) {
    if (node == nullptr) return nullptr;
    const auto found = std::find_if(node->children.begin(), node->children.end(),
                                    [key](const YamlNode& child) { return child.key == key; });
    return found == node->children.end() ? nullptr : &*found;
}

// Where a listener's key stands in the file; 0 when it came from a flag.
int line_of(const YamlNode& root, size_t listener, std::string_view key) {
    const YamlNode* const list = find_child(&root, "listeners");
    if (list == nullptr || listener >= list->children.size()) return 0;
    const YamlNode* const value = find_child(&list->children[listener], key);
    return value == nullptr ? 0 : value->line;
}

std::string path_of(size_t listener, const std::string& key) {
    return "listeners[" + std::to_string(listener) + "]." + key;
}

std::string host_of(const Address& address) {
    return canonical_ip(address.host).value_or(address.host);
}

bool is_ipv6(const std::string& host) {
    return host.find(':') != std::string::npos;
}

// Port 0 is a free port each time; a listener whose address was wrong has it too.
bool is_bound_twice(const Address& a, const Address& b) {
    if (a.is_unix() || b.is_unix()) return a.unix_path == b.unix_path;
    if (a.port == 0 || a.port != b.port) return false;
    const std::string x = host_of(a);
    const std::string y = host_of(b);
    const auto covers = [](const std::string& all, const std::string& one) {
        return all.empty() || (all == "0.0.0.0" && !is_ipv6(one) && !one.empty()) ||
               (all == "::" && is_ipv6(one));
    };
    return x == y || covers(x, y) || covers(y, x);
}

bool is_this_host(const std::string& host) {
    return host == "localhost" || host == "::1" || host == "0.0.0.0" || host == "::" ||
           host.rfind("127.", 0) == 0;
}

// Dialling `upstream` arrives at `listen`.
bool arrives_at(const Address& upstream, const Address& listen) {
    if (upstream.is_unix() || listen.is_unix()) return upstream.unix_path == listen.unix_path;
    if (upstream.port == 0 || upstream.port != listen.port) return false;
    const std::string to = host_of(upstream);
    const std::string at = host_of(listen);
    if (to == at) return true;
    const bool listens_everywhere = at.empty() || at == "0.0.0.0" || at == "::";
    if (listens_everywhere) return is_this_host(to);
    return is_this_host(at) && (to == "localhost" || to == "0.0.0.0" || to == "::");
}

class Validator final {
   public:
    Validator(const Config& config, const std::string& file, const YamlNode& root, Report& report)
        : config_(config), file_(file), root_(root), report_(report) {}

    void run() {
        for (size_t i = 0; i < config_.listeners.size(); ++i) {
            check_name(i);
            check_listen(i);
            check_loop(i);
            check_upstreams(i);
        }
    }

   private:
    void fail(size_t listener, const std::string& key, std::string text) {
        report_.add({.file = file_,
                     .line = line_of(root_, listener, key),
                     .path = path_of(listener, key),
                     .text = std::move(text)});
    }

    void check_name(size_t i) {
        const std::string& name = config_.listeners[i].name;
        if (name.empty()) return;
        const auto [first, is_first] = first_of_name_.try_emplace(name, i);
        if (is_first) return;
        fail(i, "name",
             got_expected(name, "a name other than that of listeners[" +
                                    std::to_string(first->second) + "]"));
    }

    void check_listen(size_t i) {
        const Address& listen = config_.listeners[i].listen;
        for (size_t j = 0; j < i; ++j) {
            const Address& other = config_.listeners[j].listen;
            if (!is_bound_twice(listen, other)) continue;
            fail(i, "listen",
                 got_expected(listen.text(), "an address that listeners[" + std::to_string(j) +
                                                 "] does not take (" + other.text() + ")"));
            return;
        }
        if (config_.admin_enabled && is_bound_twice(listen, config_.admin)) {
            fail(i, "listen",
                 got_expected(listen.text(), "an address that the admin server does not take (" +
                                                 config_.admin.text() + ")"));
        }
    }

    // Steps from `from` back to `start` through the upstreams of listeners that were not visited;
    // 0: it does not lead there.
    [[nodiscard]] size_t steps_back(const Address& upstream, size_t start,
                                    std::vector<bool>& visited) const {
        for (size_t i = 0; i < config_.listeners.size(); ++i) {
            if (visited[i] || !arrives_at(upstream, config_.listeners[i].listen)) continue;
            if (i == start) return 1;
            visited[i] = true;
            for (const Address& next : config_.listeners[i].upstream.addresses) {
                if (const size_t steps = steps_back(next, start, visited)) return steps + 1;
            }
        }
        return 0;
    }

    void check_loop(size_t start) {
        const Listener& listener = config_.listeners[start];
        for (const Address& upstream : listener.upstream.addresses) {
            std::vector<bool> visited(config_.listeners.size());
            const size_t steps = steps_back(upstream, start, visited);
            if (steps == 0) continue;
            const std::string through = steps == 1
                                            ? ""
                                            : " through " + std::to_string(steps - 1) +
                                                  " other listener" + (steps == 2 ? "" : "s");
            fail(start, "upstream",
                 "got " + quoted(upstream.text()) + ", which leads back to this listener" +
                     through + " (it listens on " + listener.listen.text() +
                     "), expected another address");
            return;
        }
    }

    void check_upstreams(size_t i) {
        const auto& addresses = config_.listeners[i].upstream.addresses;
        for (size_t j = 1; j < addresses.size(); ++j) {
            if (std::find(addresses.begin(), addresses.begin() + static_cast<ptrdiff_t>(j),
                          addresses[j]) == addresses.begin() + static_cast<ptrdiff_t>(j)) {
                continue;
            }
            fail(i, "upstream", got_expected(addresses[j].text(), "each address once"));
        }
    }

    const Config& config_;
    const std::string& file_;
    const YamlNode& root_;
    Report& report_;
    std::map<std::string, size_t> first_of_name_;
};

}  // namespace

void validate(const Config& config, const std::string& file, const YamlNode& root, Report& report) {
    Validator(config, file, root, report).run();
}

}  // namespace telltale::config
