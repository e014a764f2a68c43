// An incident whose every text is hostile: 1 byte of choices, then texts with their length in one
// byte. The record is one line of valid JSON within its limit.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "proxy/incident.h"
#include "sniff/diagnosis.h"
#include "tests/fuzz/input.h"

namespace telltale::fuzz {

namespace {

using namespace telltale::sniff;

template <typename Enum>
Enum one_of(uint8_t choice, size_t count) {
    return static_cast<Enum>(choice % count);
}

void fill_upstream(Input& input, SideEvidence& side) {
    side.protocol = one_of<Protocol>(input.u8(), protocol_count);
    side.first_bytes = input.text(input.u8());
    side.greeting = input.text(input.u8());
    Http1Response answer;
    answer.version = "HTTP/1.1";
    answer.status = input.u16() % 600;
    answer.server = input.text(input.u8());
    answer.via = input.text(input.u8());
    answer.content_type = input.text(input.u8());
    answer.location = input.text(input.u8());
    answer.body = input.text(input.u16());
    answer.headers.emplace_back(input.text(input.u8()), input.text(input.u8()));
    side.http1_response = answer;
    side.first_headers = Http2Headers{};
    side.first_headers->grpc_message = input.text(input.u8());
    side.first_headers->telltale_hop = input.text(input.u8());
    side.first_headers->telltale_cause = cause_names[input.u8() % cause_count];
    side.tls_hello = TlsHello{};
    side.tls_hello->alpn = {input.text(input.u8())};
    side.bytes = input.u16();
}

Evidence read_evidence(Input& input, uint8_t choices) {
    Evidence evidence;
    evidence.expect = one_of<Expect>(choices, 3);
    evidence.verdict = one_of<Verdict>(choices >> 2U, 3);
    evidence.outcome = one_of<Outcome>(choices >> 4U, 9);
    evidence.listener = input.text(input.u8());
    evidence.client_address = input.text(input.u8());
    evidence.upstream_address = input.text(input.u8());
    evidence.upstream_port = input.u16();
    evidence.requested = input.text(input.u8());
    evidence.connect_target = input.text(input.u8());
    evidence.resolve_error = input.text(input.u8());
    evidence.client.protocol = one_of<Protocol>(input.u8(), protocol_count);
    evidence.client.http1_request = Http1Request{};
    evidence.client.http1_request->method = input.text(input.u8());
    evidence.client.http1_request->target = input.text(input.u8());
    evidence.client.http1_request->user_agent = input.text(input.u8());
    evidence.client.tls_hello = TlsHello{};
    evidence.client.tls_hello->sni = input.text(input.u8());
    evidence.registry.service = input.text(input.u8());
    evidence.registry.port_role = one_of<PortRole>(input.u8(), 3);
    fill_upstream(input, evidence.upstream);
    evidence.dns_name = input.text(input.u8());
    evidence.client_dns_name = input.text(input.u8());
    evidence.requested_dns_name = input.text(input.u8());
    for (uint8_t ports = input.u8() % 32; ports > 0; --ports) {
        evidence.confirmed.push_back({.port = input.u16(),
                                      .spoken = one_of<Spoken>(input.u8(), spoken_names.size()),
                                      .metrics = (choices & 1U) != 0});
    }
    return evidence;
}

void check_record(const std::string& record) {
    require(record.size() <= proxy::record_bytes_max, "a record is bounded");
    require(record.find('\n') == std::string::npos, "a record is one line");
    boost::system::error_code error;
    const auto value = boost::json::parse(record, error);
    require(!error && value.is_object(), "a record is JSON");
}

}  // namespace

}  // namespace telltale::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace telltale;
    fuzz::Input input({data, size});
    const uint8_t choices = input.u8();
    proxy::Incident incident;
    incident.id = "1-0-1";
    incident.evidence = fuzz::read_evidence(input, choices);
    incident.diagnosis = sniff::diagnose(incident.evidence);
    incident.runbook = "docs/runbook.md";
    fuzz::check_record(proxy::to_json(incident));
    fuzz::check_record(proxy::to_json(incident, {.count = 3, .first = {}, .last = {}}));
    const std::string text = proxy::to_text(incident, proxy::Colour::off);
    fuzz::require(text.find('\x1b') == std::string::npos, "a terminal is never told what to do");
    return 0;
}
