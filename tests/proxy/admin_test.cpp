#include "proxy/admin.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/endpoint.h"
#include "proxy/unique_fd.h"
#include "tests/proxy/example_incident.h"
#include "tests/support/ipv6.h"

namespace telltale::proxy {
namespace {

namespace json = boost::json;

// What the sources answer.
struct Facts {
    std::string not_ready;
    std::vector<IncidentSink::Entry> incidents;
    std::vector<ConnectionRow> connections;
    std::string metrics = "telltale_build_info 1\n";
    std::vector<std::function<void(std::string)>> held;
    bool hold_metrics = false;
    std::vector<CheckState> checks;
    ConfigStatus config_status;
    std::string log_level = "info";
    std::vector<ListenerFacts> listeners;
    IncidentHistory history;
    int drains = 0;
    int reloads = 0;
    std::string reload_errors;  // not empty: a reload fails
    bool has_optional = true;   // the sources that may be absent are there
};

config::Address address_of(std::string host) {
    config::Address address;
    address.host = std::move(host);
    return address;
}

config::Address unix_address_of(std::string path) {
    config::Address address;
    address.unix_path = std::move(path);
    return address;
}

// An admin server on its own thread.
class Server final {
   public:
    explicit Server(const config::Address& listen = address_of("127.0.0.1"), Facts given = {})
        : facts(std::move(given)), work_(context_.get_executor()), admin_(make(listen)) {
        thread_ = std::thread([this] { context_.run(); });
    }
    ~Server() {
        stop();
        work_.reset();
        thread_.join();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::string address() const { return address_; }
    void stop() {
        on_thread([this] { admin_->stop(); });
    }
    void on_thread(std::function<void()> work) {
        std::promise<void> done;
        asio::post(context_, [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

    Facts facts;  // touched on the server's thread, or before anybody asks

   private:
    std::unique_ptr<Admin> make(const config::Address& listen) {
        AdminSources sources;
        sources.metrics = [this](std::function<void(std::string)> then) {
            if (facts.hold_metrics) return facts.held.push_back(std::move(then));
            then(facts.metrics);
        };
        sources.connections = [this](size_t max, auto then) {
            auto rows = facts.connections;
            rows.resize(std::min(rows.size(), max));
            then(std::move(rows));
        };
        sources.incidents = [this](auto then) { then(facts.incidents); };
        sources.config_yaml = [] { return std::string("listeners:\n  - name: <b>\n"); };
        sources.not_ready_reason = [this] { return facts.not_ready; };
        sources.listener_names = [] { return std::vector<std::string>{"group-rpc"}; };
        if (facts.has_optional) add_optional(sources);
        auto admin = std::make_unique<Admin>(context_, listen, std::move(sources));
        address_ = admin->address();
        return admin;
    }

    void add_optional(AdminSources& sources) {
        sources.config_status = [this] { return facts.config_status; };
        sources.checks = [this] { return facts.checks; };
        sources.log_level = [this] { return facts.log_level; };
        sources.set_log_level = [this](std::string_view level) {
            if (level != "info" && level != "debug") return false;
            facts.log_level = level;
            return true;
        };
        sources.drain = [this] {
            ++facts.drains;
            facts.not_ready = "draining";
        };
        sources.node = [] { return NodeFacts{"node", "space", "1.2.3", "abc", {}}; };
        sources.listeners = [this](size_t /*max*/, auto then) { then(facts.listeners); };
        sources.history = [this](auto then) { then(facts.history); };
        sources.reload = [this](std::function<void(bool, std::string)> then) {
            ++facts.reloads;
            if (facts.reload_errors.empty()) return then(true, "reloaded: nothing changed");
            then(false, facts.reload_errors);
        };
    }

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::string address_;
    std::unique_ptr<Admin> admin_;
    std::thread thread_;
};

// ---- a plain blocking client; no wait is longer than ten seconds

UniqueFd dial(const std::string& address) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (address.starts_with("unix:")) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, address.c_str() + 5, address.size() - 5);
        if (un.sun_path[0] == '@') un.sun_path[0] = '\0';
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() - 5);
        std::memcpy(&storage, &un, sizeof un);
    } else if (address.starts_with("[")) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_addr = in6addr_loopback;
        in.sin6_port =
            htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
        size = sizeof in;
        std::memcpy(&storage, &in, sizeof in);
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        ::inet_pton(AF_INET, address.substr(0, address.rfind(':')).c_str(), &in.sin_addr);
        in.sin_port =
            htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
        size = sizeof in;
        std::memcpy(&storage, &in, sizeof in);
    }
    UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&storage)), size), 0)
        << address << ": " << std::strerror(errno);
    return fd;
}

