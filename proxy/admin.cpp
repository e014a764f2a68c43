#include "proxy/admin.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <iterator>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include "proxy/admin_guard.h"
#include "proxy/admin_negotiation.h"
#include "proxy/admin_pages.h"
#include "proxy/endpoint.h"
#include "proxy/hops/own.h"
#include "proxy/page_files.h"

namespace telltale::proxy {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

using AcceptSocket = asio::basic_socket_acceptor<asio::generic::stream_protocol, Executor>;
using Stream = beast::basic_stream<asio::generic::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Request = http::request<http::string_body>;
using Response = http::response<http::span_body<const char>>;

constexpr uint32_t header_bytes_max = 8192;
constexpr uint64_t body_bytes_max = 65536;
// Probes and scrapers come one at a time; a page and its polls stay far below this.
constexpr size_t open_connections_max = 64;
constexpr size_t connection_rows_max = 1000;
// For one request to arrive, one answer to leave, one worker to tell its numbers.
constexpr auto patience = std::chrono::seconds(10);
// After a refusal the rest of the request is read off, or close() would send RST and destroy the
// refusal.
constexpr auto linger_time = std::chrono::seconds(2);
constexpr size_t linger_bytes_max = 1U << 20U;
// accept() fails at once again while file descriptors are short.
constexpr auto accept_pause = std::chrono::milliseconds(100);

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view json_text = "application/json";
// Prometheus tells the text format by this parameter.
constexpr std::string_view metrics_text = "text/plain; version=0.0.4; charset=utf-8";
// Everything that the page needs comes from here, and nothing that it shows can run.
constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Answer {
    http::status status = http::status::ok;
    std::string_view type = plain_text;
    std::string body;
    std::string_view allow;          // of 405: the methods that there are
    std::string etag = {};           // "": none
    const PageFile* file = nullptr;  // is the body instead, and lives as long as the program
    bool varies = false;             // with the Accept header

    [[nodiscard]] std::string_view content() const {
        return file != nullptr ? file->text : std::string_view(body);
    }
};
using Reply = std::function<void(Answer)>;

// What a request asks, but for its path.
struct Question {
    bool as_text = false;  // ?format=text
    bool as_json = false;  // ?format=json
    bool verbose = false;  // ?verbose
    bool as_page = false;  // a browser asks
    const PageFile* file = nullptr;
    std::string body;
};

// Asked for again and again: the same body need not be sent again.
Answer tagged_json(std::string body) {
    Answer answer{http::status::ok, json_text, std::move(body), {}};
    answer.etag = etag_of(answer.body);
    return answer;
}

// ---- routes to look at

void metrics(const AdminSources& from, const Question& /*question*/, Reply reply) {
    from.metrics([reply = std::move(reply)](std::string text) {
        reply({http::status::ok, metrics_text, std::move(text), {}});
    });
}

void live(const AdminSources& /*from*/, const Question& /*question*/, Reply reply) {
    reply({http::status::ok, plain_text, "ok\n", {}});
}

void ready(const AdminSources& from, const Question& question, Reply reply) {
    const std::string reason = from.not_ready_reason();
    const auto status = reason.empty() ? http::status::ok : http::status::service_unavailable;
    const bool wants_checks = (question.verbose || question.as_json) && from.checks;
    const auto checks = wants_checks ? from.checks() : std::vector<CheckState>();
    if (question.as_json) return reply({status, json_text, ready_json(reason, checks), {}});
    reply({status, plain_text, ready_line(reason) + checks_text(checks), {}});
}

void incidents(const AdminSources& from, const Question& question, Reply reply) {
    from.incidents([as_text = question.as_text,
                    reply = std::move(reply)](const std::vector<IncidentSink::Entry>& entries) {
        if (as_text) return reply({http::status::ok, plain_text, incidents_text(entries), {}});
        reply(tagged_json(incidents_json(entries)));
    });
}

void hops_page(const AdminSources& from, const Question& question, Reply reply) {
    from.incidents([as_text = question.as_text,
                    reply = std::move(reply)](const std::vector<IncidentSink::Entry>& entries) {
        if (as_text)
            return reply({http::status::ok, plain_text, hops::own_paths_text(entries), {}});
        reply({http::status::ok, json_text, hops::own_paths_json(entries), {}});
    });
}

void listeners(const AdminSources& from, const Question& /*question*/, Reply reply) {
    from.listeners(connection_rows_max,
                   [&from, reply = std::move(reply)](const std::vector<ListenerFacts>& facts) {
                       const auto checks = from.checks ? from.checks() : std::vector<CheckState>();
                       reply({http::status::ok,
                              json_text,
                              listeners_json(from.node(), from.not_ready_reason(),
                                             std::chrono::system_clock::now(), facts, checks),
                              {}});
                   });
}

void history(const AdminSources& from, const Question& /*question*/, Reply reply) {
    from.history([reply = std::move(reply)](const IncidentHistory& history) {
        reply(tagged_json(history_json(history)));
    });
}

void connections(const AdminSources& from, const Question& question, Reply reply) {
    from.connections(
        connection_rows_max, [as_text = question.as_text, names = from.listener_names(),
                              reply = std::move(reply)](std::vector<ConnectionRow> rows) {
            if (as_text) {
                return reply(
                    {http::status::ok, plain_text, connections_text(std::move(rows), names), {}});
            }
            reply({http::status::ok, json_text, connections_json(std::move(rows), names), {}});
        });
}

void config_yaml(const AdminSources& from, const Question& /*question*/, Reply reply) {
    const std::string comments = from.config_status ? config_comments(from.config_status()) : "";
    reply({http::status::ok, plain_text, comments + from.config_yaml(), {}});
}

void log_level(const AdminSources& from, const Question& /*question*/, Reply reply) {
    reply({http::status::ok, plain_text, from.log_level() + "\n", {}});
}

void index(const AdminSources& from, const Question& question, Reply reply);

void page_part(const AdminSources& /*from*/, const Question& question, Reply reply) {
    const PageFile& file = *question.file;
    Answer answer{http::status::ok, file.type, {}, {}};
    answer.etag = file.etag;
    answer.file = &file;
    answer.varies = file.path == "/";
    reply(std::move(answer));
}

// ---- routes that change something

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const size_t first = std::min(text.find_first_not_of(space), text.size());
    const size_t last = text.find_last_not_of(space);
    return text.substr(first, last == std::string_view::npos ? 0 : last + 1 - first);
}

