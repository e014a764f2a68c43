#include "proxy/probe/tls_client.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "config/address.h"

namespace telltale::proxy::probe {

namespace {

// ---- the library

#define TELLTALE_TEXT_OF(number) #number
#define TELLTALE_LIBRARY(version) "libssl.so." TELLTALE_TEXT_OF(version)
// libcrypto comes with it. The functions below are stable as long as this number is.
constexpr const char* library_name = TELLTALE_LIBRARY(OPENSSL_SHLIB_VERSION);

// One row per function that is used; names and types are those of the headers.
#define TELLTALE_OPENSSL(X)             \
    X(ASN1_STRING_get0_data)            \
    X(ASN1_STRING_length)               \
    X(ASN1_TIME_diff)                   \
    X(ASN1_TIME_to_tm)                  \
    X(BIO_ctrl_pending)                 \
    X(BIO_free)                         \
    X(BIO_new)                          \
    X(BIO_read)                         \
    X(BIO_s_mem)                        \
    X(BIO_write)                        \
    X(ERR_clear_error)                  \
    X(ERR_get_error)                    \
    X(ERR_reason_error_string)          \
    X(GENERAL_NAMES_free)               \
    X(OPENSSL_sk_num)                   \
    X(OPENSSL_sk_value)                 \
    X(SSL_CTX_free)                     \
    X(SSL_CTX_load_verify_file)         \
    X(SSL_CTX_new)                      \
    X(SSL_CTX_set_alpn_protos)          \
    X(SSL_CTX_set_client_cert_cb)       \
    X(SSL_CTX_set_default_verify_paths) \
    X(SSL_CTX_set_info_callback)        \
    X(SSL_ctrl)                         \
    X(SSL_do_handshake)                 \
    X(SSL_free)                         \
    X(SSL_get0_alpn_selected)           \
    X(SSL_get1_peer_certificate)        \
    X(SSL_get_error)                    \
    X(SSL_get_ex_data)                  \
    X(SSL_get_verify_result)            \
    X(SSL_get_version)                  \
    X(SSL_new)                          \
    X(SSL_read)                         \
    X(SSL_set_bio)                      \
    X(SSL_set_connect_state)            \
    X(SSL_set_ex_data)                  \
    X(SSL_shutdown)                     \
    X(SSL_write)                        \
    X(TLS_client_method)                \
    X(X509_NAME_print_ex)               \
    X(X509_check_host)                  \
    X(X509_check_ip_asc)                \
    X(X509_free)                        \
    X(X509_get0_notAfter)               \
    X(X509_get0_notBefore)              \
    X(X509_get_ext_d2i)                 \
    X(X509_get_issuer_name)             \
    X(X509_get_subject_name)            \
    X(X509_verify_cert_error_string)

struct Library {
#define TELLTALE_MEMBER(name) decltype(&::name) name##_ = nullptr;
    TELLTALE_OPENSSL(TELLTALE_MEMBER)
#undef TELLTALE_MEMBER
    std::string problem;  // empty: everything is there

    Library() {
        void* const handle = ::dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps one per thread
            const char* const reason = ::dlerror();
            problem = reason == nullptr ? "it can't be loaded" : reason;
            return;
        }
#define TELLTALE_LOAD(name) load(handle, #name, name##_);
        TELLTALE_OPENSSL(TELLTALE_LOAD)
#undef TELLTALE_LOAD
    }