bool say(const UniqueFd& fd, const std::string& text) {
    return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

std::string hear_to_end(const UniqueFd& fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
        out.append(buffer.data(), static_cast<size_t>(n));
    }
    return out;
}

struct Reply {
    std::string head;
    std::string body;
    [[nodiscard]] int status() const { return head.size() > 12 ? std::stoi(head.substr(9, 3)) : 0; }
    [[nodiscard]] bool has(const std::string& line) const {
        return (head + "\r\n").find("\r\n" + line + "\r\n") != std::string::npos;
    }
};

Reply split(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return {text, {}};
    return {text.substr(0, end), text.substr(end + 4)};
}

Reply ask(const std::string& address, const std::string& method, const std::string& target,
          const std::string& body = "", const std::string& headers = "Host: a\r\n") {
    const UniqueFd fd = dial(address);
    EXPECT_TRUE(say(fd, method + " " + target + " HTTP/1.1\r\n" + headers + "Content-Length: " +
                            std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body));
    return split(hear_to_end(fd));
}

Reply get(const Server& server, const std::string& target) {
    return ask(server.address(), "GET", target);
}

std::chrono::system_clock::time_point system_clock_at(int64_t unix_seconds) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(unix_seconds));
}

IncidentSink::Entry entry_of(uint64_t count) {
    IncidentSink::Entry entry;
    entry.incident = example_incident();
    entry.count = count;
    entry.first = entry.incident.at - std::chrono::seconds(5);
    return entry;
}

// ---- routes

TEST(Admin, answers_metrics_with_the_exposition_type) {
    const Server server;
    const auto reply = get(server, "/metrics");
    EXPECT_EQ(reply.status(), 200);
    EXPECT_TRUE(reply.has("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    EXPECT_TRUE(reply.has("X-Content-Type-Options: nosniff"));
    EXPECT_EQ(reply.body, "telltale_build_info 1\n");
}

TEST(Admin, is_live_also_while_it_is_not_ready) {
    Server server;
    EXPECT_EQ(get(server, "/ready").status(), 200);
    EXPECT_EQ(get(server, "/ready").body, "ready\n");
    server.on_thread([&] { server.facts.not_ready = "draining"; });
    const auto reply = get(server, "/ready");
    EXPECT_EQ(reply.status(), 503);
    EXPECT_EQ(reply.body, "not ready: draining\n");
    EXPECT_EQ(get(server, "/live").status(), 200);
    EXPECT_EQ(get(server, "/live").body, "ok\n");
}

TEST(Admin, lists_incidents_as_json_and_as_text) {
    Facts facts;
    facts.incidents = {entry_of(3), entry_of(1)};
    facts.incidents[1].incident.evidence.upstream.first_bytes = "</script>\x1b[2J\xff";
    const Server server(address_of("127.0.0.1"), facts);
    const auto reply = get(server, "/incidents");
    EXPECT_TRUE(reply.has("Content-Type: application/json"));
    const auto list = json::parse(reply.body).as_array();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].at("count"), 3);
    EXPECT_EQ(list[0].at("first"), "2026-11-22T22:01:32.396Z");
    EXPECT_EQ(list[0].at("last"), "2026-11-22T22:01:37.396Z");
    EXPECT_EQ(list[0].at("incident"), json::parse(to_json(example_incident())));

    const auto text = get(server, "/incidents?a=1&format=text");
    EXPECT_TRUE(text.has("Content-Type: text/plain; charset=utf-8"));
    EXPECT_NE(text.body.find("metrics_port (certain)"), std::string::npos);
    EXPECT_NE(text.body.find("seen 3 times"), std::string::npos);
    EXPECT_EQ(text.body.find('\x1b'), std::string::npos);
}

TEST(Admin, says_so_when_there_is_no_incident) {
    const Server server;
    EXPECT_EQ(json::parse(get(server, "/incidents").body).as_array().size(), 0U);
    EXPECT_EQ(get(server, "/incidents?format=text").body, "no incidents\n");
    EXPECT_EQ(json::parse(get(server, "/connections").body).as_array().size(), 0U);
}

