#include "proxy/admin.h"

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
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <iterator>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include "proxy/endpoint.h"
#include "proxy/incident.h"

namespace telltale::proxy {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;

namespace {

using AcceptSocket = asio::basic_socket_acceptor<asio::generic::stream_protocol, Executor>;
using Stream = beast::basic_stream<asio::generic::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

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

struct Answer {
    http::status status = http::status::ok;
    std::string_view type = plain_text;
    std::string body;
};
using Reply = std::function<void(Answer)>;

enum class Rendering : uint8_t { json, text };

// ---- routes

void metrics(const AdminSources& from, Rendering /*rendering*/, Reply reply) {
    from.metrics([reply = std::move(reply)](std::string text) {
        reply({http::status::ok, metrics_text, std::move(text)});
    });
}

void live(const AdminSources& /*from*/, Rendering /*rendering*/, Reply reply) {
    reply({http::status::ok, plain_text, "ok\n"});
}

void ready(const AdminSources& from, Rendering /*rendering*/, Reply reply) {
    const std::string reason = from.not_ready_reason();
    if (reason.empty()) return reply({http::status::ok, plain_text, "ready\n"});
    reply({http::status::service_unavailable, plain_text, "not ready: " + reason + "\n"});
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

void incidents(const AdminSources& from, Rendering rendering, Reply reply) {
    from.incidents(
        [rendering, reply = std::move(reply)](const std::vector<IncidentSink::Entry>& entries) {
            if (rendering == Rendering::text) {
                return reply({http::status::ok, plain_text, incidents_text(entries)});
            }
            reply({http::status::ok, json_text, incidents_json(entries)});
        });
}

constexpr size_t address_bytes_max = 128;

std::string listener_name(const std::vector<std::string>& names, size_t index) {
    return clean_text(index < names.size() ? names[index] : std::string(), address_bytes_max);
}

std::string connections_json(const std::vector<ConnectionRow>& rows,
                             const std::vector<std::string>& names) {
    std::string out = "[";
    for (const auto& row : rows) {
        if (out.size() > 1) out += ',';
        const json::object object{
            {"id", row.id},
            {"listener", listener_name(names, row.listener)},
            {"client",
             {{"address", clean_text(row.client_address, address_bytes_max)},
              {"protocol", sniff::name(row.client)}}},
            {"upstream",
             {{"address", clean_text(row.upstream_address, address_bytes_max)},
              {"protocol", sniff::name(row.upstream)}}},
            {"verdict", sniff::name(row.verdict)},
            {"cause", sniff::name(row.cause)},
            {"state", clean_text(row.state, address_bytes_max)},
            {"bytes", {{"from_client", row.bytes[0]}, {"from_upstream", row.bytes[1]}}},
            {"age_ms", row.age_ms}};
        out += "\n" + json::serialize(object);
    }
    return out + "]\n";
}

// Columns as wide as their longest cell.
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

std::string connections_text(const std::vector<ConnectionRow>& rows,
                             const std::vector<std::string>& names) {
    std::vector<std::vector<std::string>> lines = {{"LISTENER", "CLIENT", "SPEAKS", "UPSTREAM",
                                                    "SPEAKS", "VERDICT", "STATE", "FROM CLIENT",
                                                    "FROM UPSTREAM", "AGE"}};
    for (const auto& row : rows) {
        lines.push_back(
            {listener_name(names, row.listener), clean_text(row.client_address, address_bytes_max),
             std::string(sniff::name(row.client)),
             clean_text(row.upstream_address, address_bytes_max),
             std::string(sniff::name(row.upstream)), std::string(sniff::name(row.verdict)),
             clean_text(row.state, address_bytes_max), std::to_string(row.bytes[0]),
             std::to_string(row.bytes[1]), std::to_string(row.age_ms / 1000) + "s"});
    }
    return table_text(lines);
}

void connections(const AdminSources& from, Rendering rendering, Reply reply) {
    from.connections(
        connection_rows_max, [rendering, names = from.listener_names(),
                              reply = std::move(reply)](const std::vector<ConnectionRow>& rows) {
            if (rendering == Rendering::text) {
                return reply({http::status::ok, plain_text, connections_text(rows, names)});
            }
            reply({http::status::ok, json_text, connections_json(rows, names)});
        });
}

void config_yaml(const AdminSources& from, Rendering /*rendering*/, Reply reply) {
    reply({http::status::ok, plain_text, from.config_yaml()});
}

void index(const AdminSources& from, Rendering rendering, Reply reply);

// THE TABLE: every route answers GET and HEAD.
struct Route {
    std::string_view path;
    std::string_view says;
    void (*answer)(const AdminSources& from, Rendering rendering, Reply reply);
};
constexpr std::array<Route, 7> routes = {{
    {"/", "this list", index},
    {"/metrics", "counters for Prometheus", metrics},
    {"/live", "200 while the process runs", live},
    {"/ready", "200 while connections are welcome, 503 with the reason otherwise", ready},
    {"/incidents", "what went wrong, newest first, as JSON; ?format=text to read it here",
     incidents},
    {"/connections", "open connections as JSON; ?format=text for a table", connections},
    {"/config", "the configuration in effect, as YAML", config_yaml},
}};

std::string routes_text() {
    std::vector<std::vector<std::string>> lines;
    for (const Route& route : routes) {
        lines.push_back({std::string(route.path), std::string(route.says)});
    }
    return table_text(lines);
}

void index(const AdminSources& /*from*/, Rendering /*rendering*/, Reply reply) {
    reply({http::status::ok, plain_text, "Telltale admin\n\n" + routes_text()});
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

}  // namespace

// ---- the server

struct Admin::Impl : std::enable_shared_from_this<Admin::Impl> {
    class Connection;

    Impl(asio::io_context& context, const config::Address& address, AdminSources from)
        : sources(std::move(from)),
          listen(address),
          acceptor(listen_on(context, address)),
          pause(context) {}

    void accept();
    void on_accept(const ErrorCode& error, Socket socket);
    void make_room();
    void closed(Connection* connection);
    void stop();

    const AdminSources sources;
    const config::Address listen;
    AcceptSocket acceptor;
    Timer pause;
    std::list<Connection*> connections;  // oldest first; each takes itself out
    bool accepting = false;
    bool stopped = false;
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
    void route(const Request& request);
    void ask(const Route& route, Rendering rendering);
    void write(Answer answer, Then then);
    void on_write(const ErrorCode& error);
    void linger();

    std::shared_ptr<Impl> server_;
    Stream stream_;
    Timer source_timer_;
    beast::flat_buffer buffer_{header_bytes_max + body_bytes_max};
    std::optional<http::request_parser<http::string_body>> parser_;
    Response response_;
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
    const Request request = parser_->release();
    head_only_ = request.method() == http::verb::head;
    keep_alive_ = request.keep_alive();
    version_ = request.version();
    route(request);
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
        return write({http::status::payload_too_large, plain_text, "request body too long\n"},
                     Then::end);
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return write({http::status::request_header_fields_too_large, plain_text,
                      "request header too long\n"},
                     Then::end);
    }
    write({http::status::bad_request, plain_text, "not an HTTP/1.1 request\n"}, Then::end);
}

void Admin::Impl::Connection::route(const Request& request) {
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
    const auto* const found = std::find_if(routes.begin(), routes.end(),
                                           [&](const Route& row) { return row.path == path; });
    if (found == routes.end()) {
        return write(
            {http::status::not_found, plain_text, "no such page; there are\n\n" + routes_text()},
            Then::next_request);
    }
    if (request.method() != http::verb::get && !head_only_) {
        return write({http::status::method_not_allowed, plain_text, "only GET and HEAD\n"},
                     Then::next_request);
    }
    const bool as_text =
        ("&" + std::string(query) + "&").find("&format=text&") != std::string::npos;
    ask(*found, as_text ? Rendering::text : Rendering::json);
}

void Admin::Impl::Connection::ask(const Route& route, Rendering rendering) {
    state_ = State::asking;
    source_timer_.expires_after(patience);
    source_timer_.async_wait(
        [self = shared_from_this(), number = requests_](const ErrorCode& error) {
            if (error || self->state_ != State::asking || self->requests_ != number) return;
            self->write({http::status::service_unavailable, plain_text, "no answer in time\n"},
                        Then::next_request);
        });
    // A source may answer late, or twice: only the request that asked takes it. Weak, since a
    // source of another thread may keep this longer than the io_context lives, and sockets must
    // not; meanwhile the timer above keeps the connection.
    route.answer(server_->sources, rendering,
                 [weak = weak_from_this(), number = requests_](Answer answer) {
                     const auto self = weak.lock();
                     if (!self || self->state_ != State::asking || self->requests_ != number)
                         return;
                     self->source_timer_.cancel();
                     self->write(std::move(answer), Then::next_request);
                 });
}

void Admin::Impl::Connection::write(Answer answer, Then then) {
    state_ = State::writing;
    if (then == Then::end || server_->stopped) keep_alive_ = false;
    response_ = Response(answer.status, version_);
    response_.set(http::field::content_type, answer.type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (answer.status == http::status::method_not_allowed) {
        response_.set(http::field::allow, "GET, HEAD");
    }
    response_.keep_alive(keep_alive_);
    response_.content_length(answer.body.size());
    if (!head_only_) response_.body() = std::move(answer.body);
    stream_.expires_after(patience);
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const ErrorCode& error, size_t /*size*/) {
                          self->on_write(error);
                      });
}

void Admin::Impl::Connection::on_write(const ErrorCode& error) {
    if (state_ == State::closed) return;
    if (error) return close();
    response_ = {};
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
    if (stopped || accepting || connections.size() >= open_connections_max) return;
    accepting = true;
    acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, Socket socket) {
        self->accepting = false;
        if (!self->stopped) self->on_accept(error, std::move(socket));
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

void Admin::Impl::stop() {
    if (stopped) return;
    stopped = true;
    ErrorCode ignored;  // the descriptor is gone either way
    acceptor.close(ignored);
    pause.cancel();
    if (listen.is_unix() && listen.unix_path[0] != '@') ::unlink(listen.unix_path.c_str());
    // close() runs no handler, so no connection leaves the list meanwhile.
    for (Connection* connection : connections) connection->close();
}

Admin::Admin(asio::io_context& context, const config::Address& listen, AdminSources sources)
    : impl_(std::make_shared<Impl>(context, listen, std::move(sources))) {
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

void Admin::stop() {
    impl_->stop();
}

}  // namespace telltale::proxy
