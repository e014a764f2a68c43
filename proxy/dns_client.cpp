#include "proxy/dns_client.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <utility>

namespace telltale::proxy {

namespace {

using asio::ip::udp;

constexpr uint16_t dns_port = 53;
constexpr size_t servers_max = 3;  // as many as the C library uses
constexpr size_t search_max = 6;
constexpr size_t ndots_max = 15;
constexpr size_t attempts_max = 3;  // of one question
constexpr size_t resolv_conf_max = 64U << 10U;

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(resolv_conf_max, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return text;
}

void read_line(std::istringstream words, DnsSettings& settings) {
    std::string key, word;
    words >> key;
    if (key == "nameserver" && words >> word && settings.servers.size() < servers_max) {
        ErrorCode error;
        const auto address = asio::ip::make_address(word, error);
        if (!error) settings.servers.emplace_back(address, dns_port);
    } else if (key == "search" || key == "domain") {
        settings.search.clear();  // the last line counts
        while (words >> word && settings.search.size() < search_max) {
            if (word.ends_with('.')) word.pop_back();
            if (!word.empty()) settings.search.push_back(word);
        }
    } else if (key == "options") {
        constexpr std::string_view ndots = "ndots:";
        while (words >> word) {
            if (!word.starts_with(ndots)) continue;
            std::from_chars(word.data() + ndots.size(), word.data() + word.size(), settings.ndots);
            settings.ndots = std::min(settings.ndots, ndots_max);
        }
    }
}

// One question under way. Lives until it is answered or its time is over.
class Query final : public std::enable_shared_from_this<Query> {
   public:
    using Then = std::function<void(std::optional<DnsReply>)>;

    Query(asio::io_context& context, DnsQuestion question, std::vector<udp::endpoint> servers,
          Then then)
        : context_(context),
          question_(std::move(question)),
          message_(write_question(question_)),
          servers_(std::move(servers)),
          then_(std::move(then)),
          deadline_(context),
          next_(context) {}

    void start(std::chrono::milliseconds timeout) {
        deadline_.expires_after(timeout);
        deadline_.async_wait([self = shared_from_this()](const ErrorCode& error) {
            if (!error) self->finish(std::nullopt);
        });
        pause_ = timeout / attempts_max;
        // Never from within the call that asked.
        asio::post(context_, [self = shared_from_this()] { self->send(); });
    }
    void cancel() {
        then_ = {};
        close();
    }

   private:
    struct Attempt {
        explicit Attempt(asio::io_context& context) : socket(context) {}
        udp::socket socket;
        std::array<char, dns_message_max> reply{};
    };

    void send() {
        if (!then_) return;
        if (message_.empty() || servers_.empty()) {
            finish(std::nullopt);
            return;
        }
        if (attempts_.size() == attempts_max) return;
        const udp::endpoint server = servers_[attempts_.size() % servers_.size()];
        Attempt& attempt = *attempts_.emplace_back(std::make_unique<Attempt>(context_));
        ErrorCode error;
        // Connected: the kernel passes on what comes from this server alone.
        static_cast<void>(attempt.socket.connect(server, error));
        if (!error) attempt.socket.send(asio::buffer(message_), 0, error);
        if (!error) receive(attempt);
        next_.expires_after(pause_);
        next_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
            if (!cancelled) self->send();
        });
    }

    void receive(Attempt& attempt) {
        attempt.socket.async_receive(
            asio::buffer(attempt.reply),
            [self = shared_from_this(), &attempt](const ErrorCode& error, size_t size) {
                // Nothing listens there, or this was cancelled: the next attempt may do better.
                if (!error && self->then_) self->take(attempt, size);
            });
    }

    void take(Attempt& attempt, size_t size) {
        auto reply = read_reply({attempt.reply.data(), size}, question_);
        if (!reply) {
            receive(attempt);
        } else if (!reply->failed) {
            finish(std::move(reply));
        } else if (attempts_.size() == attempts_max) {
            finish(std::nullopt);
        } else {
            send();
        }
    }

    void finish(std::optional<DnsReply> reply) {
        const Then then = std::exchange(then_, {});
        close();
        if (then) then(std::move(reply));
    }

    void close() {
        deadline_.cancel();
        next_.cancel();
        for (const auto& attempt : attempts_) {
            ErrorCode ignored;
            static_cast<void>(attempt->socket.close(ignored));
        }
    }

