#include "config/validate.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
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

Address canonical(Address address) {
    address.host = host_of(address);
    return address;
}

// Dialling `upstream` arrives at `listen`; both are canonical.
bool arrives_at(const Address& upstream, const Address& listen) {
    if (upstream.is_unix() || listen.is_unix()) return upstream.unix_path == listen.unix_path;
    if (upstream.port == 0 || upstream.port != listen.port) return false;
    const std::string& to = upstream.host;
    const std::string& at = listen.host;
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
        find_steps();
        for (size_t i = 0; i < config_.listeners.size(); ++i) {
            check_name(i);
            check_listen(i);
            check_loop(i);
            check_upstreams(i);
        }
        check_handover();
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

    // Where the upstreams of every listener arrive, once: the graph that loops are looked for in.
    void find_steps() {
        const auto& listeners = config_.listeners;
        steps_.resize(listeners.size());
        std::vector<Address> listens;
        listens.reserve(listeners.size());
        for (const Listener& listener : listeners) listens.push_back(canonical(listener.listen));
        for (size_t from = 0; from < listeners.size(); ++from) {
            std::vector<bool> known(listeners.size());
            for (const Address& upstream : listeners[from].upstream.addresses) {
                const Address dialled = canonical(upstream);
                for (size_t to = 0; to < listeners.size(); ++to) {
                    if (known[to] || !arrives_at(dialled, listens[to])) continue;
                    known[to] = true;
                    steps_[from].push_back({&upstream, to});
                }
            }
        }
    }

    // How many steps lead from `from` to `to`, at most one visit to each listener; nullopt: none
    // do.
    [[nodiscard]] std::optional<size_t> distance(size_t from, size_t to,
                                                 std::vector<bool>& visited) const {
        visited[from] = true;
        std::deque<std::pair<size_t, size_t>> next = {{from, 0}};
        while (!next.empty()) {
            const auto [listener, steps] = next.front();
            next.pop_front();
            if (listener == to) return steps;
            for (const Step& step : steps_[listener]) {
                if (visited[step.to]) continue;
                visited[step.to] = true;
                next.emplace_back(step.to, steps + 1);
            }
        }
        return std::nullopt;
    }

    void check_loop(size_t start) {
        std::vector<bool> visited(config_.listeners.size());
        for (const Step& step : steps_[start]) {
            if (visited[step.to]) continue;
            const auto others = distance(step.to, start, visited);
            if (!others) continue;
            const std::string through = *others == 0
                                            ? ""
                                            : " through " + std::to_string(*others) +
                                                  " other listener" + (*others == 1 ? "" : "s");
            fail(start, "upstream",
                 "got " + quoted(step.upstream->text()) + ", which leads back to this listener" +
                     through + " (it listens on " + config_.listeners[start].listen.text() +
                     "), expected another address");
            return;
        }
    }

    void check_upstreams(size_t i) {
        std::set<std::string> seen;
        for (const Address& upstream : config_.listeners[i].upstream.addresses) {
            if (!upstream.is_unix() && upstream.port == 0) continue;  // was reported
            if (seen.insert(canonical(upstream).text()).second) continue;
            fail(i, "upstream", got_expected(upstream.text(), "each address once"));
        }
    }

    // A successor asks there for the sockets; nobody else may answer.
    void check_handover() {
        const Address& handover = config_.handover;
        if (!handover.is_unix()) return;
        const auto refuse = [&](const std::string& taker) {
            const YamlNode* const node = find_child(&root_, "handover");
            report_.add({.file = file_,
                         .line = node == nullptr ? 0 : node->line,
                         .path = "handover",
                         .text = got_expected(handover.text(),
                                              "an address that " + taker + " does not take")});
        };
        for (size_t i = 0; i < config_.listeners.size(); ++i) {
            if (config_.listeners[i].listen.unix_path != handover.unix_path) continue;
            refuse("listeners[" + std::to_string(i) + "]");
        }
        if (config_.admin_enabled && config_.admin.unix_path == handover.unix_path) {
            refuse("the admin server");
        }
    }

    // One upstream of a listener arrives at the listener `to`.
    struct Step {
        const Address* upstream;
        size_t to;
    };

    const Config& config_;
    const std::string& file_;
    const YamlNode& root_;
    Report& report_;
    std::map<std::string, size_t> first_of_name_;
    std::vector<std::vector<Step>> steps_;  // index = listener
};

}  // namespace

void validate(const Config& config, const std::string& file, const YamlNode& root, Report& report) {
    Validator(config, file, root, report).run();
}

}  // namespace telltale::config