void set_log_level(const AdminSources& from, const Question& question, Reply reply) {
    const std::string_view level = trimmed(question.body);
    if (from.set_log_level(level)) {
        return reply({http::status::ok, plain_text, "log level " + std::string(level) + "\n", {}});
    }
    reply({http::status::bad_request,
           plain_text,
           "expected debug, info, warning or error as the body\n",
           {}});
}

void drain(const AdminSources& from, const Question& /*question*/, Reply reply) {
    // First the answer: with nothing open the drain may be over at once, and the server with it.
    reply({http::status::ok,
           plain_text,
           "draining: /ready says no from now on, new connections are taken for "
           "timeouts.drain_delay, open ones go on for timeouts.drain at most; then the process "
           "ends\n",
           {}});
    from.drain();
}

void reload(const AdminSources& from, const Question& /*question*/, Reply reply) {
    from.reload([reply = std::move(reply)](bool ok, std::string text) {
        if (text.empty() || text.back() != '\n') text += '\n';
        reply({ok ? http::status::ok : http::status::bad_request, plain_text, std::move(text), {}});
    });
}

// ---- THE TABLE

using Handler = void (*)(const AdminSources& from, const Question& question, Reply reply);
using IsThere = bool (*)(const AdminSources& from);

bool always(const AdminSources& /*from*/) {
    return true;
}
bool never(const AdminSources& /*from*/) {
    return false;
}
template <auto... source>
bool if_there(const AdminSources& from) {
    return (static_cast<bool>(from.*source) && ...);
}