    asio::io_context& context_;
    const DnsQuestion question_;
    const std::string message_;
    const std::vector<udp::endpoint> servers_;
    Then then_;
    asio::steady_timer deadline_;
    asio::steady_timer next_;
    std::chrono::milliseconds pause_{0};
    std::vector<std::unique_ptr<Attempt>> attempts_;  // their receives refer to them
};

}  // namespace

DnsSettings read_resolv_conf(std::string_view text) {
    DnsSettings settings;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        line.resize(std::min(line.find_first_of("#;"), line.size()));
        read_line(std::istringstream(line), settings);
    }
    if (settings.servers.empty())
        settings.servers.emplace_back(asio::ip::address_v4::loopback(), dns_port);
    return settings;
}

std::vector<std::string> full_names(const std::string& host, const DnsSettings& settings) {
    if (host.ends_with('.')) return {host.substr(0, host.size() - 1)};
    const auto dots = static_cast<size_t>(std::count(host.begin(), host.end(), '.'));
    std::vector<std::string> names;
    if (dots >= settings.ndots) names.push_back(host);
    for (const std::string& domain : settings.search) names.push_back(host + "." + domain);
    if (dots < settings.ndots) names.push_back(host);
    return names;
}

struct DnsClient::Impl : std::enable_shared_from_this<Impl> {
    Impl(asio::io_context& on, std::string path) : context(on), resolv_conf(std::move(path)) {}

    using Clock = std::chrono::steady_clock;

    void ask(std::string name, DnsType type, std::chrono::milliseconds timeout, Query::Then then);
    // One full name after the other until one has an address.
    void ask_next(std::vector<std::string> names, DnsType type, Clock::time_point until, Name then);

    asio::io_context& context;
    const std::string resolv_conf;
    std::vector<std::weak_ptr<Query>> queries;
    bool stopped = false;
};

void DnsClient::Impl::ask(std::string name, DnsType type, std::chrono::milliseconds timeout,
                          Query::Then then) {
    if (stopped) return;
    queries.erase(std::remove_if(queries.begin(), queries.end(),
                                 [](const auto& query) { return query.expired(); }),
                  queries.end());
    const DnsQuestion question{
        .id = static_cast<uint16_t>(std::random_device()()), .name = std::move(name), .type = type};
    // Read each time: a pod's resolv.conf may change, and incidents are rare.
    auto settings = read_resolv_conf(read_file(resolv_conf));
    const auto query =
        std::make_shared<Query>(context, question, std::move(settings.servers), std::move(then));
    queries.push_back(query);
    query->start(timeout);
}

void DnsClient::Impl::ask_next(std::vector<std::string> names, DnsType type,
                               Clock::time_point until, Name then) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (names.empty() || left.count() <= 0) {
        asio::post(context, [then = std::move(then)] { then({}); });
        return;
    }
    std::string name = std::move(names.front());
    names.erase(names.begin());
    ask(std::move(name), type, left,
        [self = shared_from_this(), names = std::move(names), type, until,
         then = std::move(then)](const std::optional<DnsReply>& reply) mutable {
            if (!reply || !reply->canonical.empty()) {
                then(reply ? reply->canonical : std::string());
            } else {
                self->ask_next(std::move(names), type, until, std::move(then));
            }
        });
}

DnsClient::DnsClient(asio::io_context& context, std::string resolv_conf)
    : impl_(std::make_shared<Impl>(context, std::move(resolv_conf))) {}

DnsClient::~DnsClient() {
    stop();
}

void DnsClient::names_of(const asio::ip::address& address, std::chrono::milliseconds timeout,
                         Names then) {
    impl_->ask(reverse_name(address), DnsType::ptr, timeout,
               [then = std::move(then)](std::optional<DnsReply> reply) {
                   if (reply) {
                       then(std::move(reply->names));
                   } else {
                       then(std::nullopt);
                   }
               });
}

void DnsClient::canonical_of(const std::string& host, DnsType type,
                             std::chrono::milliseconds timeout, Name then) {
    const auto settings = read_resolv_conf(read_file(impl_->resolv_conf));
    impl_->ask_next(full_names(host, settings), type, Impl::Clock::now() + timeout,
                    std::move(then));
}

void DnsClient::stop() {
    impl_->stopped = true;
    for (const auto& weak : std::exchange(impl_->queries, {})) {
        if (const auto query = weak.lock()) query->cancel();
    }
}

}  // namespace telltale::proxy