TEST(Admin, lists_connections_as_json_and_as_a_table) {
    Facts facts;
    ConnectionRow row;
    row.id = 7;
    row.client_address = "10.0.0.1:1";
    row.upstream_address = "10.0.0.2:12260";
    row.client = sniff::Protocol::http2;
    row.upstream = sniff::Protocol::http1;
    row.verdict = sniff::Verdict::mismatch;
    row.cause = sniff::Cause::metrics_port;
    row.state = "relaying";
    row.bytes = {93, 103};
    row.age_ms = 2500;
    facts.connections = {row};
    const Server server(address_of("127.0.0.1"), facts);
    EXPECT_EQ(json::parse(get(server, "/connections").body), json::parse(R"([{"id":7,
        "listener":"group-rpc","client":{"address":"10.0.0.1:1","protocol":"http/2"},
        "upstream":{"address":"10.0.0.2:12260","protocol":"http/1"},"verdict":"mismatch",
        "cause":"metrics_port","state":"relaying","bytes":{"from_client":93,"from_upstream":103},
        "age_ms":2500,"ended_by":null,"policy":"","action":""}])"));
    const auto text = get(server, "/connections?format=text").body;
    EXPECT_TRUE(text.starts_with("LISTENER   CLIENT      SPEAKS  UPSTREAM        SPEAKS  VERDICT"));
    EXPECT_NE(text.find("group-rpc  10.0.0.1:1  http/2  10.0.0.2:12260  http/1  mismatch"),
              std::string::npos)
        << text;
}

TEST(Admin, lists_connections_that_have_ended_after_the_open_ones) {
    Facts facts;
    ConnectionRow ended;
    ended.id = 1;
    ended.state = "ended";
    ended.ended_ms_ago = 3000;
    ended.ended_by = {sniff::Side::upstream, sniff::Operation::connect, sniff::EndKind::error,
                      ECONNREFUSED, sniff::Phase::connecting};
    ended.policy = "answer";
    ended.action = "answered";
    ConnectionRow open;
    open.id = 2;
    open.state = "relaying";
    facts.connections = {ended, open};
    const Server server(address_of("127.0.0.1"), facts);
    const auto rows = json::parse(get(server, "/connections").body).as_array();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].at("id"), 2);
    EXPECT_TRUE(rows[0].at("ended_by").is_null());
    EXPECT_FALSE(rows[0].as_object().contains("ended_ms_ago"));
    EXPECT_EQ(rows[1].at("state"), "ended");
    EXPECT_EQ(rows[1].at("ended_ms_ago"), 3000);
    EXPECT_EQ(rows[1].at("policy"), "answer");
    EXPECT_EQ(rows[1].at("action"), "answered");
    EXPECT_EQ(rows[1].at("ended_by"), json::parse(R"({"code":"uC","side":"upstream",
        "operation":"connect","error":"connection refused","errno":111})"));
}

TEST(Admin, shows_the_configuration_as_text_never_as_markup) {
    const Server server;
    const auto reply = get(server, "/config");
    EXPECT_TRUE(reply.body.starts_with("# In effect since 1970-01-01T00:00:00.000Z.\n"));
    EXPECT_TRUE(reply.body.ends_with("\nlisteners:\n  - name: <b>\n")) << reply.body;
    EXPECT_TRUE(reply.has("Content-Type: text/plain; charset=utf-8"));
    EXPECT_TRUE(reply.has("X-Content-Type-Options: nosniff"));
}

TEST(Admin, lists_its_routes_at_the_root_and_for_an_unknown_path) {
    const Server server;
    const auto root = get(server, "/");
    EXPECT_EQ(root.status(), 200);
    const auto unknown = get(server, "/nope?x=1");
    EXPECT_EQ(unknown.status(), 404);
    for (const char* path :
         {"/metrics", "/live", "/ready", "/incidents", "/connections", "/listeners", "/history",
          "/config", "/log-level", "/drain", "/reload"}) {
        EXPECT_NE(root.body.find(path), std::string::npos) << path;
        EXPECT_NE(unknown.body.find(path), std::string::npos) << path;
    }
    EXPECT_EQ(unknown.body.find("nope"), std::string::npos) << "a peer's words are not echoed";
}

TEST(Admin, answers_head_with_the_length_and_no_body) {
    const Server server;
    for (const char* path : {"/", "/metrics", "/live", "/incidents", "/config", "/listeners",
                             "/history", "/page/app.js", "/page/chart.min.js"}) {
        const auto reply = ask(server.address(), "HEAD", path);
        EXPECT_EQ(reply.status(), 200) << path;
        EXPECT_EQ(reply.body, "") << path;
        const auto size = get(server, path).body.size();
        EXPECT_TRUE(reply.has("Content-Length: " + std::to_string(size))) << reply.head;
    }
}

