/* Loads a RESP server and says what it saw, as one line of JSON.
 *
 * Closed loop (the default): every connection sends --pipeline requests, waits for all their replies,
 * sends the next. Open loop (--rate): requests are sent when their time has come, whatever is still
 * unanswered, and latency counts from the time at which a request was due: a server that stalls is charged
 * with the wait of everyone who would have come meanwhile. `late_us` is how late this program itself was at worst.
 *
 * Each connection sends one request before the clock starts, so that connecting is not measured. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/replies.h"
#include "tests/bench/template.h"

enum { IN_BYTES = 256 * 1024, PATTERNS_MAX = 8, EVENTS = 512, DUE_MAX = 1 << 15 };
enum { SPIN_BELOW_NS = 20000 }; /* a shorter sleep would only be late */

/* Counts of latencies: 64 steps an octave, so a figure is 1.6 % too high at most. */
enum { STEP_BITS = 6, STEPS = 1 << STEP_BITS, BUCKETS = STEPS * (48 - STEP_BITS) };

struct conn {
    int fd;
    bool wants_out;
    uint32_t unanswered;
    struct replies replies;
    char *out; /* what is to be sent: out[sent..filled) */
    size_t out_max, sent, filled;
    uint64_t *due; /* open loop: when each unanswered request was due, a ring of DUE_MAX */
    uint32_t due_first;
    uint64_t sent_ns; /* closed loop: when the batch was sent */
};

static struct {
    int port, pid, conns, pipeline;
    uint64_t requests, max_ms, range, seed, first, rate;
} opt = {.conns = 50, .pipeline = 1, .requests = 100000, .max_ms = 60000, .range = 1, .seed = 1};

static struct pattern *patterns[PATTERNS_MAX];
static int pattern_count;
static int poller;
static uint64_t rng, rendered, answered, errors, buckets[BUCKETS], worst_ns, late_ns, start_ns;
static bool warming, stopping;
static char first_error[128];
static size_t request_max;

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "no");
    exit(1);
}

static uint64_t now_ns(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- latencies ---- */

static int bucket_of(uint64_t ns) {
    if (ns < STEPS) return (int)ns;
    int octave = 63 - __builtin_clzll(ns) - STEP_BITS;
    int at = STEPS * (octave + 1) + (int)((ns >> octave) & (STEPS - 1));
    return at < BUCKETS ? at : BUCKETS - 1;
}

static uint64_t bucket_top_ns(int at) {
    if (at < STEPS) return (uint64_t)at;
    int octave = at / STEPS - 1;
    return ((uint64_t)(STEPS + at % STEPS + 1) << octave) - 1;
}

static void count_latency(uint64_t ns, uint64_t times) {
    buckets[bucket_of(ns)] += times;
    if (ns > worst_ns) worst_ns = ns;
}

static double percentile_us(double part) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += buckets[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (total && (double)seen >= part * (double)total) {
            uint64_t top = bucket_top_ns(i);
            return (double)(top < worst_ns ? top : worst_ns) / 1e3;
        }
    }
    return 0;
}

/* ---- sending ---- */

static void watch(struct conn *c, bool out) {
    if (c->wants_out == out) return;
    c->wants_out = out;
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl");
}

static void push(struct conn *c) {
    while (c->sent < c->filled) {
        ssize_t n = write(c->fd, c->out + c->sent, c->filled - c->sent);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) die("the server closed a connection");
        c->sent += (size_t)n;
    }
    if (c->sent == c->filled) c->sent = c->filled = 0;
    watch(c, c->filled > 0);
}

static void render(struct conn *c) {
    if (c->filled + request_max > c->out_max) {
        c->out_max = (c->filled + request_max) * 2;
        c->out = realloc(c->out, c->out_max);
        if (!c->out) die("out of memory");
    }
    const struct pattern *p = patterns[rendered % (uint64_t)pattern_count];
    char *end = pattern_render(p, c->out + c->filled, opt.first + rendered, opt.range, &rng);
    c->filled = (size_t)(end - c->out);
    c->unanswered++;
    rendered++;
}

/* Closed loop: the next batch of a connection that has all its replies. */
static void next_batch(struct conn *c) {
    uint64_t left = opt.requests > rendered ? opt.requests - rendered : 0;
    uint64_t count = left < (uint64_t)opt.pipeline ? left : (uint64_t)opt.pipeline;
    if (stopping || !count) return;
    for (uint64_t i = 0; i < count; i++) render(c);
    c->sent_ns = now_ns(CLOCK_MONOTONIC);
    push(c);
}

