// TCP sockets over IPv4 as the load generators need them: made, configured, closed. No protocol.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace telltale::bench::load {

// Owns a file descriptor.
class Descriptor final {
   public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_{number} {}
    Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }

    void close();
    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] bool open() const { return number_ >= 0; }

   private:
    int number_ = -1;
};

struct Address {
    sockaddr_in socket{};
    std::string text;
};

// Of "127.0.0.1:8080". Throws std::invalid_argument.
[[nodiscard]] Address address_of(const std::string& text);

// Throws std::system_error.
[[nodiscard]] Descriptor listen_on(const Address& address);

enum class Close : unsigned char {
    fin,    // as programs do; leaves the port in TIME_WAIT when this side is first
    reset,  // leaves nothing behind, so that tens of thousands can follow each other
};

struct SocketOptions {
    Close close = Close::reset;
    int receive_buffer = 0;    // bytes, 0: the system's; its window then limits what is in flight
    bool send_at_once = true;  // no Nagle; needless for a connection that sends once
};

// Not blocking, not connected. Not open when the system refuses it (errno).
[[nodiscard]] Descriptor make_socket(const SocketOptions& options);

// Raises the limit of open files to the hard limit, and that to this number where it is lower and
// the system allows it. Says what the limit is then.
size_t raise_file_limit(size_t wanted);
// As above; throws std::runtime_error when there are not as many.
void need_files(size_t wanted);

// Whether all of it went out at once, which a few bytes into an empty socket do.
[[nodiscard]] bool send_whole(int socket, std::string_view bytes);

[[nodiscard]] std::string error_text(int error);

// std::system_error of errno.
[[noreturn]] void throw_errno(const std::string& what);

}  // namespace telltale::bench::load