TEST(Admin, refuses_other_methods_and_says_which_there_are) {
    Server server;
    struct Row {
        std::string path;
        std::vector<std::string> refused;
        std::string allowed;
    };
    const std::vector<Row> rows = {
        {"/", {"POST", "PUT", "DELETE", "OPTIONS", "BREW"}, "GET, HEAD"},
        {"/metrics", {"POST", "PUT", "DELETE", "OPTIONS", "BREW"}, "GET, HEAD"},
        {"/live", {"POST", "PUT"}, "GET, HEAD"},
        {"/ready", {"POST", "PUT"}, "GET, HEAD"},
        {"/incidents", {"POST", "PUT"}, "GET, HEAD"},
        {"/connections", {"POST", "DELETE"}, "GET, HEAD"},
        {"/config", {"POST", "PUT"}, "GET, HEAD"},
        {"/listeners", {"POST", "PUT", "DELETE"}, "GET, HEAD"},
        {"/history", {"POST", "PUT", "DELETE"}, "GET, HEAD"},
        {"/page/app.js", {"POST", "PUT", "DELETE", "OPTIONS"}, "GET, HEAD"},
        {"/log-level", {"DELETE", "OPTIONS", "PATCH"}, "GET, HEAD, POST, PUT"},
        {"/drain", {"GET", "HEAD", "DELETE", "OPTIONS"}, "POST, PUT"},
        {"/reload", {"GET", "HEAD", "DELETE", "OPTIONS"}, "POST, PUT"},
    };
    for (const Row& row : rows) {
        for (const std::string& method : row.refused) {
            const auto reply = ask(server.address(), method, row.path);
            EXPECT_EQ(reply.status(), 405) << method << " " << row.path;
            EXPECT_TRUE(reply.has("Allow: " + row.allowed)) << reply.head;
        }
    }
    EXPECT_EQ(ask(server.address(), "POST", "/nope").status(), 404);
    server.on_thread([&] {
        EXPECT_EQ(server.facts.drains, 0);
        EXPECT_EQ(server.facts.reloads, 0);
    });
}

// ---- the page

constexpr const char* browser_accepts =
    "Host: a\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";

TEST(Admin, shows_the_page_to_browsers_and_the_list_to_others) {
    const Server server;
    const auto page = ask(server.address(), "GET", "/", "", browser_accepts);
    EXPECT_EQ(page.status(), 200);
    EXPECT_TRUE(page.has("Content-Type: text/html; charset=utf-8")) << page.head;
    EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
    EXPECT_TRUE(page.has("Vary: Accept"));
    for (const char* headers : {"Host: a\r\n", "Host: a\r\nAccept: */*\r\n",
                                "Host: a\r\nAccept: text/html;q=0, */*\r\n"}) {
        const auto list = ask(server.address(), "GET", "/", "", headers);
        EXPECT_TRUE(list.has("Content-Type: text/plain; charset=utf-8")) << headers;
        EXPECT_TRUE(list.body.starts_with("Telltale admin\n")) << headers;
        EXPECT_TRUE(list.has("Vary: Accept"));
    }
    const auto head = ask(server.address(), "HEAD", "/", "", browser_accepts);
    EXPECT_TRUE(head.has("Content-Length: " + std::to_string(page.body.size()))) << head.head;
    EXPECT_EQ(head.body, "");
}

