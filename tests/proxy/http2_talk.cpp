#include "tests/proxy/http2_talk.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace telltale::proxy::test {

using sniff::FrameType;

std::string u32(uint32_t value) {
    return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U),
            static_cast<char>(value >> 8U), static_cast<char>(value)};
}

std::string frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
    return u32(static_cast<uint32_t>(payload.size())).substr(1) + static_cast<char>(type) +
           static_cast<char>(flags) + u32(stream) + std::string(payload);
}

std::string joined(std::initializer_list<std::string> parts) {
    std::string all;
    for (const std::string& part : parts) all += part;
    return all;
}

std::string greeting() {
    return std::string(sniff::http2_preface) + frame(FrameType::settings, 0, 0, "");
}

Fields grpc_call(std::string_view content_type) {
    return {{":method", "POST"},         {":scheme", "http"},
            {":path", "/demo.Echo/Say"}, {":authority", "group-rpc-service:10260"},
            {"te", "trailers"},          {"content-type", std::string(content_type)}};
}

Fields http_request(std::string_view method) {
    return {{":method", std::string(method)},
            {":scheme", "http"},
            {":path", "/"},
            {":authority", "group-rpc-service:10260"}};
}

// ---- saying

struct Talker::Deflater {
    Deflater() { nghttp2_hd_deflate_new(&raw, 4096); }
    ~Deflater() { nghttp2_hd_deflate_del(raw); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
    nghttp2_hd_deflater* raw = nullptr;
};

Talker::Talker() : deflater_(std::make_unique<Deflater>()) {}
Talker::~Talker() = default;

std::string Talker::block(const Fields& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields) {
        // nghttp2 wants pointers without const, and only reads.
        list.push_back({const_cast<uint8_t*>(sniff::as_bytes(name).data()),
                        const_cast<uint8_t*>(sniff::as_bytes(value).data()), name.size(),
                        value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_->raw, list.data(), list.size()), '\0');
    const auto size = nghttp2_hd_deflate_hd(deflater_->raw, reinterpret_cast<uint8_t*>(out.data()),
                                            out.size(), list.data(), list.size());
    EXPECT_GE(size, 0);
    out.resize(static_cast<size_t>(size));
    return out;
}

std::string Talker::headers(uint32_t stream, const Fields& fields, uint8_t flags) {
    return frame(FrameType::headers, static_cast<uint8_t>(flags | end_headers), stream,
                 block(fields));
}

std::string Talker::call(uint32_t stream, const Fields& fields) {
    return headers(stream, fields) +
           frame(FrameType::data, end_stream, stream, std::string(5, '\0'));
}

// ---- hearing

namespace {

class Listener final {
   public:
    Listener() { nghttp2_hd_inflate_new(&inflater_); }
    ~Listener() { nghttp2_hd_inflate_del(inflater_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    Heard hear(sniff::Bytes rest) {
        heard_.whole = true;
        while (rest.size() >= 9) {
            const size_t length = (size_t{rest[0]} << 16U) | (size_t{rest[1]} << 8U) | rest[2];
            if (rest.size() < 9 + length) break;
            take(rest[3], rest[4], number(rest.subspan(5)), rest.subspan(9, length));
            rest = rest.subspan(9 + length);
        }
        heard_.whole = heard_.whole && rest.empty();
        return std::move(heard_);
    }

   private:
    static uint32_t number(sniff::Bytes b) {
        return (uint32_t{b[0]} << 24U) | (uint32_t{b[1]} << 16U) | (uint32_t{b[2]} << 8U) | b[3];
    }

    void take(uint8_t type, uint8_t flags, uint32_t stream, sniff::Bytes payload) {
        heard_.goaway_last = false;
        switch (static_cast<FrameType>(type)) {
            case FrameType::headers:
                EXPECT_NE(flags & end_headers, 0);
                read_block(heard_.responses[stream].fields, payload);
                heard_.responses[stream].ended = (flags & end_stream) != 0;
                return;
            case FrameType::data:
                heard_.responses[stream].body += sniff::as_text(payload);
                heard_.responses[stream].ended = (flags & end_stream) != 0;
                return;
            case FrameType::rst_stream:
                heard_.responses[stream].reset = number(payload);
                return;
            case FrameType::settings:
                if ((flags & ack) != 0) ++heard_.settings_acks;
                for (; payload.size() >= 6; payload = payload.subspan(6)) {
                    heard_.settings[static_cast<uint16_t>((payload[0] << 8U) | payload[1])] =
                        number(payload.subspan(2));
                }
                return;
            case FrameType::ping:
                EXPECT_EQ(flags, ack);
                heard_.pongs.emplace_back(sniff::as_text(payload));
                return;
            case FrameType::goaway:
                heard_.goaway_last_stream = number(payload);
                heard_.goaway = number(payload.subspan(4));
                heard_.goaway_last = true;
                return;
            default:
                return;
        }
    }

    void read_block(Fields& fields, sniff::Bytes block) {
        while (true) {
            nghttp2_nv nv{};
            int flags = 0;
            const auto read =
                nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, block.data(), block.size(), 1);
            if (read < 0) {
                heard_.whole = false;
                return;
            }
            block = block.subspan(static_cast<size_t>(read));
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
                fields.emplace_back(sniff::as_text({nv.name, nv.namelen}),
                                    sniff::as_text({nv.value, nv.valuelen}));
            }
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
        }
        nghttp2_hd_inflate_end_headers(inflater_);
    }

    nghttp2_hd_inflater* inflater_ = nullptr;
    Heard heard_;
};

}  // namespace

std::string Response::field(std::string_view name) const {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [name](const auto& one) { return one.first == name; });
    return found == fields.end() ? std::string() : found->second;
}

Heard hear(sniff::Bytes answer) {
    return Listener().hear(answer);
}

}  // namespace telltale::proxy::test
