#include "cli/demo/http2_connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <new>
#include <utility>

namespace telltale::cli::demo {

namespace asio = boost::asio;

Http2Callbacks make_callbacks() {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    return {made, nghttp2_session_callbacks_del};
}

nghttp2_nv header(std::string_view name, std::string_view value) {
    // nghttp2 wants uint8_t* without const, and only reads.
    const auto bytes = [](std::string_view text) {
        return const_cast<uint8_t*>(
            static_cast<const uint8_t*>(static_cast<const void*>(text.data())));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view text_of(const uint8_t* bytes, size_t size) {
    return {static_cast<const char*>(static_cast<const void*>(bytes)), size};
}

Http2Connection::Http2Connection(Tcp::socket socket, Http2Session session, Events events)
    : socket_(std::move(socket)), session_(std::move(session)), events_(std::move(events)) {}

void Http2Connection::start() {
    write();
    read();
}

void Http2Connection::read() {
    socket_.async_read_some(asio::buffer(input_), [self = shared_from_this()](
                                                      const boost::system::error_code& error,
                                                      size_t size) { self->on_read(error, size); });
}

void Http2Connection::on_read(const boost::system::error_code& error, size_t size) {
    if (error) return end();
    if (!ended_) take({input_.data(), size});
    // Also after the end, until the peer has closed too: closing with unread bytes makes the kernel
    // reset the connection.
    read();
}

void Http2Connection::take(std::string_view bytes) {
    if (events_.on_bytes) events_.on_bytes(bytes);
    const auto* raw = static_cast<const uint8_t*>(static_cast<const void*>(bytes.data()));
    if (nghttp2_session_mem_recv(session_.get(), raw, bytes.size()) < 0) return end();
    write();
}

void Http2Connection::write() {
    if (writing_ || ended_) return;
    output_.clear();
    const uint8_t* chunk = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_.get(), &chunk)) > 0;)
        output_.append(text_of(chunk, static_cast<size_t>(size)));
    if (output_.empty()) {
        const bool wanted = nghttp2_session_want_read(session_.get()) != 0 ||
                            nghttp2_session_want_write(session_.get()) != 0;
        if (!wanted) end();
        return;
    }
    writing_ = true;
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                          self->writing_ = false;
                          // A failed write is not the end: what the peer said before may still be
                          // unread.
                          if (!error) self->write();
                      });
}

void Http2Connection::end() {
    if (std::exchange(ended_, true)) return;
    boost::system::error_code ignored;  // the peer may be gone, which is as good
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    if (events_.on_end) events_.on_end();
}

}  // namespace telltale::cli::demo
