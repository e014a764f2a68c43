#include "proxy/reload.h"

#include <gtest/gtest.h>

namespace telltale::proxy {
namespace {

config::Config present() {
    config::Config config;
    for (const char* name : {"a", "b"}) {
        config::Listener listener;
        listener.name = name;
        config.listeners.push_back(listener);
    }
    return config;
}

TEST(Reload, names_the_keys_that_a_running_process_can_not_change) {
    config::Config next = present();
    EXPECT_TRUE(needs_restart(present(), next).empty());
    next.workers = 7;
    next.admin.port = 1;
    next.handover.unix_path = "/run/x";
    next.limits.incident_queue = 1;
    next.limits.incidents_kept = 1;
    next.log.format = config::LogFormat::json;
    EXPECT_EQ(
        needs_restart(present(), next),
        (std::vector<std::string>{"workers", "admin.listen", "handover", "limits.incident_queue",
                                  "limits.incidents_kept", "log.format"}));
    next = present();
    next.admin_enabled = false;
    EXPECT_EQ(needs_restart(present(), next), std::vector<std::string>{"admin.listen"});
}

TEST(Reload, what_takes_effect_at_once_needs_no_restart) {
    config::Config next = present();
    next.listeners[0].on_mismatch = config::Policy::answer;
    next.timeouts.connect = std::chrono::milliseconds(1);
    next.limits.connections = 5;
    next.log.level = config::LogLevel::debug;
    EXPECT_TRUE(needs_restart(present(), next).empty());
}

TEST(Reload, tells_in_one_line_what_has_changed) {
    EXPECT_EQ(describe_changes(present(), present()), "nothing changed");
    config::Config next = present();
    next.listeners[0].name = "c";
    next.listeners[1].expect = sniff::Expect::grpc;
    next.timeouts.connect = std::chrono::milliseconds(1);
    EXPECT_EQ(describe_changes(present(), next),
              "listeners added: c; listeners removed: a; listeners changed: b; other settings "
              "changed");
}

}  // namespace
}  // namespace telltale::proxy
