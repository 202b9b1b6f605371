/* The wall clock of build/tests/pair/duet-clock, for tests: the product, linked with --wrap, whose CLOCK_REALTIME is off by what
 * the file named in DUET_TEST_CLOCK holds now: nanoseconds, 8 bytes, native order. Other clocks are as they are. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
time_t __wrap_time(time_t *out);
int __wrap_gettimeofday(struct timeval *t, void *zone);

static int64_t shift_ns(void) {
    static volatile const int64_t *page;
    if (page) return *page;
    const char *path = getenv("DUET_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED) return 0;
    page = p;
    return *page;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t) {
    int failed = __real_clock_gettime(id, t);
    if (failed || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
    int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + shift_ns();
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return 0;
}

time_t __wrap_time(time_t *out) {
    struct timespec t;
    __wrap_clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}

int __wrap_gettimeofday(struct timeval *tv, void *zone) {
    struct timespec t;
    (void)zone;
    __wrap_clock_gettime(CLOCK_REALTIME, &t);
    *tv = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}
