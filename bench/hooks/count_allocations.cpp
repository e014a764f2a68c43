// Counts the calls that take or return heap memory, for a program started with LD_PRELOAD: two
// uint64 in the file named by TELLTALE_ALLOCATIONS, shared memory, so that a test can read them
// while the program runs and without disturbing it. Never allocates, never locks.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// glibc's own entry points: calling them needs no dlsym(), which allocates before it answers.
extern "C" {
void* __libc_malloc(size_t size) noexcept;
void* __libc_calloc(size_t count, size_t size) noexcept;
void* __libc_realloc(void* old, size_t size) noexcept;
void* __libc_memalign(size_t alignment, size_t size) noexcept;
void __libc_free(void* memory) noexcept;
}

namespace {

struct Counters {
    uint64_t allocations = 0;
    uint64_t frees = 0;
};

// Until the file is mapped, and when there is none: libraries allocate before our constructor runs.
constinit Counters unshared;
constinit std::atomic<Counters*> counters{&unshared};

void count_allocation() noexcept {
    std::atomic_ref(counters.load(std::memory_order_relaxed)->allocations)
        .fetch_add(1, std::memory_order_relaxed);
}

void count_free() noexcept {
    std::atomic_ref(counters.load(std::memory_order_relaxed)->frees)
        .fetch_add(1, std::memory_order_relaxed);
}

[[gnu::constructor]] void share_counters() noexcept {
    const char* path = std::getenv("TELLTALE_ALLOCATIONS");
    if (path == nullptr) return;
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    void* shared = MAP_FAILED;
    if (ftruncate(file, sizeof(Counters)) == 0) {
        shared = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    close(file);
    if (shared != MAP_FAILED) counters = static_cast<Counters*>(shared);
}

}  // namespace

extern "C" {

void* malloc(size_t size) noexcept {
    count_allocation();
    return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
    count_allocation();
    return __libc_calloc(count, size);
}

// realloc(p, 0) is a free in glibc; any other may move, and counts as an allocation.
void* realloc(void* old, size_t size) noexcept {
    if (old != nullptr && size == 0) {
        count_free();
    } else {
        count_allocation();
    }
    return __libc_realloc(old, size);
}

void* memalign(size_t alignment, size_t size) noexcept {
    count_allocation();
    return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) noexcept {
    count_allocation();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) noexcept {
    if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    count_allocation();
    void* made = __libc_memalign(alignment, size);
    if (made == nullptr) return ENOMEM;
    *memory = made;
    return 0;
}

void free(void* memory) noexcept {
    if (memory != nullptr) count_free();
    __libc_free(memory);
}
}
