#include "proxy/incident_sink.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

using std::chrono::seconds;

Incident incident_of(const std::string& upstream) {
    Incident incident = example_incident();
    incident.evidence.upstream_address = upstream;
    return incident;
}

config::Config json_config(uint32_t queue = 1024, uint32_t kept = 200) {
    config::Config config;
    config.log.format = config::LogFormat::json;
    config.limits.incident_queue = queue;
    config.limits.incidents_kept = kept;
    return config;
}

// A writer that keeps what it is given, and waits in the middle of a line while the gate is shut.
class Log final {
   public:
    std::function<void(const std::string&)> writer() {
        return [this](const std::string& line) {
            std::unique_lock lock(mutex_);
            ++entered_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return open_; });
            lines_.push_back(line);
            changed_.notify_all();
        };
    }
    void shut() { set(false); }
    void open() { set(true); }
    void wait_until_inside() {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, seconds(10), [this] { return entered_ > 0; }));
    }
    void wait_for_lines(size_t count) {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, seconds(10), [&] { return lines_.size() >= count; }));
    }
    std::vector<std::string> lines() {
        const std::lock_guard lock(mutex_);
        return lines_;
    }

   private:
    void set(bool open) {
        const std::lock_guard lock(mutex_);
        open_ = open;
        changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
    size_t entered_ = 0;
    bool open_ = true;
};

std::vector<IncidentSink::Entry> list_of(IncidentSink& sink) {
    std::promise<std::vector<IncidentSink::Entry>> promise;
    sink.list(
        [&](std::vector<IncidentSink::Entry> entries) { promise.set_value(std::move(entries)); });
    return promise.get_future().get();
}

TEST(IncidentSink, writes_a_record_without_being_stopped) {
    Log log;
    IncidentSink sink(json_config(), log.writer());
    EXPECT_TRUE(sink.push(incident_of("a:1")));
    log.wait_for_lines(1);
    EXPECT_EQ(log.lines()[0], to_json(incident_of("a:1")));
}

TEST(IncidentSink, writes_the_first_in_full_and_the_repeats_as_one_summary_at_the_end) {
    Log log;
    IncidentSink sink(json_config(), log.writer());
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(sink.push(incident_of("a:1")));
    sink.stop(seconds(10));
    const auto lines = log.lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(boost::json::parse(lines[0]).at("event"), "incident");
    EXPECT_EQ(boost::json::parse(lines[1]).at("event"), "incident_repeated");
    EXPECT_EQ(boost::json::parse(lines[1]).at("count"), 9);
    EXPECT_EQ(sink.dropped(), 0U);
}

TEST(IncidentSink, counts_what_it_gets_by_minute_and_cause) {
    Log log;
    IncidentSink sink(json_config(), log.writer());
    std::vector<IncidentRun> runs;
    runs.push_back({.newest = incident_of("a:1"), .count = 40});
    EXPECT_TRUE(sink.push(std::move(runs)));
    EXPECT_TRUE(sink.push(incident_of("b:1")));
    std::promise<IncidentHistory> promise;
    sink.history([&](IncidentHistory history) { promise.set_value(std::move(history)); });
    const IncidentHistory history = promise.get_future().get();
    ASSERT_EQ(history.minutes().size(), 1U);
    const Incident one = incident_of("a:1");
    EXPECT_EQ(history.minutes()[0].at, std::chrono::floor<std::chrono::minutes>(one.at));
    EXPECT_EQ(history.minutes()[0].counts[static_cast<size_t>(one.diagnosis.cause)], 41U);
}

TEST(IncidentSink, never_blocks_a_worker_and_counts_what_it_drops) {
    Log log;
    log.shut();
    IncidentSink sink(json_config(/*queue=*/8), log.writer());
    EXPECT_TRUE(sink.push(incident_of("first:1")));
    log.wait_until_inside();  // the sink's thread now hangs in the writer
    int taken = 0;
    for (int i = 0; i < 100; ++i) taken += sink.push(incident_of(std::to_string(i))) ? 1 : 0;
    EXPECT_EQ(taken, 8);
    EXPECT_EQ(sink.dropped(), 92U);
    log.open();
    sink.stop(seconds(10));
    EXPECT_EQ(log.lines().size(), 9U);
    EXPECT_FALSE(sink.push(incident_of("late:1")));
    EXPECT_EQ(sink.dropped(), 93U);
}