    template <typename Function>
    void load(void* handle, const char* name, Function& function) {
        // POSIX wants this conversion to work; C++ calls it conditionally supported.
        function = reinterpret_cast<Function>(::dlsym(handle, name));
        if (function == nullptr) problem = std::string("it has no ") + name;
    }
};
#undef TELLTALE_OPENSSL

// Stays loaded: OpenSSL does not like to be unloaded, and the next probe wants it again.
const Library& library() {
    static const Library loaded;
    return loaded;
}

// ---- small things

constexpr size_t names_max = 16;
constexpr size_t text_max = 256;

using SslPtr = std::unique_ptr<SSL, void (*)(SSL*)>;
using ContextPtr = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
using CertificatePtr = std::unique_ptr<X509, void (*)(X509*)>;
using BioPtr = std::unique_ptr<BIO, int (*)(BIO*)>;

std::string read_all(BIO* bio, size_t limit) {
    std::string text(std::min(library().BIO_ctrl_pending_(bio), limit), '\0');
    const int size = library().BIO_read_(bio, text.data(), static_cast<int>(text.size()));
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
}

std::string name_text(const X509_NAME* name) {
    const BioPtr bio(library().BIO_new_(library().BIO_s_mem_()), library().BIO_free_);
    if (!bio) return {};
    // RFC 2253, most specific part last as people know it.
    library().X509_NAME_print_ex_(bio.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    return read_all(bio.get(), text_max);
}

std::string time_text(const ASN1_TIME* time) {
    std::tm parts{};
    if (library().ASN1_TIME_to_tm_(time, &parts) != 1) return {};
    std::array<char, sizeof "2026-11-22T22:01:37Z"> text{};
    const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

std::optional<int64_t> days_until(const ASN1_TIME* time) {
    int days = 0;
    int seconds = 0;
    if (library().ASN1_TIME_diff_(&days, &seconds, nullptr, time) != 1) return std::nullopt;
    return days < 0 || seconds < 0 ? std::min(days - 1, -1) : days;
}

std::string string_text(const ASN1_STRING* string) {
    const auto* const data = library().ASN1_STRING_get0_data_(string);
    const int size = library().ASN1_STRING_length_(string);
    if (data == nullptr || size <= 0) return {};
    return std::string(sniff::as_text({data, static_cast<size_t>(size)}).substr(0, text_max));
}

std::string ip_text(const ASN1_STRING* string) {
    const std::string raw = string_text(string);
    std::string text;
    if (raw.size() == 4) {
        for (const char byte : raw) {
            text += (text.empty() ? "" : ".") + std::to_string(static_cast<uint8_t>(byte));
        }
        return text;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    for (size_t i = 0; i < raw.size(); ++i) {
        const auto byte = static_cast<uint8_t>(raw[i]);
        if (i > 0 && i % 2 == 0) text += ':';
        text += digits[byte >> 4U];
        text += digits[byte & 0xfU];
    }
    return config::canonical_ip(text).value_or(text);
}

std::vector<std::string> alternative_names(const X509* certificate) {
    auto* const names = static_cast<GENERAL_NAMES*>(
        library().X509_get_ext_d2i_(certificate, NID_subject_alt_name, nullptr, nullptr));
    if (names == nullptr) return {};
    const auto* const stack = reinterpret_cast<const OPENSSL_STACK*>(names);
    std::vector<std::string> found;
    for (int i = 0; i < library().OPENSSL_sk_num_(stack) && found.size() < names_max; ++i) {
        const auto* name = static_cast<const GENERAL_NAME*>(library().OPENSSL_sk_value_(stack, i));
        if (name->type == GEN_DNS) found.push_back(string_text(name->d.dNSName));
        if (name->type == GEN_IPADD) found.push_back(ip_text(name->d.iPAddress));
    }
    library().GENERAL_NAMES_free_(names);
    return found;
}

std::string wire_alpn(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& protocol : protocols) {
        wire += static_cast<char>(protocol.size());
        wire += protocol;
    }
    return wire;
}

std::string last_error() {
    const unsigned long code = library().ERR_get_error_();
    const char* const reason = code == 0 ? nullptr : library().ERR_reason_error_string_(code);
    return reason == nullptr ? std::string() : reason;
}

}  // namespace

struct TlsClient::Impl {
    explicit Impl(Settings given) : settings(std::move(given)) {}

    [[nodiscard]] bool open(std::string& error);
    [[nodiscard]] bool trust(std::string& error) const;
    void advance();
    void fail();
    void note_certificate();

    static Impl& of(const SSL* ssl) {
        return *static_cast<Impl*>(library().SSL_get_ex_data_(ssl, 0));
    }

    Settings settings;
    ContextPtr context{nullptr, library().SSL_CTX_free_};
    SslPtr ssl{nullptr, library().SSL_free_};
    BIO* in = nullptr;   // owned by ssl
    BIO* out = nullptr;  // owned by ssl
    State state = State::handshaking;
    TlsAnswer seen;
};

bool TlsClient::Impl::trust(std::string& error) const {
    library().ERR_clear_error_();
    if (settings.ca_file.empty()) {
        library().SSL_CTX_set_default_verify_paths_(context.get());
        return true;
    }
    if (library().SSL_CTX_load_verify_file_(context.get(), settings.ca_file.c_str()) == 1) {
        return true;
    }
    const std::string reason = last_error();
    error = settings.ca_file + " has no certificates in PEM form" +
            (reason.empty() ? "" : ": " + reason);
    return false;
}

bool TlsClient::Impl::open(std::string& error) {
    context.reset(library().SSL_CTX_new_(library().TLS_client_method_()));
    if (!context) {
        error = "OpenSSL: " + last_error();
        return false;
    }
    if (!trust(error)) return false;
    // Nothing is refused here (SSL_VERIFY_NONE is the default of a client); what the check of the
    // chain found is asked for afterwards.
    const std::string alpn = wire_alpn(settings.alpn);
    library().SSL_CTX_set_alpn_protos_(context.get(), sniff::as_bytes(alpn).data(),
                                       static_cast<unsigned>(alpn.size()));
    library().SSL_CTX_set_client_cert_cb_(context.get(), [](SSL* asked, X509**, EVP_PKEY**) {
        of(asked).seen.certificate_asked = true;
        return 0;  // there is none
    });
    library().SSL_CTX_set_info_callback_(context.get(), [](const SSL* told, int where, int value) {
        if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
        const auto level = static_cast<uint8_t>(value >> 8);
        const auto description = static_cast<uint8_t>(value & 0xff);
        if (description != SSL_AD_CLOSE_NOTIFY) {
            of(told).seen.alert = sniff::TlsAlert{.level = level, .description = description};
        }
    });
    ssl.reset(library().SSL_new_(context.get()));
    in = library().BIO_new_(library().BIO_s_mem_());
    out = library().BIO_new_(library().BIO_s_mem_());
    if (!ssl || in == nullptr || out == nullptr) {
        library().BIO_free_(in);
        library().BIO_free_(out);
        error = "OpenSSL: out of memory";
        return false;
    }
    library().SSL_set_bio_(ssl.get(), in, out);
    library().SSL_set_ex_data_(ssl.get(), 0, this);
    if (!settings.server_name.empty()) {
        library().SSL_ctrl_(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                            settings.server_name.data());
    }
    library().SSL_set_connect_state_(ssl.get());
    advance();
    return true;
}

void TlsClient::Impl::advance() {
    if (state != State::handshaking) return;
    library().ERR_clear_error_();
    const int result = library().SSL_do_handshake_(ssl.get());
    if (result == 1) {
        state = State::open;
        seen.handshake = true;
        const unsigned char* alpn = nullptr;
        unsigned size = 0;
        library().SSL_get0_alpn_selected_(ssl.get(), &alpn, &size);
        if (alpn != nullptr) seen.alpn = sniff::as_text({alpn, size});
    } else if (library().SSL_get_error_(ssl.get(), result) != SSL_ERROR_WANT_READ) {
        fail();
    }
    note_certificate();
}

void TlsClient::Impl::fail() {
    state = State::ended;
    seen.error = last_error();
}

void TlsClient::Impl::note_certificate() {
    if (seen.certificate) return;
    const CertificatePtr leaf(library().SSL_get1_peer_certificate_(ssl.get()),
                              library().X509_free_);
    if (!leaf) return;
    seen.version = library().SSL_get_version_(ssl.get());
    const long verified = library().SSL_get_verify_result_(ssl.get());
    seen.not_trusted =
        verified == X509_V_OK ? "" : library().X509_verify_cert_error_string_(verified);
    const std::string& name = settings.checked_name;
    seen.name_matches =
        config::canonical_ip(name)
            ? library().X509_check_ip_asc_(leaf.get(), name.c_str(), 0) == 1
            : library().X509_check_host_(leaf.get(), name.c_str(), name.size(), 0, nullptr) == 1;
    const ASN1_TIME* const until = library().X509_get0_notAfter_(leaf.get());
    seen.certificate =
        Certificate{.subject = name_text(library().X509_get_subject_name_(leaf.get())),
                    .issuer = name_text(library().X509_get_issuer_name_(leaf.get())),
                    .names = alternative_names(leaf.get()),
                    .not_before = time_text(library().X509_get0_notBefore_(leaf.get())),
                    .not_after = time_text(until),
                    .days_left = days_until(until)};
}

TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TlsClient::~TlsClient() = default;

std::unique_ptr<TlsClient> TlsClient::make(const Settings& settings, std::string& error) {
    if (!library().problem.empty()) {
        error = "TLS was not tried: " + std::string(library_name) +
                " is not usable here: " + library().problem;
        return nullptr;
    }
    auto impl = std::make_unique<Impl>(settings);
    if (!impl->open(error)) return nullptr;
    return std::unique_ptr<TlsClient>(new TlsClient(std::move(impl)));
}

void TlsClient::feed(sniff::Bytes bytes, std::string& plain) {
    if (impl_->state == State::ended || bytes.empty()) return;
    library().BIO_write_(impl_->in, bytes.data(), static_cast<int>(bytes.size()));
    impl_->advance();
    std::array<char, 4096> buffer{};
    while (impl_->state == State::open) {
        library().ERR_clear_error_();
        const int size =
            library().SSL_read_(impl_->ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
        if (size > 0) {
            plain.append(buffer.data(), static_cast<size_t>(size));
            continue;
        }
        if (library().SSL_get_error_(impl_->ssl.get(), size) == SSL_ERROR_WANT_READ) return;
        impl_->fail();
    }
}

void TlsClient::write(std::string_view plain) {
    if (impl_->state != State::open || plain.empty()) return;
    library().ERR_clear_error_();
    library().SSL_write_(impl_->ssl.get(), plain.data(), static_cast<int>(plain.size()));
}

void TlsClient::close() {
    if (impl_->state != State::open) return;
    impl_->state = State::ended;
    library().SSL_shutdown_(impl_->ssl.get());
}

void TlsClient::take(std::string& out) {
    out += read_all(impl_->out, SIZE_MAX);
}

TlsClient::State TlsClient::state() const {
    return impl_->state;
}

void TlsClient::describe(TlsAnswer& answer) const {
    answer = impl_->seen;
}

}  // namespace telltale::proxy::probe
