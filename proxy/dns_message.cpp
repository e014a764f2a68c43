#include "proxy/dns_message.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <cctype>

#include "sniff/service_name.h"

namespace telltale::proxy {

namespace {

constexpr size_t header_size = 12;  // RFC 1035 §4.1.1
constexpr uint16_t class_in = 1;
constexpr uint16_t flag_reply = 0x8000;
constexpr uint16_t flag_recursion_desired = 0x0100;
constexpr uint16_t rcode_mask = 0x000F;
constexpr uint16_t rcode_no_error = 0;
constexpr uint16_t rcode_no_such_name = 3;
constexpr size_t name_bytes_max = 253;
constexpr size_t label_bytes_max = 63;
constexpr unsigned pointer_bits = 0xC0;
constexpr size_t pointers_max = 16;  // of one name
constexpr size_t records_max = 64;

void put16(std::string& to, uint16_t value) {
    to += static_cast<char>(value >> 8U);
    to += static_cast<char>(value & 0xFFU);
}

bool same_no_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return std::tolower(static_cast<unsigned char>(x)) ==
                      std::tolower(static_cast<unsigned char>(y));
           });
}

// Reads the message from the front; what is cut makes it `bad` for good.
class Reader final {
   public:
    explicit Reader(std::string_view message) : message_(message) {}

    [[nodiscard]] bool bad() const { return bad_; }
    uint16_t number16() {
        const unsigned high = byte();
        return static_cast<uint16_t>(high << 8U | byte());
    }
    void skip(size_t count) {
        if (message_.size() - at_ < count) bad_ = true;
        if (!bad_) at_ += count;
    }
    [[nodiscard]] size_t at() const { return at_; }
    // Whatever was read of it, a record ends where it says.
    void go_on_at(size_t position) {
        bad_ = bad_ || position > message_.size();
        if (!bad_) at_ = position;
    }
    // The labels with dots between; a label that is no part of a host name makes the whole name
    // empty, though it is read to its end.
    std::string name();

   private:
    unsigned byte() {
        if (bad_ || at_ >= message_.size()) {
            bad_ = true;
            return 0;
        }
        return static_cast<unsigned char>(message_[at_++]);
    }

    std::string_view message_;
    size_t at_ = 0;
    bool bad_ = false;
};

std::string Reader::name() {
    std::string name;
    std::optional<size_t> after;  // where the message goes on behind the first pointer
    size_t pointers = 0;
    bool readable = true;
    while (!bad_) {
        const unsigned size = byte();
        if ((size & pointer_bits) == pointer_bits) {
            const size_t target = (size & ~pointer_bits) << 8U | byte();
            if (!after) after = at_;
            // Only back: that alone ends any circle, and the count any long way.
            bad_ = bad_ || target >= at_ - 2 || ++pointers > pointers_max;
            if (!bad_) at_ = target;
            continue;
        }
        if (size == 0) break;
        if (size > label_bytes_max || message_.size() - at_ < size) bad_ = true;
        if (bad_) break;
        const std::string_view label = message_.substr(at_, size);
        at_ += size;
        readable = readable && label.find('.') == std::string_view::npos;
        if (!name.empty()) name += '.';
        name += label;
        bad_ = name.size() > name_bytes_max;
    }
    if (after && !bad_) at_ = *after;
    return readable && !bad_ && sniff::is_dns_name(name) ? name : std::string();
}

struct Record {
    std::string owner;
    uint16_t type = 0;
    std::string target;  // of PTR and CNAME
};

// What the answer section says, aliases followed in the order in which they come.
class Answers final {
   public:
    explicit Answers(const DnsQuestion& question)
        : question_(question), canonical_(question.name) {}