struct Route {
    std::string_view path;
    std::string_view says;
    IsThere can_look = always;  // GET, HEAD
    Handler look = nullptr;
    IsThere can_change = never;  // POST, PUT
    Handler change = nullptr;
};
constexpr std::array<Route, 13> routes = {{
    {"/", "the page for browsers, this list for others", always, index},
    {"/metrics", "counters for Prometheus", always, metrics},
    {"/live", "200 while the process runs", always, live},
    {"/ready",
     "200 while connections are welcome, 503 with the reason otherwise; ?verbose for the checks of "
     "upstreams",
     always, ready},
    {"/incidents", "what went wrong, newest first, as JSON; ?format=text to read it here", always,
     incidents},
    {"/hops",
     "the incidents of this process as paths with the hop at fault, as JSON; ?format=text to read "
     "it here",
     always, hops_page},
    {"/connections",
     "open connections and those that ended last, as JSON; ?format=text for a table", always,
     connections},
    {"/listeners", "this node, its listeners and what both sides of them speak, as JSON",
     if_there<&AdminSources::node, &AdminSources::listeners>, listeners},
    {"/history", "how many incidents of which cause in each of the last minutes, as JSON",
     if_there<&AdminSources::history>, history},
    {"/config", "the configuration in effect, as YAML", always, config_yaml},
    {"/log-level", "the log level; PUT debug, info, warning or error sets it",
     if_there<&AdminSources::log_level>, log_level, if_there<&AdminSources::set_log_level>,
     set_log_level},
    {"/drain", "POST ends this process in good order", never, nullptr,
     if_there<&AdminSources::drain>, drain},
    {"/reload", "POST reads the configuration again", never, nullptr,
     if_there<&AdminSources::reload>, reload},
}};

// Not in the table: the list of pages is for people.
constexpr Route page_part_route = {"/page/", "", always, page_part};

const Route* find_route(const AdminSources& from, std::string_view path) {
    if (path.starts_with(page_part_route.path)) {
        return find_page_file(path) == nullptr ? nullptr : &page_part_route;
    }
    const auto* const found = std::find_if(routes.begin(), routes.end(), [&](const Route& row) {
        return row.path == path && (row.can_look(from) || row.can_change(from));
    });
    return found == routes.end() ? nullptr : found;
}

std::string_view allowed_methods(const AdminSources& from, const Route& route) {
    if (!route.can_change(from)) return "GET, HEAD";
    return route.can_look(from) ? "GET, HEAD, POST, PUT" : "POST, PUT";
}

std::string routes_text(const AdminSources& from) {
    std::vector<std::vector<std::string>> lines;
    for (const Route& route : routes) {
        if (!route.can_look(from) && !route.can_change(from)) continue;
        lines.push_back({std::string(route.path), std::string(route.says)});
    }
    return table_text(lines);
}

void index(const AdminSources& from, const Question& question, Reply reply) {
    if (question.as_page && question.file != nullptr) {
        return page_part(from, question, std::move(reply));
    }
    Answer answer{http::status::ok, plain_text, "Telltale admin\n\n" + routes_text(from), {}};
    answer.varies = true;
    reply(std::move(answer));
}

Question question_of(std::string_view path, std::string_view query, std::string body) {
    Question question;
    question.file = find_page_file(path);
    question.body = std::move(body);
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        if (part == "format=text") question.as_text = true;
        if (part == "format=json") question.as_json = true;
        if (part.substr(0, part.find('=')) == "verbose") question.verbose = true;
    }
    return question;
}

// Every value of a header: a second one must not hide behind the first.
std::vector<std::string_view> values_of(const Request& request, std::string_view name) {
    std::vector<std::string_view> values;
    const auto [begin, end] = request.equal_range(name);
    for (auto it = begin; it != end; ++it) {
        values.emplace_back(it->value().data(), it->value().size());
    }
    return values;
}