TEST(IncidentSink, gives_up_on_a_writer_that_hangs) {
    const auto log = std::make_shared<Log>();  // outlives this test's end in the abandoned thread
    log->shut();
    {
        IncidentSink sink(json_config(),
                          [log, write = log->writer()](const std::string& line) { write(line); });
        EXPECT_TRUE(sink.push(incident_of("a:1")));
        log->wait_until_inside();
        EXPECT_TRUE(sink.push(incident_of("b:1")));
        sink.stop(std::chrono::milliseconds(1));
        EXPECT_EQ(sink.dropped(), 1U) << "b was queued behind the hanging line";
    }
    log->open();
    log->wait_for_lines(1);
}

TEST(IncidentSink, survives_a_writer_that_throws) {
    Log log;
    bool first = true;
    IncidentSink sink(json_config(), [&, write = log.writer()](const std::string& line) {
        if (std::exchange(first, false)) throw std::runtime_error("disk full");
        write(line);
    });
    EXPECT_TRUE(sink.push(incident_of("a:1")));
    EXPECT_TRUE(sink.push(incident_of("b:1")));
    sink.stop(seconds(10));
    EXPECT_EQ(log.lines().size(), 1U);
    EXPECT_EQ(sink.dropped(), 1U);
}

TEST(IncidentSink, lists_groups_newest_first_up_to_the_number_kept) {
    Log log;
    IncidentSink sink(json_config(1024, /*kept=*/2), log.writer());
    for (const char* upstream : {"a", "b", "c", "b"}) EXPECT_TRUE(sink.push(incident_of(upstream)));
    const auto entries = list_of(sink);
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].incident.evidence.upstream_address, "b");
    EXPECT_EQ(entries[0].count, 2U);
    EXPECT_EQ(entries[1].incident.evidence.upstream_address, "c");
}

TEST(IncidentSink, remembers_sixteen_groups_even_when_few_are_shown) {
    Log log;
    IncidentSink sink(json_config(1024, /*kept=*/1), log.writer());
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 16; ++i) EXPECT_TRUE(sink.push(incident_of(std::to_string(i))));
    }
    EXPECT_EQ(list_of(sink).size(), 1U);
    EXPECT_EQ(log.lines().size(), 16U) << "the second round is only counted";
}

TEST(IncidentSink, writes_text_when_asked) {
    Log log;
    config::Config config = json_config();
    config.log.format = config::LogFormat::plain;
    IncidentSink sink(config, log.writer());
    EXPECT_TRUE(sink.push(example_incident()));
    sink.stop(seconds(10));
    ASSERT_EQ(log.lines().size(), 1U);
    EXPECT_NE(log.lines()[0].find("metrics_port"), std::string::npos);
    EXPECT_NE(log.lines()[0].find("\n  fix: "), std::string::npos);
    EXPECT_NE(log.lines()[0].back(), '\n') << "the writer ends the line";
}

// ---- stdout

TEST(StdoutWriter, writes_a_line_as_it_is) {
    const std::string line = R"({"a":"{} %v \\r\\n","b":[1,2]})";
    testing::internal::CaptureStdout();
    stdout_writer()(line);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), line + "\n");
}

int write_into_a_closed_pipe() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0 || ::dup2(ends[1], STDOUT_FILENO) < 0) return 2;
    ::close(ends[0]);
    ::close(ends[1]);
    IncidentSink sink(json_config(), stdout_writer());
    for (int i = 0; i < 50; ++i) (void)sink.push(incident_of(std::to_string(i)));
    sink.stop(seconds(10));
    return 0;
}

TEST(StdoutWriter, survives_a_closed_stdout) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(std::_Exit(write_into_a_closed_pipe()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace telltale::proxy
