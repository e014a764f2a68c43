#include "proxy/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace telltale::proxy {

namespace {

constexpr size_t events_max = 256;

epoll_event event_for(Watcher* watcher, uint32_t events) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.ptr = watcher;
    return event;
}

constexpr uint32_t edge_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

Reactor::Reactor()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event event = event_for(nullptr, EPOLLIN);
    if (!epoll_.is_open() || !wake_.is_open() ||
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll");
    }
}

ErrorCode Reactor::watch(int fd, Watcher& watcher, Trigger trigger) noexcept {
    epoll_event event = event_for(&watcher, trigger == Trigger::edge ? edge_events : EPOLLIN);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return {errno, boost::system::system_category()};
}

void Reactor::tell_again(int fd, Watcher& watcher) noexcept {
    epoll_event event = event_for(&watcher, edge_events);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Reactor::forget(int fd) noexcept {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Reactor::turn() {
    std::array<epoll_event, events_max> events;
    // Without a timeout: the kernel would set and cancel a timer for every message, which on a
    // virtual machine leaves it twice.
    const int count = ::epoll_wait(epoll_.get(), events.data(), events_max, -1);
    bool woken = false;
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<size_t>(i)];
        if (event.data.ptr == nullptr) {
            woken = true;
        } else {
            static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
        }
    }
    if (woken) run_tasks();
}

void Reactor::run_tasks() {
    uint64_t ignored = 0;
    // Before the tasks are taken: whoever posts later wakes the loop again.
    static_cast<void>(::read(wake_.get(), &ignored, sizeof ignored));
    std::vector<Task> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (Task& task : tasks) task();
    const std::lock_guard lock(mutex_);
    stopped_ = stopping_ && tasks_.empty();
}

void Reactor::post(Task task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    const uint64_t one = 1;
    // Fails only when the counter is full, and then the loop is awake.
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
}

void Reactor::stop() {
    post([this] {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    });
}

}  // namespace telltale::proxy