// ---- binding

// boost::system::system_error adds numbers and places to its text; an operator needs the sentence
// only.
class AddressError final : public boost::system::system_error {
   public:
    AddressError(const ErrorCode& error, std::string sentence)
        : boost::system::system_error(error), sentence_(std::move(sentence)) {}
    [[nodiscard]] const char* what() const noexcept override { return sentence_.c_str(); }

   private:
    std::string sentence_;
};

[[noreturn]] void refuse(const config::Address& address, const ErrorCode& error) {
    std::string reason = error.message();
    if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') {
        reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
    }
    throw AddressError(error, "admin address " + address.text() + " can't be used: " + reason +
                                  "; choose another with --admin or admin.listen");
}

// Where a name leads, or both families for an empty host.
Endpoint endpoint_of(asio::io_context& context, const config::Address& address) {
    if (address.is_unix() && address.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
        refuse(address, asio::error::name_too_long);
    }
    if (!address.is_unix() && address.host.empty()) {
        return asio::ip::tcp::endpoint(asio::ip::tcp::v6(), address.port);
    }
    if (const auto numeric = numeric_endpoint(address)) return *numeric;
    ErrorCode error;
    asio::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
    if (error) refuse(address, error);
    return found.begin()->endpoint();
}

// A socket file that nobody listens on any more keeps bind() from working; one in use must stay.
void remove_stale_socket(asio::io_context& context, const config::Address& address,
                         const Endpoint& endpoint) {
    if (!address.is_unix() || address.unix_path[0] == '@') return;
    Socket probe(context);
    ErrorCode error;
    probe.open(endpoint.protocol(), error);
    if (!error) probe.non_blocking(true, error);  // a full backlog would block
    if (!error) probe.connect(endpoint, error);
    if (error == asio::error::connection_refused) ::unlink(address.unix_path.c_str());
}

ErrorCode bind_acceptor(AcceptSocket& acceptor, const Endpoint& endpoint, bool both_families) {
    ErrorCode error;
    acceptor.open(endpoint.protocol(), error);
    if (error) return error;
    if (endpoint.protocol().family() != AF_UNIX) {
        acceptor.set_option(asio::socket_base::reuse_address(true), error);
        if (error) return error;
    }
    if (endpoint.protocol().family() == AF_INET6) {
        acceptor.set_option(asio::ip::v6_only(!both_families), error);
        if (error) return error;
    }
    acceptor.bind(endpoint, error);
    if (error) return error;
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    return error;
}

AcceptSocket listen_on(asio::io_context& context, const config::Address& address) {
    const Endpoint endpoint = endpoint_of(context, address);
    remove_stale_socket(context, address, endpoint);
    const bool both_families = !address.is_unix() && address.host.empty();
    AcceptSocket acceptor(context);
    ErrorCode error = bind_acceptor(acceptor, endpoint, both_families);
    if (error == asio::error::address_family_not_supported && both_families) {
        // A kernel without IPv6.
        ErrorCode ignored;  // nothing was opened that could fail to close
        acceptor.close(ignored);
        error = bind_acceptor(acceptor, asio::ip::tcp::endpoint(asio::ip::tcp::v4(), address.port),
                              false);
    }
    if (error) refuse(address, error);
    return acceptor;
}

AcceptSocket take_over(asio::io_context& context, UniqueFd handed) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ErrorCode error;
    AcceptSocket acceptor(context);
    if (::getsockname(handed.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        error = {errno, boost::system::system_category()};
    } else {
        acceptor.assign(asio::generic::stream_protocol(address.ss_family, 0), handed.get(), error);
    }
    if (error) {
        throw AddressError(error,
                           "the admin socket of the predecessor can't be used: " + error.message());
    }
    static_cast<void>(handed.release());
    return acceptor;
}

}  // namespace

// ---- the server

struct Admin::Impl : std::enable_shared_from_this<Admin::Impl> {
    class Connection;