TEST(Admin, lets_nothing_run_on_the_page_but_its_own_parts) {
    const Server server;
    for (const char* path : {"/", "/page/app.js", "/page/style.css", "/page/icon.svg"}) {
        const auto part = ask(server.address(), "GET", path, "", browser_accepts);
        EXPECT_EQ(part.status(), 200) << path;
        EXPECT_TRUE(part.has(
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"))
            << part.head;
        EXPECT_TRUE(part.has("X-Content-Type-Options: nosniff"));
        EXPECT_TRUE(part.has("Referrer-Policy: no-referrer"));
    }
    EXPECT_TRUE(get(server, "/page/app.js").has("Content-Type: text/javascript; charset=utf-8"));
    EXPECT_TRUE(get(server, "/page/style.css").has("Content-Type: text/css; charset=utf-8"));
    EXPECT_TRUE(get(server, "/page/icon.svg").has("Content-Type: image/svg+xml"));
    EXPECT_EQ(get(server, "/page/nothing.js").status(), 404);
    EXPECT_EQ(get(server, "/page/").status(), 404);
    EXPECT_EQ(get(server, "/page/../page/app.js").status(), 404);
}

std::string header_of(const Reply& reply, const std::string& name) {
    const size_t at = reply.head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 4;
    return reply.head.substr(begin, reply.head.find("\r\n", begin) - begin);
}

TEST(Admin, does_not_send_again_what_the_browser_has) {
    Server server;
    for (const char* path : {"/", "/page/app.js", "/page/chart.min.js", "/incidents", "/history"}) {
        const auto first = ask(server.address(), "GET", path, "", browser_accepts);
        const std::string tag = header_of(first, "ETag");
        ASSERT_EQ(tag.size(), 18U) << path << first.head;
        const std::string known = browser_accepts + ("If-None-Match: " + tag + "\r\n");
        const auto again = ask(server.address(), "GET", path, "", known);
        EXPECT_EQ(again.status(), 304) << path;
        EXPECT_EQ(again.body, "") << path;
        EXPECT_EQ(header_of(again, "ETag"), tag) << path;
        EXPECT_EQ(header_of(again, "Cache-Control"), header_of(first, "Cache-Control"));
        EXPECT_EQ(ask(server.address(), "HEAD", path, "", known).status(), 304) << path;
        const auto other = ask(server.address(), "GET", path, "",
                               browser_accepts + std::string("If-None-Match: \"other\"\r\n"));
        EXPECT_EQ(other.status(), 200) << path;
        EXPECT_EQ(other.body, first.body) << path;
    }
    const std::string before = header_of(get(server, "/incidents"), "ETag");
    server.on_thread([&] { server.facts.incidents = {entry_of(3)}; });
    EXPECT_NE(header_of(get(server, "/incidents"), "ETag"), before);
    EXPECT_EQ(header_of(get(server, "/page/app.js"), "Cache-Control"), "no-cache");
    EXPECT_EQ(header_of(get(server, "/incidents"), "Cache-Control"), "no-store");
}

TEST(Admin, goes_on_with_the_connection_after_a_304) {
    const Server server;
    const std::string tag = header_of(get(server, "/page/app.js"), "ETag");
    const UniqueFd fd = dial(server.address());
    ASSERT_TRUE(say(fd, "GET /page/app.js HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + tag +
                            "\r\n\r\nGET /page/app.js HTTP/1.1\r\nHost: a\r\n\r\n"
                            "GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    const std::string all = hear_to_end(fd);
    EXPECT_TRUE(all.starts_with("HTTP/1.1 304 ")) << all.substr(0, 200);
    EXPECT_EQ(split(all).body.substr(0, 15), "HTTP/1.1 200 OK") << "nothing follows a 304";
    EXPECT_TRUE(all.ends_with("\r\n\r\nok\n"));
}

TEST(Admin, tells_the_page_of_listeners_and_of_the_last_minutes) {
    Facts facts;
    ListenerFacts listener;
    listener.name = "group-rpc";
    listener.policy = "observe";
    facts.listeners = {listener};
    facts.not_ready = "draining";
    facts.history.count(system_clock_at(1'795'348'800), sniff::Cause::refused, 2);
    const Server server(address_of("127.0.0.1"), facts);
    const auto reply = get(server, "/listeners");
    EXPECT_EQ(reply.status(), 200) << "also while it is not ready";
    EXPECT_TRUE(reply.has("Content-Type: application/json"));
    const auto told = json::parse(reply.body);
    EXPECT_EQ(told.at("node").at("name"), "node");
    EXPECT_EQ(told.at("node").at("ready"), false);
    EXPECT_EQ(told.at("node").at("reason"), "draining");
    EXPECT_EQ(told.at("listeners").at(0).at("name"), "group-rpc");
    const auto minutes = json::parse(get(server, "/history").body).at("minutes");
    EXPECT_EQ(minutes,
              json::parse(R"([{"at":"2026-11-22T12:00:00.000Z","counts":{"refused":2}}])"));
}

// ---- what changes something

TEST(Admin, tells_and_sets_the_log_level) {
    const Server server;
    EXPECT_EQ(get(server, "/log-level").body, "info\n");
    const auto put = ask(server.address(), "PUT", "/log-level", "debug");
    EXPECT_EQ(put.status(), 200);
    EXPECT_EQ(put.body, "log level debug\n");
    EXPECT_EQ(get(server, "/log-level").body, "debug\n");
    EXPECT_EQ(ask(server.address(), "POST", "/log-level", " \tinfo\r\n").status(), 200);
    EXPECT_EQ(get(server, "/log-level").body, "info\n");
    for (const std::string body : {"", " ", "loud", "info debug", "INFO"}) {
        const auto reply = ask(server.address(), "PUT", "/log-level", body);
        EXPECT_EQ(reply.status(), 400) << body;
        EXPECT_EQ(reply.body, "expected debug, info, warning or error as the body\n");
    }
    EXPECT_EQ(get(server, "/log-level").body, "info\n");
}

TEST(Admin, starts_the_drain_and_says_what_happens) {
    for (const std::string method : {"POST", "PUT"}) {
        Server server;
        const auto reply = ask(server.address(), method, "/drain");
        EXPECT_EQ(reply.status(), 200);
        EXPECT_TRUE(reply.body.starts_with("draining: /ready says no from now on")) << reply.body;
        server.on_thread([&] { EXPECT_EQ(server.facts.drains, 1); });
        EXPECT_EQ(get(server, "/ready").status(), 503);
    }
}

TEST(Admin, answers_before_a_drain_that_ends_at_once_stops_it) {
    // The drain of a sidecar without connections stops the server in the same turn.
    asio::io_context context;
    std::unique_ptr<Admin> admin;
    AdminSources sources;
    sources.drain = [&] { admin->stop(); };
    admin = std::make_unique<Admin>(context, address_of("127.0.0.1"), sources);
    const UniqueFd fd = dial(admin->address());
    ASSERT_TRUE(say(fd, "POST /drain HTTP/1.1\r\nHost: a\r\n\r\n"));
    context.run();
    EXPECT_EQ(split(hear_to_end(fd)).status(), 200);
}

TEST(Admin, reloads_and_tells_every_error) {
    Server server;
    const auto good = ask(server.address(), "POST", "/reload");
    EXPECT_EQ(good.status(), 200);
    EXPECT_EQ(good.body, "reloaded: nothing changed\n");
    server.on_thread([&] { server.facts.reload_errors = "t.yaml:1: a\nt.yaml:2: b\n"; });
    const auto bad = ask(server.address(), "PUT", "/reload");
    EXPECT_EQ(bad.status(), 400);
    EXPECT_EQ(bad.body, "t.yaml:1: a\nt.yaml:2: b\n");
    server.on_thread([&] { EXPECT_EQ(server.facts.reloads, 2); });
}

TEST(Admin, has_no_page_for_what_nobody_provides) {
    Facts facts;
    facts.has_optional = false;
    const Server server(address_of("127.0.0.1"), facts);
    for (const char* path : {"/log-level", "/drain", "/reload", "/listeners", "/history"}) {
        EXPECT_EQ(get(server, path).status(), 404) << path;
        EXPECT_EQ(ask(server.address(), "POST", path, "info").status(), 404) << path;
        EXPECT_EQ(get(server, "/").body.find(path), std::string::npos) << path;
    }
    EXPECT_EQ(get(server, "/config").body, "listeners:\n  - name: <b>\n");
    EXPECT_EQ(get(server, "/ready?verbose").body, "ready\n");
    EXPECT_EQ(json::parse(get(server, "/ready?format=json").body),
              json::parse(R"({"ready":true,"reason":null,"checks":[]})"));
}

TEST(Admin, lets_only_this_host_change_something) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    // Asked at the host's own address, not at a loopback one: as a mesh's sidecar would forward.
    const Server server(address_of(""));
    const std::string port = server.address().substr(server.address().rfind(':'));
    EXPECT_EQ(ask("127.0.0.1" + port, "PUT", "/log-level", "debug").status(), 200);
    EXPECT_EQ(ask("[::1]" + port, "PUT", "/log-level", "info").status(), 200);
    for (const Endpoint& local : local_addresses()) {
        if (local.protocol().family() != AF_INET) continue;
        const std::string ip = to_text(local).substr(0, to_text(local).rfind(':'));
        if (ip.starts_with("127.")) continue;
        EXPECT_EQ(ask(ip + port, "GET", "/log-level").status(), 200) << ip;
        for (const char* path : {"/log-level", "/drain", "/reload"}) {
            const auto reply = ask(ip + port, "POST", path, "debug");
            EXPECT_EQ(reply.status(), 403) << ip << path;
            EXPECT_EQ(reply.body,
                      "refused: only from this host, by a loopback address or a Unix socket\n");
        }
    }
    EXPECT_EQ(ask("127.0.0.1" + port, "GET", "/log-level").body, "info\n");
}

TEST(Admin, refuses_the_pages_of_other_sites) {
    Server server;
    const std::string host = "Host: " + server.address() + "\r\n";
    const std::vector<std::string> refused = {
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: http://" + server.address() + "\r\nOrigin: http://evil.example\r\n",
    };
    for (const std::string& headers : refused) {
        for (const char* path : {"/log-level", "/drain", "/reload"}) {
            const auto reply = ask(server.address(), "POST", path, "debug", host + headers);
            EXPECT_EQ(reply.status(), 403) << path << " " << headers;
            EXPECT_EQ(reply.body, "refused: asked by the page of another site\n");
        }
    }
    server.on_thread([&] {
        EXPECT_EQ(server.facts.log_level, "info");
        EXPECT_EQ(server.facts.drains + server.facts.reloads, 0);
    });
    EXPECT_EQ(
        ask(server.address(), "POST", "/log-level", "debug",
            host + "Origin: http://" + server.address() + "\r\nSec-Fetch-Site: same-origin\r\n")
            .status(),
        200);
}

// ---- readiness in detail

TEST(Admin, tells_the_checks_of_upstreams_when_it_is_asked_to) {
    Facts facts;
    CheckState up;
    up.listener = "group-rpc";
    up.upstream = "127.0.0.1:10260";
    up.up = true;
    up.result = "http2";
    up.says = "speaks HTTP/2";
    up.latency_ms = 0.42;
    up.age_ms = 3900;
    facts.checks = {up};
    Server server(address_of("127.0.0.1"), facts);
    EXPECT_EQ(get(server, "/ready").body, "ready\n");
    const std::string line =
        "upstream group-rpc 127.0.0.1:10260: speaks HTTP/2, 0.4 ms, checked 3 s ago\n";
    EXPECT_EQ(get(server, "/ready?verbose").body, "ready\n" + line);
    EXPECT_EQ(get(server, "/ready?a=b&verbose=1").body, "ready\n" + line);
    const auto reply = get(server, "/ready?format=json");
    EXPECT_TRUE(reply.has("Content-Type: application/json"));
    EXPECT_EQ(json::parse(reply.body).at("checks").as_array().size(), 1U);

    server.on_thread([&] { server.facts.not_ready = "draining"; });
    EXPECT_EQ(get(server, "/ready?verbose").status(), 503);
    EXPECT_EQ(get(server, "/ready?verbose").body, "not ready: draining\n" + line);
    EXPECT_EQ(get(server, "/ready?format=json").status(), 503);
    EXPECT_EQ(json::parse(get(server, "/ready?format=json").body).at("reason"), "draining");
}

// ---- connections

TEST(Admin, answers_twenty_pipelined_requests_in_order) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    std::string requests;
    for (int i = 0; i < 19; ++i) {
        requests += std::string("GET ") + (i % 2 == 0 ? "/live" : "/ready") +
                    " HTTP/1.1\r\nHost: a\r\n\r\n";
    }
    requests += "GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    ASSERT_TRUE(say(fd, requests));
    std::string text = hear_to_end(fd);
    std::string bodies;
    for (size_t at = 0; (at = text.find("\r\n\r\n", at)) != std::string::npos; at += 4) {
        bodies += text.substr(at + 4, 1);
    }
    EXPECT_EQ(bodies, "orororororororororoo");
}

TEST(Admin, serves_others_while_clients_are_slow_or_silent) {
    const Server server;
    std::vector<UniqueFd> slow;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(dial(server.address()));
        ASSERT_TRUE(say(slow.back(), i % 2 == 0 ? "GET /li" : ""));
    }
    EXPECT_EQ(get(server, "/live").status(), 200);
    ASSERT_TRUE(say(slow[0], "ve HTTP/1.0\r\n\r\n"));
    EXPECT_EQ(split(hear_to_end(slow[0])).body, "ok\n");
}

TEST(Admin, makes_room_when_silent_clients_hold_every_place) {
    const Server server;
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 200; ++i) silent.push_back(dial(server.address()));
    EXPECT_EQ(get(server, "/live").status(), 200);
    EXPECT_EQ(hear_to_end(silent[0]), "") << "the oldest silent one was closed";
}

TEST(Admin, lets_one_request_wait_for_its_source_and_goes_on_serving) {
    Server server;
    server.on_thread([&] { server.facts.hold_metrics = true; });
    const UniqueFd waiting = dial(server.address());
    ASSERT_TRUE(say(waiting, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    while (get(server, "/live").status() == 200) {
        size_t held = 0;
        server.on_thread([&] { held = server.facts.held.size(); });
        if (held == 1) break;
    }
    server.on_thread([&] {
        server.facts.held[0]("late 1\n");
        server.facts.held[0]("twice 1\n");
        server.facts.held.clear();
    });
    EXPECT_EQ(split(hear_to_end(waiting)).body, "late 1\n");
}

TEST(Admin, survives_a_client_that_leaves_before_its_answer) {
    Facts facts;
    facts.metrics = std::string(4U << 20U, 'm');
    const Server server(address_of("127.0.0.1"), facts);
    for (int i = 0; i < 20; ++i) {
        const UniqueFd fd = dial(server.address());
        ASSERT_TRUE(say(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    EXPECT_EQ(get(server, "/metrics").body.size(), 4U << 20U);
}

// ---- bad input

TEST(Admin, refuses_garbage_with_400) {
    const Server server;
    for (const std::string& garbage :
         {std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
          std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), std::string("GET /live\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nbroken header\r\n\r\n")}) {
        const UniqueFd fd = dial(server.address());
        ASSERT_TRUE(say(fd, garbage));
        EXPECT_EQ(split(hear_to_end(fd)).status(), 400) << garbage;
    }
    EXPECT_EQ(get(server, "/live").status(), 200);
}

TEST(Admin, refuses_an_endless_header_with_431) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    (void)say(fd, "GET /live HTTP/1.1\r\nX: " + std::string(100000, 'x'));
    EXPECT_EQ(split(hear_to_end(fd)).status(), 431);
}

TEST(Admin, refuses_a_long_body_with_413) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    (void)say(fd, "POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" +
                      std::string(70000, 'b'));
    EXPECT_EQ(split(hear_to_end(fd)).status(), 413);
    const UniqueFd chunked = dial(server.address());
    (void)say(chunked,
              "POST /live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" +
                  std::string(0x11170, 'b') + "\r\n0\r\n\r\n");
    EXPECT_EQ(split(hear_to_end(chunked)).status(), 413);
}

// ---- addresses

TEST(Admin, listens_on_ipv6) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    const Server server(address_of("::1"));
    EXPECT_TRUE(server.address().starts_with("[::1]:")) << server.address();
    EXPECT_EQ(get(server, "/live").status(), 200);
}

TEST(Admin, listens_on_both_families_for_an_empty_host) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    const Server server(address_of(""));
    const std::string port = server.address().substr(server.address().rfind(':'));
    EXPECT_EQ(ask("127.0.0.1" + port, "GET", "/live").status(), 200);
    EXPECT_EQ(ask("[::1]" + port, "GET", "/live").status(), 200);
}

TEST(Admin, listens_on_a_unix_socket_and_removes_it_at_the_end) {
    std::string folder = testing::TempDir() + "telltale-admin-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/admin.sock";
    {
        const Server server(unix_address_of(path));
        EXPECT_EQ(server.address(), "unix:" + path);
        EXPECT_EQ(get(server, "/live").status(), 200);
        EXPECT_EQ(ask(server.address(), "PUT", "/log-level", "debug").status(), 200);
        EXPECT_THROW(Server(unix_address_of(path)), boost::system::system_error) << "in use";
        EXPECT_EQ(get(server, "/live").status(), 200) << "the one in use was left alone";
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    {
        const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, path.c_str(), path.size());
        ASSERT_EQ(::bind(stale.get(), static_cast<sockaddr*>(static_cast<void*>(&un)), sizeof un),
                  0);
    }
    ASSERT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(get(Server(unix_address_of(path)), "/live").status(), 200)
        << "a stale file is replaced";
    std::filesystem::remove_all(folder);
}

std::string refusal(const config::Address& address) {
    asio::io_context context;
    try {
        const Admin admin(context, address, {});
    } catch (const boost::system::system_error& error) {
        return error.what();
    }
    return "";
}

TEST(Admin, tells_in_one_sentence_why_an_address_cannot_be_had) {
    const Server server;
    config::Address taken = address_of("127.0.0.1");
    taken.port =
        static_cast<uint16_t>(std::stoi(server.address().substr(server.address().rfind(':') + 1)));
    EXPECT_EQ(refusal(taken), "admin address " + server.address() +
                                  " can't be used: address already in use; choose another with "
                                  "--admin or admin.listen");
    EXPECT_NE(refusal(address_of("192.0.2.1")).find("cannot assign requested address"),
              std::string::npos);
    EXPECT_NE(refusal(unix_address_of("/nowhere/at/all.sock")).find("no such file or directory"),
              std::string::npos);
    EXPECT_NE(refusal(unix_address_of("/tmp/" + std::string(200, 'x'))).find("too long"),
              std::string::npos);
}

// ---- the end

size_t open_descriptors() {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(Admin, leaves_no_descriptor_behind_when_stopped_with_connections_open) {
    const size_t before = open_descriptors();
    {
        Server server;
        server.on_thread([&] { server.facts.hold_metrics = true; });
        std::vector<UniqueFd> peers;
        for (int i = 0; i < 12; ++i) peers.push_back(dial(server.address()));
        for (size_t i = 0; i < 4; ++i)
            ASSERT_TRUE(say(peers[i], "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
        for (size_t i = 4; i < 8; ++i) ASSERT_TRUE(say(peers[i], "GET /met"));
        EXPECT_EQ(get(server, "/live").status(), 200);
        server.stop();
        for (const auto& peer : peers) EXPECT_EQ(hear_to_end(peer), "");
        server.on_thread([&] {
            for (auto& held : server.facts.held) held("too late\n");
        });
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace telltale::proxy
