// What the demo tells, chapter by chapter. Each thing it claims is checked against what really
// happened.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "cli/demo/counters.h"
#include "cli/demo/stage.h"
#include "proxy/incident.h"

namespace telltale::cli::demo {

// Incidents as the sidecar wrote them: handed over by its thread, waited for by the story.
class IncidentInbox final {
   public:
    void put(const std::string& text);
    // Returns "" when none came in time.
    [[nodiscard]] std::string take();

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> texts_;
};

class Story final {
   public:
    Story(Stage& stage, IncidentInbox& inbox, proxy::Colour colour);

    // All chapters; the claims that did not hold.
    [[nodiscard]] std::vector<std::string> tell();

   private:
    void introduce() const;
    void healthy_call();
    void misled_call();
    void counters_that_moved();
    void where_to_look() const;

    void heading(const std::string& text) const;
    void claim(const std::string& text, bool holds);
    // Scrapes until the condition holds or patience ends: counters are summed a moment after the
    // bytes have passed.
    [[nodiscard]] Counters scrape_until(
        const std::function<bool(const Counters&)>& condition) const;

    Stage& stage_;
    IncidentInbox& inbox_;
    bool colour_;
    Counters before_;  // the incident
    std::vector<std::string> failed_;
};

}  // namespace telltale::cli::demo
