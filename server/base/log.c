/* See log.h. Lines go to one descriptor by one write each, so that processes may share a file. */
#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static struct {
    char name[32];
    enum log_level least;
    int fd; /* -1: standard, below */
    int standard;
    char *path;
    size_t limit_bytes, written_bytes;
    void (*sink)(enum log_level level, const char *line, void *arg);
    void *sink_arg;
    pthread_mutex_t lock; /* the file and its rotation; the other fields are set at start */
} out = {.least = LOG_INFO, .fd = -1, .standard = STDERR_FILENO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"debug", "info", "notice", "warning", "error"};

void log_set_name(const char *name) {
    snprintf(out.name, sizeof out.name, "%s", name);
}

void log_set_level(enum log_level least) {
    __atomic_store_n(&out.least, least, __ATOMIC_RELAXED); /* other threads read it meanwhile */
}

enum log_level log_get_level(void) {
    return __atomic_load_n(&out.least, __ATOMIC_RELAXED);
}

void log_set_sink(void (*sink)(enum log_level level, const char *line, void *arg), void *arg) {
    out.sink = sink;
    out.sink_arg = arg;
}

void log_to_stdout(void) {
    out.standard = STDOUT_FILENO;
}

static int open_log(const char *path, size_t *size) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;
    *size = fd >= 0 && fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
    return fd;
}

bool log_to_file(const char *path, size_t limit_bytes) {
    size_t size;
    int fd = open_log(path, &size);
    if (fd < 0) return false;
    pthread_mutex_lock(&out.lock);
    if (out.fd >= 0) close(out.fd);
    free(out.path);
    out.path = strdup(path);
    out.fd = fd;
    out.limit_bytes = limit_bytes;
    out.written_bytes = size;
    pthread_mutex_unlock(&out.lock);
    return true;
}

/* Keeps the log bounded: the full file becomes PATH.1. When that fails, writing goes on as it is.
 */
static void rotate(void) {
    char old[4096];
    size_t size;
    if (!out.path || (size_t)snprintf(old, sizeof old, "%s.1", out.path) >= sizeof old) return;
    if (rename(out.path, old) != 0) return;
    int fd = open_log(out.path, &size);
    if (fd < 0) return;
    close(out.fd);
    out.fd = fd;
    out.written_bytes = size;
}

static void write_line(const char *line, size_t n) {
    pthread_mutex_lock(&out.lock);
    if (out.fd >= 0 && out.limit_bytes && out.written_bytes + n > out.limit_bytes) rotate();
    ssize_t done = write(out.fd >= 0 ? out.fd : out.standard, line, n);
    if (done > 0) out.written_bytes += (size_t)done;
    pthread_mutex_unlock(&out.lock);
}

void log_vline(enum log_level level, const char *fmt, va_list ap) {
    if (level < log_get_level()) return;
    int saved_errno = errno;
    char line[LINE_BYTES];
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s: ", ts.tv_nsec / 1000000,
                          out.name[0] ? out.name : "duet", level_names[level]);
    size_t room = sizeof line - n - 1;
    errno = saved_errno; /* for %m */
    int m = vsnprintf(line + n, room, fmt, ap);
    if (m > 0) n += (size_t)m < room ? (size_t)m : room - 1;
    if (out.sink) out.sink(level, line, out.sink_arg);
    line[n] = '\n';
    write_line(line, n + 1);
    errno = saved_errno;
}

void log_line(enum log_level level, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    log_vline(level, fmt, ap);
    va_end(ap);
}

void log_last_words(const char *text) {
    ssize_t ignored = write(out.fd >= 0 ? out.fd : out.standard, text, strlen(text));
    (void)ignored;
}

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_error("bug at %s:%d: %s", file, line, text);
    abort();
}