/* Open loop: sends what is due by `now`; returns when the next one is. */
static uint64_t send_due(struct conn *conns, uint64_t now) {
    while (rendered < opt.requests) {
        uint64_t due = start_ns + rendered * 1000000000u / opt.rate;
        if (due > now) return due;
        struct conn *c = &conns[rendered % (uint64_t)opt.conns];
        if (c->unanswered >= DUE_MAX)
            return now; /* the worst has been seen: it waits for replies */
        c->due[(c->due_first + c->unanswered) % DUE_MAX] = due;
        if (now - due > late_ns) late_ns = now - due;
        render(c);
        push(c);
    }
    return UINT64_MAX;
}

/* ---- replies ---- */

static void take_replies(struct conn *c, const char *buf, size_t bytes) {
    struct replies_seen seen = replies_eat(&c->replies, buf, bytes);
    if (seen.broken || seen.whole > c->unanswered) {
        errno = EPROTO;
        die("the server answered what is no reply");
    }
    c->unanswered -= seen.whole;
    if (seen.errors && !errors) snprintf(first_error, sizeof first_error, "%s", seen.error);
    errors += seen.errors;
    if (warming || !seen.whole) return;
    answered += seen.whole;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    if (!opt.rate) {
        count_latency(now - c->sent_ns, seen.whole);
        if (!c->unanswered) next_batch(c);
        return;
    }
    for (uint32_t i = 0; i < seen.whole; i++) {
        count_latency(now - c->due[c->due_first], 1);
        c->due_first = (c->due_first + 1) % DUE_MAX;
    }
}

static void serve(struct conn *c, uint32_t events) {
    static char in[IN_BYTES];
    if (events & EPOLLOUT) push(c);
    if (!(events & ~(uint32_t)EPOLLOUT)) return;
    ssize_t n = read(c->fd, in, sizeof in);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    take_replies(c, in, (size_t)n);
}

/* Waits up to `wait_ns` for events and serves them. */
static void turn(uint64_t wait_ns) {
    struct epoll_event events[EVENTS];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                            .tv_nsec = (long)(wait_ns % 1000000000u)};
    long n = syscall(SYS_epoll_pwait2, poller, events, EVENTS, &wait, NULL, 0);
    if (n < 0 && errno == ENOSYS) n = epoll_wait(poller, events, EVENTS, (int)(wait_ns / 1000000));
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (long i = 0; i < n; i++) serve(events[i].data.ptr, events[i].events);
}

/* ---- the run ---- */

static void connect_all(struct conn *conns) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)opt.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int yes = 1;
    for (int i = 0; i < opt.conns; i++) {
        struct conn *c = &conns[i];
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) die("cannot connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        if (opt.rate) c->due = malloc(DUE_MAX * sizeof *c->due);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
    }
}

static bool any_unanswered(const struct conn *conns) {
    for (int i = 0; i < opt.conns; i++) {
        if (conns[i].unanswered) return true;
    }
    return false;
}

static void drain(const struct conn *conns, uint64_t until_ns) {
    while (any_unanswered(conns)) {
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        if (now >= until_ns) {
            errno = ETIMEDOUT;
            die("the server did not answer");
        }
        turn(until_ns - now);
    }
}

/* One request on each connection, so that the server has accepted and grown what it keeps for it. */
static void warm_up(struct conn *conns) {
    warming = true;
    for (int i = 0; i < opt.conns; i++) {
        render(&conns[i]);
        push(&conns[i]);
    }
    drain(conns, now_ns(CLOCK_MONOTONIC) + 20 * 1000000000ull);
    warming = false;
    opt.requests += rendered;
}

static void run(struct conn *conns) {
    uint64_t end_ns = start_ns + opt.max_ms * 1000000u;
    for (int i = 0; i < opt.conns && !opt.rate; i++) next_batch(&conns[i]);
    while (!stopping && (rendered < opt.requests || any_unanswered(conns))) {
        uint64_t now = now_ns(CLOCK_MONOTONIC), next = opt.rate ? send_due(conns, now) : end_ns;
        if (now >= end_ns) stopping = true;
        if (next > end_ns) next = end_ns;
        turn(next > now + SPIN_BELOW_NS ? next - now : 0);
    }
    drain(conns, now_ns(CLOCK_MONOTONIC) + 20 * 1000000000ull);
}

