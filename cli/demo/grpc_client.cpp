#include "cli/demo/grpc_client.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <memory>
#include <new>
#include <utility>

#include "cli/demo/grpc_message.h"
#include "cli/demo/http2_connection.h"

namespace telltale::cli::demo {

namespace {

constexpr size_t first_bytes_max = 64;
constexpr size_t body_bytes_max = 65536;

// The call under way; the user data of the session.
struct Call {
    std::string request;
    size_t sent = 0;
    std::string body;
    CallResult result;
};

ssize_t read_request(nghttp2_session* /*session*/, int32_t /*stream*/, uint8_t* out, size_t size,
                     uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    auto& call = *static_cast<Call*>(source->ptr);
    const size_t count = std::min(size, call.request.size() - call.sent);
    std::copy_n(call.request.data() + call.sent, count, out);
    call.sent += count;
    if (call.sent == call.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
}

int on_header(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, const uint8_t* name,
              size_t name_size, const uint8_t* value, size_t value_size, uint8_t /*flags*/,
              void* user) {
    auto& result = static_cast<Call*>(user)->result;
    const std::string_view text = text_of(value, value_size);
    int number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) return 0;
    if (text_of(name, name_size) == ":status") result.http_status = number;
    if (text_of(name, name_size) == "grpc-status") result.grpc_status = number;
    return 0;
}

int on_data(nghttp2_session* /*session*/, uint8_t /*flags*/, int32_t /*stream*/,
            const uint8_t* bytes, size_t size, void* user) {
    auto& body = static_cast<Call*>(user)->body;
    if (body.size() + size > body_bytes_max) return NGHTTP2_ERR_CALLBACK_FAILURE;
    body.append(text_of(bytes, size));
    return 0;
}

int on_stream_close(nghttp2_session* session, int32_t /*stream*/, uint32_t /*code*/,
                    void* /*user*/) {
    // One call, one connection: say GOAWAY and be done.
    return nghttp2_session_terminate_session(session, NGHTTP2_NO_ERROR);
}

int on_library_error(nghttp2_session* /*session*/, int /*code*/, const char* text, size_t size,
                     void* user) {
    static_cast<Call*>(user)->result.library_error.assign(text, size);
    return 0;
}

Http2Session make_session(Call& call) {
    const Http2Callbacks callbacks = make_callbacks();
    nghttp2_session_callbacks_set_on_header_callback(callbacks.get(), on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks.get(), on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks.get(), on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks.get(), on_library_error);
    nghttp2_session* made = nullptr;
    if (nghttp2_session_client_new(&made, callbacks.get(), &call) != 0) throw std::bad_alloc();
    nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, nullptr, 0);
    return {made, nghttp2_session_del};
}

void submit(nghttp2_session* session, Call& call, std::string_view authority,
            std::string_view path) {
    const std::array headers = {header(":method", "POST"),
                                header(":scheme", "http"),
                                header(":path", path),
                                header(":authority", authority),
                                header("te", "trailers"),
                                header("content-type", "application/grpc"),
                                header("user-agent", "telltale-demo")};
    const nghttp2_data_provider body{{.ptr = &call}, read_request};
    nghttp2_submit_request(session, nullptr, headers.data(), headers.size(), &body, nullptr);
}

}  // namespace

CallResult call_unary(const boost::asio::ip::tcp::endpoint& server, std::string_view path,
                      std::string_view message, std::chrono::milliseconds timeout) {
    const auto start = std::chrono::steady_clock::now();
    Call call;
    call.request = frame_message(message);
    boost::asio::io_context context{1};
    Tcp::socket socket{context};
    socket.connect(server);

    Http2Connection::Events events;
    events.on_bytes = [&call](std::string_view bytes) {
        std::string& first = call.result.first_bytes;
        first.append(bytes.substr(0, first_bytes_max - first.size()));
    };
    events.on_end = [&call, start] { call.result.took = std::chrono::steady_clock::now() - start; };
    auto connection =
        std::make_shared<Http2Connection>(std::move(socket), make_session(call), std::move(events));
    submit(connection->session(), call,
           server.address().to_string() + ":" + std::to_string(server.port()), path);
    connection->start();
    context.run_for(timeout);
    call.result.message = unframe_message(call.body);
    return call.result;
}

}  // namespace telltale::cli::demo