    Impl(asio::io_context& context, const config::Address& address, AdminSources from,
         UniqueFd handed)
        : sources(std::move(from)),
          listen(address),
          acceptor(handed.is_open() ? take_over(context, std::move(handed))
                                    : listen_on(context, address)),
          pause(context) {}

    void accept();
    void on_accept(const ErrorCode& error, Socket socket);
    void make_room();
    void closed(Connection* connection);
    void give_away();
    void stop();

    const AdminSources sources;
    const config::Address listen;
    AcceptSocket acceptor;
    Timer pause;
    std::list<Connection*> connections;  // oldest first; each takes itself out
    bool accepting = false;
    bool stopped = false;
    bool given_away = false;
};

// Reads a request, has it answered, writes the answer, and again. One operation is pending at a
// time.
class Admin::Impl::Connection final : public std::enable_shared_from_this<Connection> {
   public:
    Connection(std::shared_ptr<Impl> server, Socket socket)
        : server_(std::move(server)),
          stream_(std::move(socket)),
          source_timer_(stream_.get_executor()) {
        server_->connections.push_back(this);
    }
    ~Connection() { server_->closed(this); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void read();
    [[nodiscard]] bool is_idle() const { return state_ == State::reading; }
    void close();

   private:
    enum class State : uint8_t { reading, asking, writing, lingering, closed };
    enum class Then : uint8_t { next_request, end };

    void on_read(const ErrorCode& error);
    void refuse_request(const ErrorCode& error);
    void route(Request request);
    [[nodiscard]] std::string_view refusal(const Request& request) const;
    void ask(Handler handler, const Question& question);
    void write(Answer answer, Then then);
    void put_headers();
    void on_write(const ErrorCode& error);
    void linger();

    std::shared_ptr<Impl> server_;
    Stream stream_;
    Timer source_timer_;
    beast::flat_buffer buffer_{header_bytes_max + body_bytes_max};
    std::optional<http::request_parser<http::string_body>> parser_;
    Answer answer_;
    Response response_;  // with a view of answer_
    std::string if_none_match_;
    bool head_only_ = false;
    bool keep_alive_ = false;
    unsigned version_ = 11;
    uint64_t requests_ = 0;
    std::array<char, 4096> discarded_{};
    size_t discarded_total_ = 0;
    State state_ = State::reading;
};

void Admin::Impl::Connection::read() {
    state_ = State::reading;
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(body_bytes_max);
    stream_.expires_after(patience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                         self->on_read(error);
                     });
}

void Admin::Impl::Connection::on_read(const ErrorCode& error) {
    if (state_ == State::closed) return;
    ++requests_;
    if (error) return refuse_request(error);
    Request request = parser_->release();
    head_only_ = request.method() == http::verb::head;
    keep_alive_ = request.keep_alive();
    version_ = request.version();
    route(std::move(request));
}

// Errors of the socket just end the connection; errors of the request are told.
void Admin::Impl::Connection::refuse_request(const ErrorCode& error) {
    head_only_ = false;
    version_ = 11;
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != make_error_code(http::error::bad_method).category()) {
        return close();
    }
    if (error == http::error::body_limit) {
        return write({http::status::payload_too_large, plain_text, "request body too long\n", {}},
                     Then::end);
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return write({http::status::request_header_fields_too_large,
                      plain_text,
                      "request header too long\n",
                      {}},
                     Then::end);
    }
    write({http::status::bad_request, plain_text, "not an HTTP/1.1 request\n", {}}, Then::end);
}

