#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/config/loading.h"

namespace telltale::config {
namespace {

using std::chrono::milliseconds;

// TELLTALE_SEED replays a run.
uint64_t seed() {
    const char* const given = std::getenv("TELLTALE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

class Generator final {
   public:
    explicit Generator(uint64_t from) : random_(from) {}

    uint64_t number(uint64_t min, uint64_t max) {
        return std::uniform_int_distribution<uint64_t>(min, max)(random_);
    }
    bool coin() { return number(0, 1) == 1; }
    template <typename V>
    V pick(const std::vector<V>& from) {
        return from[number(0, from.size() - 1)];
    }
    template <typename E>
    E choice(uint64_t count) {
        return static_cast<E>(number(0, count - 1));
    }
    milliseconds duration(int64_t min, int64_t max) {
        const auto any = static_cast<int64_t>(number(0, static_cast<uint64_t>(max - min))) + min;
        const int64_t unit = pick<int64_t>({1, 1000, 60'000, 3'600'000});
        return milliseconds(any / unit * unit >= min ? any / unit * unit : any);
    }
    // Printable text with everything that YAML and references take for more than text.
    std::string text(size_t max) {
        const std::vector<std::string> parts = {"a",  "${X}", "$", "{",    "}", ": ", " #", "'",
                                                "\"", "\\",   "-", "null", "~", ",",  "[",  "&",
                                                "*",  "!",    "|", ">",    "%", "@",  "`",  " "};
        std::string out;
        for (uint64_t i = number(0, 8); i > 0; --i) out += pick(parts);
        return out.substr(0, max);
    }

    Config config() {
        Config config;
        config.node = {.name = text(253), .namespace_ = text(253)};
        config.admin_enabled = coin();
        if (config.admin_enabled) config.admin = address(30'000);
        config.workers = static_cast<uint32_t>(number(0, 256));
        const uint64_t listeners = number(1, 4);
        for (uint64_t i = 0; i < listeners; ++i) config.listeners.push_back(listener(i));
        if (coin()) config.handover = {.host = "", .port = 0, .unix_path = "/run/${B} #next"};
        config.answer = {.show_addresses = coin(), .linger = duration(0, 60'000)};
        config.reroute = {.attempts = static_cast<uint32_t>(number(0, 8)),
                          .eject_s = static_cast<uint32_t>(number(0, 86'400)),
                          .correct_port = coin()};
        const uint64_t services = number(0, 4);
        for (uint64_t i = 0; i < services; ++i) config.services.push_back(service(i));
        config.names = {.dns = coin(),
                        .timeout = duration(10, 5'000),
                        .per_second = static_cast<uint32_t>(number(1, 1000))};
        config.confirm = {.enabled = coin(),
                          .ports = std::vector<uint16_t>(number(0, 16), 10'260),
                          .timeout = duration(100, 10'000),
                          .again_after = duration(1000, 80'000'000),
                          .per_minute = static_cast<uint32_t>(number(1, 6000))};
        config.timeouts = {.connect = duration(1, 600'000),
                           .idle = duration(0, 1'000'000'000),
                           .half_closed = duration(1, 1'000'000'000),
                           .drain = duration(0, 80'000'000),
                           .drain_delay = duration(0, 3'600'000)};
        config.sniff = {.window_bytes = static_cast<uint32_t>(number(512, 1'048'576)),
                        .preface_hold = duration(0, 10'000),
                        .settle = duration(0, 10'000),
                        .silent_after = duration(1, 3'600'000)};
        config.limits = {.connections = static_cast<uint32_t>(number(0, 1'000'000)),
                         .connections_per_client = static_cast<uint32_t>(number(0, 1'000'000)),
                         .accept_rate = static_cast<uint32_t>(number(0, 1'000'000)),
                         .incident_queue = static_cast<uint32_t>(number(1, 1'000'000)),
                         .incidents_kept = static_cast<uint32_t>(number(0, 10'000)),
                         .buffered_bytes = number(1U << 20U, uint64_t{1} << 40U),
                         .first_flight_bytes = static_cast<uint32_t>(number(4096, 262'144))};
        config.log = {.format = choice<LogFormat>(3), .level = choice<LogLevel>(4)};
        config.runbook_url = pick<std::string>({"http://x", "https://x/${Y}#a?b=c&d"});
        return config;
    }

   private:
    Address address(uint64_t port) {
        return pick<Address>(
            {{.host = "", .port = static_cast<uint16_t>(port)},
             {.host = "10.0.0.1", .port = static_cast<uint16_t>(port)},
             {.host = "fe80::1%eth0", .port = static_cast<uint16_t>(port)},
             {.host = "", .port = 0, .unix_path = "/run/" + std::to_string(port)},
             {.host = "", .port = 0, .unix_path = "@${A} #" + std::to_string(port)}});
    }
    Upstream upstream() {
        std::vector<Address> all = {{.host = "name.svc", .port = 50000},
                                    {.host = "::1", .port = 50001},
                                    {.host = "", .port = 0, .unix_path = "@up"}};
        std::shuffle(all.begin(), all.end(), random_);
        all.resize(number(1, all.size()));
        return {.addresses = all,
                .balance = choice<Balance>(balance_names.size()),
                .resolve = duration(1000, 80'000'000),
                .check = duration(0, 3'600'000)};
    }
    Listener listener(uint64_t index) {
        return {.name = pick<std::string>({"a.", "B-", "1_"}) + std::to_string(index),
                .listen = address(index + 1),
                .direction = choice<sniff::Direction>(2),
                .expect = choice<sniff::Expect>(3),
                .upstream = upstream(),
                .on_mismatch = choice<Policy>(policy_names.size())};
    }
    Service service(uint64_t index) {
        Service service;
        service.name = "service" + std::to_string(index);
        service.grpc = static_cast<uint16_t>(number(0, 30'000));
        service.metrics = static_cast<uint16_t>(number(0, 1) * number(30'001, 65'535));
        if (coin()) service.addresses = {"10.0.0.1", "::1", "fe80::1%eth0"};
        service.source = pick<std::string>({"configuration", "openim data set", text(80)});
        return service;
    }

    std::mt19937_64 random_;
};

TEST(ToYaml, of_any_configuration_loads_as_the_same_configuration) {
    const uint64_t first = seed();
    for (uint64_t i = 0; i < 300; ++i) {
        SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(first + i));
        const Config config = Generator(first + i).config();
        const std::string yaml = to_yaml(config);
        // Variables of the reader must not leak into a configuration that is written out.
        const Variables other = {{"POD_NAME", "other"}, {"X", "other"}, {"A", "other"}};
        ASSERT_EQ(loaded(load_text(yaml, other)), config) << yaml;
    }
}

TEST(ToYaml, writes_several_addresses_as_a_list) {
    const std::string yaml = to_yaml(loaded(load_text(
        "listeners: [{name: a, listen: ':1', upstream: {addresses: ['b:1', 'unix:@c']}}]\n")));
    EXPECT_NE(yaml.find("    upstream:\n"
                        "      addresses:\n"
                        "        - \"b:1\"\n"
                        "        - \"unix:@c\"\n"
                        "      balance: round_robin\n"),
              std::string::npos)
        << yaml;
}

TEST(ToYaml, says_everything_so_that_nothing_is_left_to_defaults) {
    const std::string yaml =
        to_yaml(loaded(load_text(minimal + "registry: {include: [openim]}\n")));
    EXPECT_NE(yaml.find("  - name: group-rpc\n"
                        "    listen: \"0.0.0.0:15260\"\n"
                        "    direction: inbound\n"
                        "    expect: grpc\n"
                        "    upstream:\n"
                        "      address: \"127.0.0.1:10260\"\n"
                        "      balance: round_robin\n"
                        "      resolve: 5s\n"
                        "      check: 0\n"
                        "    on_mismatch: observe\n"),
              std::string::npos)
        << yaml;
    EXPECT_NE(yaml.find("    - name: group-rpc-service\n"
                        "      grpc: 10260\n"
                        "      metrics: 12260\n"
                        "      addresses: []\n"
                        "      source: \"openim data set\"\n"),
              std::string::npos)
        << yaml;
    EXPECT_NE(yaml.find("timeouts:\n"
                        "  connect: 5s\n"
                        "  idle: 0\n"
                        "  half_closed: 15m\n"),
              std::string::npos)
        << yaml;
}

}  // namespace
}  // namespace telltale::config
