// The client's side of TLS over memory: bytes in, bytes out. All of OpenSSL is in the .cpp file,
// which loads it when it is first asked for: a sidecar that never probes does not pay for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/probe/observations.h"
#include "sniff/bytes.h"

namespace telltale::proxy::probe {

class TlsClient final {
   public:
    struct Settings {
        std::string server_name;   // SNI; empty: none is sent
        std::string checked_name;  // a name or an IP address that the certificate should have
        std::vector<std::string> alpn;
        std::string ca_file;  // PEM roots in place of the system's; empty: the system's
    };
    // nullptr with a sentence in `error` where there is no OpenSSL, or ca_file is no good.
    [[nodiscard]] static std::unique_ptr<TlsClient> make(const Settings& settings,
                                                         std::string& error);
    ~TlsClient();
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    enum class State : uint8_t { handshaking, open, ended };  // ended: by either side, or failed

    // Bytes of the peer in; decrypted text is appended to `plain`.
    void feed(sniff::Bytes bytes, std::string& plain);
    void write(std::string_view plain);
    void close();  // close_notify, where the handshake was made
    // Bytes for the peer are appended.
    void take(std::string& out);

    [[nodiscard]] State state() const;
    // Version, ALPN, certificate, alert, … ; the names and the ends are the caller's.
    void describe(TlsAnswer& answer) const;

   private:
    struct Impl;
    explicit TlsClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace telltale::proxy::probe
