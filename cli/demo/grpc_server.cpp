#include "cli/demo/grpc_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <map>
#include <memory>
#include <utility>

#include "cli/demo/grpc_message.h"
#include "cli/demo/http2_connection.h"

namespace telltale::cli::demo {

namespace {

// What one connection knows of its streams; the user data of its nghttp2 session.
struct Calls {
    struct Call {
        std::string path;
        std::string response;
        size_t sent = 0;
    };
    std::map<int32_t, Call> open;
    std::atomic<uint64_t>* answered = nullptr;
};

constexpr std::string_view unimplemented = "12";  // grpc-status, google.rpc.Code

ssize_t read_response(nghttp2_session* session, int32_t stream, uint8_t* out, size_t size,
                      uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    auto& call = *static_cast<Calls::Call*>(source->ptr);
    const size_t count = std::min(size, call.response.size() - call.sent);
    std::copy_n(call.response.data() + call.sent, count, out);
    call.sent += count;
    if (call.sent == call.response.size()) {
        // The trailers end the stream, not the data.
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const nghttp2_nv status = header("grpc-status", "0");
        nghttp2_submit_trailer(session, stream, &status, 1);
    }
    return static_cast<ssize_t>(count);
}

void answer(nghttp2_session* session, int32_t stream, Calls::Call& call) {
    if (call.path != health_check_path) {
        const std::array headers = {
            header(":status", "200"), header("content-type", "application/grpc"),
            header("grpc-status", unimplemented),
            header("grpc-message", "the demo knows only grpc.health.v1.Health/Check")};
        nghttp2_submit_response(session, stream, headers.data(), headers.size(), nullptr);
        return;
    }
    call.response = frame_message(health_check_serving);
    const std::array headers = {header(":status", "200"),
                                header("content-type", "application/grpc")};
    const nghttp2_data_provider body{{.ptr = &call}, read_response};
    nghttp2_submit_response(session, stream, headers.data(), headers.size(), &body);
}

int on_begin_headers(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    static_cast<Calls*>(user)->open.try_emplace(frame->hd.stream_id);
    return 0;
}

int on_header(nghttp2_session* /*session*/, const nghttp2_frame* frame, const uint8_t* name,
              size_t name_size, const uint8_t* value, size_t value_size, uint8_t /*flags*/,
              void* user) {
    if (text_of(name, name_size) == ":path")
        static_cast<Calls*>(user)->open[frame->hd.stream_id].path = text_of(value, value_size);
    return 0;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const bool of_request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!of_request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    auto& calls = *static_cast<Calls*>(user);
    const auto found = calls.open.find(frame->hd.stream_id);
    if (found == calls.open.end()) return 0;
    answer(session, frame->hd.stream_id, found->second);
    ++*calls.answered;
    return 0;
}

int on_stream_close(nghttp2_session* /*session*/, int32_t stream, uint32_t /*code*/, void* user) {
    static_cast<Calls*>(user)->open.erase(stream);
    return 0;
}

Http2Session make_session(Calls& calls) {
    const Http2Callbacks callbacks = make_callbacks();
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks.get(), on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks.get(), on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks.get(), on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks.get(), on_stream_close);
    nghttp2_session* made = nullptr;
    if (nghttp2_session_server_new(&made, callbacks.get(), &calls) != 0) throw std::bad_alloc();
    const nghttp2_settings_entry streams{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
    nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, &streams, 1);
    return {made, nghttp2_session_del};
}

}  // namespace

GrpcServer::GrpcServer(boost::asio::io_context& context, uint16_t port)
    : acceptor_(context, {boost::asio::ip::address_v4::loopback(), port}) {
    accept();
}

void GrpcServer::accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Tcp::socket socket) {
        if (error == boost::asio::error::operation_aborted) return;
        if (!error) {
            auto calls = std::make_shared<Calls>();
            calls->answered = &calls_answered_;
            Http2Session session = make_session(*calls);
            // on_end holds the calls for as long as the session may use them.
            std::make_shared<Http2Connection>(std::move(socket), std::move(session),
                                              Http2Connection::Events{{}, [calls] {}})
                ->start();
        }
        accept();
    });
}

}  // namespace telltale::cli::demo
