#include "bench/load/ending.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace telltale::bench::load {

Descriptor ending_signals() {
    sigset_t ending{};
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);
    Descriptor made{signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!made.open()) throw_errno("can't wait for signals");
    return made;
}

bool Ending::came_within(std::chrono::milliseconds time) {
    std::array<pollfd, 2> watched{pollfd{STDIN_FILENO, POLLIN, 0},
                                  pollfd{signals_.number(), POLLIN, 0}};
    if (came_ || poll(watched.data(), watched.size(), static_cast<int>(time.count())) <= 0)
        return came_;
    if (watched[1].revents != 0) came_ = true;
    if (watched[0].revents != 0) {
        std::array<char, 256> unused{};
        if (read(STDIN_FILENO, unused.data(), unused.size()) <= 0) came_ = true;
    }
    return came_;
}

void Ending::wait() {
    while (!came_within(std::chrono::hours{1})) {
    }
}

bool wait_for_line() {
    // Byte by byte: what follows the line is not for this function.
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) == 1)
        if (byte == '\n') return true;
    return false;
}

}  // namespace telltale::bench::load