static void report(uint64_t ns, uint64_t server_ns) {
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"server_cpu_us\": %.1f, \"errors\": %llu, "
           "\"error\": \"",
           (unsigned long long)answered, (double)ns / 1e9, (double)server_ns / 1e3,
           (unsigned long long)errors);
    for (const char *c = first_error; *c; c++) {
        if (*c >= ' ' && *c != '"' && *c != '\\') putchar(*c);
    }
    printf("\", \"late_us\": %.1f, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}\n",
           (double)late_ns / 1e3, percentile_us(.5), percentile_us(.99), percentile_us(.999),
           (double)worst_ns / 1e3);
}

static void usage(int status) {
    fprintf(
        status ? stderr : stdout,
        "usage: load --port N [--pid N] [--conns N] [--pipeline N] [--requests N] [--max-ms N]\n"
        "            [--rate REQUESTS/S] [--range N] [--first N] [--seed N] -- WORD... [-- "
        "WORD...]...\n"
        "--pid: the server's process, whose CPU time is measured. Several commands take turns.\n"
        "Numbers in words: see tests/bench/template.h.\n");
    exit(status);
}

static void options(int argc, char **argv) {
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},     {"pid", 1, NULL, 'C'},      {"conns", 1, NULL, 'c'},
        {"pipeline", 1, NULL, 'P'}, {"requests", 1, NULL, 'n'}, {"max-ms", 1, NULL, 't'},
        {"rate", 1, NULL, 'q'},     {"range", 1, NULL, 'r'},    {"first", 1, NULL, 'i'},
        {"seed", 1, NULL, 's'},     {"help", 0, NULL, 'h'},     {0}};
    for (int o; (o = getopt_long(argc, argv, "+", names, NULL)) != -1;) {
        uint64_t v = optarg ? strtoull(optarg, NULL, 10) : 0;
        if (o == 'p')
            opt.port = (int)v;
        else if (o == 'C')
            opt.pid = (int)v;
        else if (o == 'c')
            opt.conns = (int)v;
        else if (o == 'P')
            opt.pipeline = (int)v;
        else if (o == 'n')
            opt.requests = v;
        else if (o == 't')
            opt.max_ms = v;
        else if (o == 'q')
            opt.rate = v;
        else if (o == 'r')
            opt.range = v;
        else if (o == 'i')
            opt.first = v;
        else if (o == 's')
            opt.seed = v;
        else
            usage(o == 'h' ? 0 : 2);
    }
    if (!opt.port || opt.conns < 1 || opt.pipeline < 1 || !opt.range) usage(2);
}

static void commands(int argc, char **argv) {
    for (int from = optind; from < argc; from++) {
        int to = from;
        while (to < argc && strcmp(argv[to], "--")) to++;
        if (to == from || pattern_count == PATTERNS_MAX) usage(2);
        struct pattern *p = pattern_make(argv + from, to - from);
        if (pattern_bytes_max(p) > request_max) request_max = pattern_bytes_max(p);
        patterns[pattern_count++] = p;
        from = to;
    }
    if (!pattern_count) usage(2);
}

int main(int argc, char **argv) {
    options(argc, argv);
    commands(argc, argv);
    rng = opt.seed * 0x9E3779B97F4A7C15ull | 1;
    prctl(PR_SET_TIMERSLACK, 1);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct conn *conns = calloc((size_t)opt.conns, sizeof *conns);
    if (poller < 0 || !conns) die("cannot begin");
    connect_all(conns);
    warm_up(conns);
    clockid_t cpu = CLOCK_MONOTONIC;
    if (opt.pid && clock_getcpuclockid(opt.pid, &cpu)) die("cannot read the server's CPU time");
    uint64_t cpu_ns = opt.pid ? now_ns(cpu) : 0;
    start_ns = now_ns(CLOCK_MONOTONIC);
    if (opt.rate) { /* numbers of requests are times: those of the warm-up are in the past */
        start_ns -= rendered * 1000000000u / opt.rate;
    }
    uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
    run(conns);
    uint64_t took_ns = now_ns(CLOCK_MONOTONIC) - begin_ns;
    report(took_ns, opt.pid ? now_ns(cpu) - cpu_ns : 0);
    return 0;
}