void Admin::Impl::Connection::route(Request request) {
    const AdminSources& from = server_->sources;
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
    const Route* const found = find_route(from, path);
    if (found == nullptr) {
        return write({http::status::not_found,
                      plain_text,
                      "no such page; there are\n\n" + routes_text(from),
                      {}},
                     Then::next_request);
    }
    const bool looks = request.method() == http::verb::get || head_only_;
    const bool changes =
        request.method() == http::verb::post || request.method() == http::verb::put;
    if (!(looks && found->can_look(from)) && !(changes && found->can_change(from))) {
        const std::string_view allowed = allowed_methods(from, *found);
        return write({http::status::method_not_allowed, plain_text,
                      "only " + std::string(allowed) + "\n", allowed},
                     Then::next_request);
    }
    if (changes) {
        const std::string_view refused = refusal(request);
        if (!refused.empty()) {
            return write({http::status::forbidden, plain_text, std::string(refused), {}},
                         Then::next_request);
        }
    }
    if_none_match_ = std::string(request[http::field::if_none_match]);
    Question question = question_of(path, query, std::move(request.body()));
    question.as_page = wants_html(values_of(request, "Accept"));
    ask(looks ? found->look : found->change, question);
}

std::string_view Admin::Impl::Connection::refusal(const Request& request) const {
    ErrorCode error;
    const Endpoint peer = stream_.socket().remote_endpoint(error);
    // A client that has gone gets no answer, and had better change nothing.
    if (error) return "refused: the client has gone\n";
    const Endpoint local = stream_.socket().local_endpoint(error);
    if (error) return "refused: the client has gone\n";
    const std::vector<std::string_view> hosts = values_of(request, "Host");
    return why_refused({.peer = peer,
                        .local = local,
                        .host = hosts.size() == 1 ? hosts.front() : std::string_view(),
                        .origins = values_of(request, "Origin"),
                        .fetch_sites = values_of(request, "Sec-Fetch-Site")});
}

void Admin::Impl::Connection::ask(Handler handler, const Question& question) {
    state_ = State::asking;
    source_timer_.expires_after(patience);
    source_timer_.async_wait(
        [self = shared_from_this(), number = requests_](const ErrorCode& error) {
            if (error || self->state_ != State::asking || self->requests_ != number) return;
            self->write({http::status::service_unavailable, plain_text, "no answer in time\n", {}},
                        Then::next_request);
        });
    // A source may answer late, or twice: only the request that asked takes it. Weak, since a
    // source of another thread may keep this longer than the io_context lives, and sockets must
    // not; meanwhile the timer above keeps the connection.
    handler(server_->sources, question,
            [weak = weak_from_this(), number = requests_](Answer answer) {
                const auto self = weak.lock();
                if (!self || self->state_ != State::asking || self->requests_ != number) return;
                self->source_timer_.cancel();
                self->write(std::move(answer), Then::next_request);
            });
}

void Admin::Impl::Connection::write(Answer answer, Then then) {
    state_ = State::writing;
    if (then == Then::end || server_->stopped) keep_alive_ = false;
    answer_ = std::move(answer);
    const bool known = etag_matches(if_none_match_, answer_.etag);
    response_ = Response(known ? http::status::not_modified : answer_.status, version_);
    put_headers();
    const std::string_view content = answer_.content();
    // RFC 9110 §15.4.5: what a 304 says of its length is for nobody.
    if (!known) response_.content_length(content.size());
    if (!known && !head_only_) response_.body() = {content.data(), content.size()};
    stream_.expires_after(patience);
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                          self->on_write(error);
                      });
}

void Admin::Impl::Connection::put_headers() {
    response_.set(http::field::content_type, answer_.type);
    // Parts of the page may be kept, and are asked for again: the next version has others.
    response_.set(http::field::cache_control, answer_.file != nullptr ? "no-cache" : "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (answer_.file != nullptr) {
        response_.set("Content-Security-Policy", content_security_policy);
        response_.set("Referrer-Policy", "no-referrer");
        response_.set("Cross-Origin-Resource-Policy", "same-origin");
    }
    if (answer_.varies) response_.set(http::field::vary, "Accept");
    if (!answer_.etag.empty()) response_.set(http::field::etag, answer_.etag);
    if (!answer_.allow.empty()) response_.set(http::field::allow, answer_.allow);
    response_.keep_alive(keep_alive_);
}

