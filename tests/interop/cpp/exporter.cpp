// A metrics endpoint made with prometheus-cpp, as C++ services have one. Usage: exporter ADDRESS
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <csignal>
#include <cstdio>
#include <memory>

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: exporter ADDRESS\n");
        return 64;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);  // before the exposer starts its threads
    prometheus::Exposer exposer(arguments[1]);
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildGauge()
        .Name("up")
        .Help("Whether this runs.")
        .Register(*registry)
        .Add({})
        .Set(1);
    exposer.RegisterCollectable(registry);
    int got = 0;
    sigwait(&ends, &got);
}
