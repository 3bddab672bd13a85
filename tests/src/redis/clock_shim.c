// The wall clock, shifted by the milliseconds that the first eight bytes of a file say. See clock.rs.
//
// No call in here allocates or takes a lock: it may run inside an allocator that is being set up.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long long *shift;

__attribute__((constructor)) static void map_shift(void) {
    const char *path = getenv("INTERMISSION_CLOCK_SHIFT");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort(); // A clock that cannot be set would make a test pass that tests nothing.
    close(file);
    shift = page;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long result = syscall(SYS_clock_gettime, clock, at);
    if (result != 0 || shift == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return (int)result;
    long long millis = __atomic_load_n(shift, __ATOMIC_RELAXED);
    long long nanos = at->tv_nsec + millis % 1000 * 1000000;
    at->tv_sec += millis / 1000 + (nanos >= 1000000000) - (nanos < 0);
    at->tv_nsec = (nanos + 1000000000) % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (result == 0) *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (at != NULL) *at = now.tv_sec;
    return now.tv_sec;
}
