#include "proxy/hops/source.h"

#include <utility>

#include "proxy/admin_client.h"

namespace telltale::proxy::hops {

std::vector<Fetched> fetch(const std::vector<config::Address>& addresses,
                           std::chrono::milliseconds patience) {
    const AdminQuestion question{
        .target = "/incidents", .accept = "application/json", .body_bytes_max = source_bytes_max};
    std::vector<Fetched> out;
    for (AdminAnswer& answer : ask_admin(addresses, question, patience)) {
        Fetched& fetched = out.emplace_back();
        if (answer.status == 200) {
            fetched = {.ok = true, .body = std::move(answer.body), .problem = {}};
        } else if (answer.status == 0) {
            fetched.problem = std::move(answer.problem);
        } else {
            fetched.problem = "answered " + std::to_string(answer.status) +
                              " to GET /incidents: is it the admin address of a Telltale?";
        }
    }
    return out;
}

bool is_bad_input(const Reading& reading) noexcept {
    return !reading.blank && reading.objects == 0;
}

SourceReport report_on(std::string name, const Reading& reading) {
    SourceReport report{.name = std::move(name),
                        .was_read = !is_bad_input(reading),
                        .incidents = reading.sightings.size(),
                        .problem = {}};
    std::string& problem = report.problem;
    const auto add = [&problem](const std::string& text) {
        problem += (problem.empty() ? "" : "; ") + text;
    };
    if (is_bad_input(reading)) {
        add("no JSON in it: it needs what /incidents answers, or a log with log.format json");
    }
    if (reading.unreadable != 0) {
        add(std::to_string(reading.unreadable) +
            (reading.unreadable == 1 ? " record is" : " records are") +
            " broken and left out, the first in line " + std::to_string(reading.first_bad_line));
    }
    if (reading.wrong_fields != 0) {
        add(std::to_string(reading.wrong_fields) +
            (reading.wrong_fields == 1 ? " field has" : " fields have") +
            " another type than records have, and counts as missing");
    }
    if (reading.passed_over != 0) {
        add(std::to_string(reading.passed_over) + " older records were passed over");
    }
    return report;
}

}  // namespace telltale::proxy::hops
