#include "proxy/probe/grpc_messages.h"

#include <cstdint>

namespace telltale::proxy::probe {

namespace {

constexpr size_t frame_header = 5;
constexpr size_t name_max = 256;

// Fields of a message, one after another; stops for good at the first byte that makes no sense.
class Fields final {
   public:
    explicit Fields(std::string_view message) : rest_(message) {}

    struct Field {
        uint64_t number = 0;
        uint64_t value = 0;      // of a varint
        std::string_view bytes;  // of a length-delimited field
    };
    [[nodiscard]] std::optional<Field> next() {
        const auto key = varint();
        if (!key) return std::nullopt;
        Field field{.number = *key >> 3U, .value = 0, .bytes = {}};
        switch (*key & 7U) {
            case 0: {
                const auto value = varint();
                if (!value) return std::nullopt;
                field.value = *value;
                return field;
            }
            case 1:
                return take(8) ? std::optional(field) : std::nullopt;
            case 2: {
                const auto size = varint();
                const auto bytes = size ? take(*size) : std::nullopt;
                if (!bytes) return std::nullopt;
                field.bytes = *bytes;
                return field;
            }
            case 5:
                return take(4) ? std::optional(field) : std::nullopt;
            default:
                return std::nullopt;
        }
    }

   private:
    std::optional<uint64_t> varint() {
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) return std::nullopt;
            const auto byte = static_cast<uint8_t>(rest_.front());
            rest_.remove_prefix(1);
            value |= static_cast<uint64_t>(byte & 0x7fU) << shift;
            if ((byte & 0x80U) == 0) return value;
        }
        return std::nullopt;
    }
    std::optional<std::string_view> take(uint64_t size) {
        if (size > rest_.size()) return std::nullopt;
        const std::string_view taken = rest_.substr(0, static_cast<size_t>(size));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
};

// ListServiceResponse: repeated ServiceResponse service = 1, whose name is field 1.
ServiceNames names_in(std::string_view list) {
    ServiceNames found;
    Fields services(list);
    while (const auto service = services.next()) {
        if (service->number != 1) continue;
        if (found.names.size() == services_max) {
            found.cut = true;
            break;
        }
        std::string_view name;
        Fields fields(service->bytes);
        while (const auto field = fields.next()) {
            if (field->number == 1) name = field->bytes.substr(0, name_max);
        }
        found.names.emplace_back(name);
    }
    return found;
}

}  // namespace

std::string frame_message(std::string_view message) {
    std::string out(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(message.size() >> static_cast<unsigned>(shift)));
    }
    return out.append(message);
}

std::optional<std::string_view> first_message(std::string_view body) {
    if (body.size() < frame_header || body.front() != '\0') return std::nullopt;
    uint64_t size = 0;
    for (size_t i = 1; i < frame_header; ++i) size = size << 8U | static_cast<uint8_t>(body[i]);
    if (size > body.size() - frame_header) return std::nullopt;
    return body.substr(frame_header, static_cast<size_t>(size));
}

Health read_health(std::string_view message) {
    uint64_t status = 0;
    Fields fields(message);
    while (const auto field = fields.next()) {
        if (field->number == 1) status = field->value;
    }
    switch (status) {
        case 1:
            return Health::serving;
        case 2:
            return Health::not_serving;
        case 3:
            return Health::service_unknown;
        default:
            return Health::unknown;
    }
}

std::string list_services_request() {
    // Field 7, list_services, a string whose content is ignored. An empty one would be lost: it is
    // part of a oneof, so its presence is what counts.
    return {"\x3a\x00", 2};
}

std::optional<ServiceNames> read_services(std::string_view message) {
    Fields fields(message);
    while (const auto field = fields.next()) {
        if (field->number == 6) return names_in(field->bytes);
    }
    return std::nullopt;
}

}  // namespace telltale::proxy::probe