void Admin::Impl::Connection::on_write(const ErrorCode& error) {
    if (state_ == State::closed) return;
    if (error) return close();
    response_ = {};
    answer_ = {};
    if_none_match_.clear();
    if (keep_alive_) return read();
    ErrorCode ignored;  // the peer may be gone: then the read below says so
    stream_.socket().shutdown(Socket::shutdown_send, ignored);
    state_ = State::lingering;
    stream_.expires_after(linger_time);
    linger();
}

void Admin::Impl::Connection::linger() {
    stream_.async_read_some(asio::buffer(discarded_),
                            [self = shared_from_this()](const ErrorCode& error, size_t size) {
                                self->discarded_total_ += size;
                                if (error || self->discarded_total_ > linger_bytes_max) {
                                    return self->close();
                                }
                                self->linger();
                            });
}

void Admin::Impl::Connection::close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    source_timer_.cancel();
    stream_.close();
}

void Admin::Impl::accept() {
    if (stopped || given_away || accepting || connections.size() >= open_connections_max) return;
    accepting = true;
    acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, Socket socket) {
        self->accepting = false;
        if (!self->stopped && !self->given_away) self->on_accept(error, std::move(socket));
    });
}

void Admin::Impl::on_accept(const ErrorCode& error, Socket socket) {
    if (!error) {
        ErrorCode ignored;  // a Unix socket has no such option, and works without
        // Answers to pipelined requests would wait for the peer's delayed ACK.
        socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        std::make_shared<Connection>(shared_from_this(), std::move(socket))->read();
        make_room();
        return accept();
    }
    if (error == asio::error::connection_aborted) return accept();
    accepting = true;  // closed() must not start another accept during the pause
    pause.expires_after(accept_pause);
    pause.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
        self->accepting = false;
        if (!cancelled) self->accept();
    });
}

// Full: whoever has kept a connection without asking for longest makes room, so idle peers can't
// lock probes out. The newest stays: it has had no time to ask.
void Admin::Impl::make_room() {
    if (connections.size() < open_connections_max) return;
    const auto newest = std::prev(connections.end());
    const auto idle = std::find_if(connections.begin(), newest,
                                   [](const Connection* each) { return each->is_idle(); });
    if (idle != newest) (*idle)->close();
}

void Admin::Impl::closed(Connection* connection) {
    connections.remove(connection);
    accept();
}

void Admin::Impl::give_away() {
    if (!acceptor.is_open()) return;
    pause.cancel();
    ErrorCode error;
    // close() would leave it in Asio's epoll set: the successor's descriptor keeps it open.
    const UniqueFd released(acceptor.release(error));
    given_away = true;
}

void Admin::Impl::stop() {
    if (stopped) return;
    stopped = true;
    ErrorCode ignored;  // the descriptor is gone either way
    acceptor.close(ignored);
    pause.cancel();
    if (!given_away && listen.is_unix() && listen.unix_path[0] != '@')
        ::unlink(listen.unix_path.c_str());
    // close() runs no handler, so no connection leaves the list meanwhile.
    for (Connection* connection : connections) connection->close();
}

Admin::Admin(asio::io_context& context, const config::Address& listen, AdminSources sources,
             UniqueFd handed)
    : impl_(std::make_shared<Impl>(context, listen, std::move(sources), std::move(handed))) {
    impl_->accept();
}

Admin::~Admin() {
    stop();
}

std::string Admin::address() const {
    ErrorCode error;
    const auto endpoint = impl_->acceptor.local_endpoint(error);
    return error ? std::string() : to_text(endpoint);
}

UniqueFd Admin::duplicate() const {
    if (!impl_->acceptor.is_open()) return {};
    return UniqueFd(::fcntl(impl_->acceptor.native_handle(), F_DUPFD_CLOEXEC, 0));
}

void Admin::give_away() {
    impl_->give_away();
}

void Admin::stop() {
    impl_->stop();
}

}  // namespace telltale::proxy