    void add(const Record& record) {
        if (record.type == static_cast<uint16_t>(DnsType::cname)) {
            if (!record.target.empty() && same_no_case(record.owner, canonical_))
                canonical_ = record.target;
            return;
        }
        if (record.type != static_cast<uint16_t>(question_.type) ||
            !same_no_case(record.owner, canonical_)) {
            return;
        }
        found_ = true;
        const bool room = names_.size() < dns_names_max && !record.target.empty();
        if (room && std::find(names_.begin(), names_.end(), record.target) == names_.end())
            names_.push_back(record.target);
    }

    [[nodiscard]] DnsReply take() {
        const bool address = question_.type != DnsType::ptr && found_;
        return {.failed = false,
                .names = std::move(names_),
                .canonical = address ? canonical_ : std::string()};
    }

   private:
    const DnsQuestion& question_;
    std::string canonical_;
    std::vector<std::string> names_;
    bool found_ = false;
};

Record read_record(Reader& reader) {
    Record record;
    record.owner = reader.name();
    record.type = reader.number16();
    const uint16_t record_class = reader.number16();
    reader.skip(4);  // time to live
    const uint16_t size = reader.number16();
    const bool names = record.type == static_cast<uint16_t>(DnsType::ptr) ||
                       record.type == static_cast<uint16_t>(DnsType::cname);
    const size_t end = reader.at() + size;
    if (names && record_class == class_in) record.target = reader.name();
    reader.go_on_at(end);
    if (record_class != class_in) record.type = 0;
    return record;
}

}  // namespace

std::string reverse_name(const boost::asio::ip::address& address) {
    std::string name;
    if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        for (size_t i = bytes.size(); i-- > 0;) name += std::to_string(bytes[i]) + ".";
        return name + "in-addr.arpa";
    }
    constexpr std::string_view digits = "0123456789abcdef";
    const auto bytes = address.to_v6().to_bytes();
    for (size_t i = bytes.size(); i-- > 0;) {
        name += digits[bytes[i] & 15U];
        name += '.';
        name += digits[bytes[i] >> 4U];
        name += '.';
    }
    return name + "ip6.arpa";
}

std::string write_question(const DnsQuestion& question) {
    if (!sniff::is_dns_name(question.name)) return {};
    std::string message;
    put16(message, question.id);
    put16(message, flag_recursion_desired);
    put16(message, 1);  // questions
    put16(message, 0);  // answers
    put16(message, 0);  // authorities
    put16(message, 0);  // additional records
    std::string_view rest = question.name;
    while (!rest.empty()) {
        const std::string_view label = rest.substr(0, rest.find('.'));
        message += static_cast<char>(label.size());
        message += label;
        rest.remove_prefix(std::min(label.size() + 1, rest.size()));
    }
    message += '\0';
    put16(message, static_cast<uint16_t>(question.type));
    put16(message, class_in);
    return message;
}

std::optional<DnsReply> read_reply(std::string_view message, const DnsQuestion& question) {
    if (message.size() < header_size) return std::nullopt;
    Reader reader(message);
    const uint16_t id = reader.number16();
    const uint16_t flags = reader.number16();
    const uint16_t questions = reader.number16();
    const uint16_t answers = reader.number16();
    reader.skip(4);
    if (id != question.id || (flags & flag_reply) == 0 || questions != 1) return std::nullopt;
    const std::string name = reader.name();
    const uint16_t type = reader.number16();
    const uint16_t question_class = reader.number16();
    if (reader.bad() || !same_no_case(name, question.name) || question_class != class_in ||
        type != static_cast<uint16_t>(question.type)) {
        return std::nullopt;
    }
    const uint16_t rcode = flags & rcode_mask;
    if (rcode == rcode_no_such_name) return DnsReply{};
    if (rcode != rcode_no_error) return DnsReply{.failed = true, .names = {}, .canonical = {}};
    Answers found(question);
    for (size_t i = 0; i < std::min<size_t>(answers, records_max); ++i) {
        const Record record = read_record(reader);
        if (reader.bad()) break;  // cut: what came before it stands
        found.add(record);
    }
    return found.take();
}

}  // namespace telltale::proxy
