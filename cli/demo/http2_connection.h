// One HTTP/2 connection of the demo: carries bytes between a socket and an nghttp2 session. Server
// and client share it; what the frames mean is said by the callbacks of the session they made. All
// on one io_context, run by one thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace telltale::cli::demo {

using Tcp = boost::asio::ip::tcp;
using Http2Session = std::unique_ptr<nghttp2_session, void (*)(nghttp2_session*)>;
using Http2Callbacks =
    std::unique_ptr<nghttp2_session_callbacks, void (*)(nghttp2_session_callbacks*)>;

[[nodiscard]] Http2Callbacks make_callbacks();
// A header for nghttp2_submit_*, which copies it: both views need to live only until then.
[[nodiscard]] nghttp2_nv header(std::string_view name, std::string_view value);
[[nodiscard]] std::string_view text_of(const uint8_t* bytes, size_t size);

class Http2Connection final : public std::enable_shared_from_this<Http2Connection> {
   public:
    struct Events {
        std::function<void(std::string_view bytes)>
            on_bytes;                  // as they came, before nghttp2 sees them
        std::function<void()> on_end;  // once; nothing comes after it
    };
    Http2Connection(Tcp::socket socket, Http2Session session, Events events);

    void start();
    [[nodiscard]] nghttp2_session* session() { return session_.get(); }

   private:
    void read();
    void on_read(const boost::system::error_code& error, size_t size);
    void take(std::string_view bytes);
    void write();
    void end();

    Tcp::socket socket_;
    Http2Session session_;
    Events events_;
    std::array<char, 16384> input_{};
    std::string output_;
    bool writing_ = false;
    bool ended_ = false;
};

}  // namespace telltale::cli::demo
