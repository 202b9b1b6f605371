/* A cable with a will of its own, for tests: two taps in two network namespaces, and frames carried from one to the
 * other as a seed and the commands on standard input say.
 *
 *     wire SEED NAMESPACE IFACE NAMESPACE IFACE        (names below /run/netns; the taps are made, and go with the process)
 *
 * A command is a line; each is answered by one line. DIR is `ab` (first to second), `ba` or `both`:
 *     set DIR WORD NUMBER ...   delay, jitter (ms), loss, dup, reorder, corrupt, flip (percent), max (bytes of a
 *                               frame; longer ones vanish), rate (bytes/s), burst (percent of the frames
 *                               with which 8 in a row begin to be lost)
 *     clear                     a good cable again
 *     cut | join                no carrier, nothing passes; back again
 *     count                     the counters, as JSON
 * corrupt flips a bit of an IPv4 packet that a checksum finds; flip one of a TCP segment's payload and mends the checksum, so that only
 * the program at the end can find it. Every frame draws the same number of chances, whatever is set, so that a run
 * replays from its seed as far as the frames do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signal.h>
#include <time.h>
#include <unistd.h>

#define FRAME    2048
#define HELD     4096   /* frames under way in one direction */
#define HELD_MAX 400000 /* bytes that wait for a slow cable; more is dropped */
#define DOWN_MS  5
#define LATE_NS  4000000u /* how far a frame that is reordered falls back */

enum word { DELAY, JITTER, LOSS, DUP, REORDER, CORRUPT, FLIP, MAX, RATE, BURST, WORDS };
static const char *const words[WORDS] = {"delay",   "jitter", "loss", "dup",  "reorder",
                                         "corrupt", "flip",   "max",  "rate", "burst"};
enum count { FRAMES, BYTES, LOST, TWICE, LATE, DAMAGED, FLIPPED, TOO_LONG, NO_ROOM, COUNTS };
static const char *const counts[COUNTS] = {"frames",  "bytes",   "lost",     "twice",  "late",
                                           "damaged", "flipped", "too_long", "no_room"};

struct held {
    uint64_t due_ns, number; /* in order of arrival within one instant */
    unsigned len;
    uint8_t bytes[FRAME];
};

struct way {
    int from, to;
    double set[WORDS];
    uint64_t count[COUNTS];
    uint64_t chance;  /* state of the generator */
    uint64_t free_ns; /* a cable with a rate is busy until then */
    uint64_t waiting; /* bytes held */
    uint64_t burst;   /* frames left of a burst that is lost */
    struct held *heap[HELD];
    unsigned used;
    uint64_t numbers;
};

static struct way ways[2];
static bool is_cut;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- chance ---- */

static uint64_t draw(struct way *w) {
    uint64_t z = (w->chance += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double share(struct way *w) {
    return (double)(draw(w) >> 11) / 9007199254740992.0;
}

static bool happens(struct way *w, enum word percent) {
    return share(w) * 100 < w->set[percent];
}

/* ---- frames under way: a heap by time ---- */

static bool sooner(const struct held *a, const struct held *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void swap(struct way *w, unsigned i, unsigned j) {
    struct held *h = w->heap[i];
    w->heap[i] = w->heap[j];
    w->heap[j] = h;
}

static void hold(struct way *w, uint64_t due_ns, const uint8_t *bytes, unsigned len) {
    struct held *h = w->used < HELD ? malloc(sizeof *h) : NULL;
    if (!h) {
        w->count[NO_ROOM]++;
        return;
    }
    h->due_ns = due_ns;
    h->number = w->numbers++;
    h->len = len;
    memcpy(h->bytes, bytes, len);
    w->waiting += len;
    w->heap[w->used] = h;
    for (unsigned i = w->used++; i && sooner(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(w, i, (i - 1) / 2);
}

static struct held *first(struct way *w) {
    struct held *h = w->heap[0];
    w->waiting -= h->len;
    w->heap[0] = w->heap[--w->used];
    for (unsigned i = 0, next; (next = 2 * i + 1) < w->used; i = next) {
        if (next + 1 < w->used && sooner(w->heap[next + 1], w->heap[next])) next++;
        if (!sooner(w->heap[next], w->heap[i])) break;
        swap(w, i, next);
    }
    return h;
}

static void deliver(struct way *w, uint64_t now) {
    while (w->used && w->heap[0]->due_ns <= now) {
        struct held *h = first(w);
        if (!is_cut && write(w->to, h->bytes, h->len) == (ssize_t)h->len) {
            w->count[FRAMES]++;
            w->count[BYTES] += h->len;
        } else
            w->count[LOST]++;
        free(h);
    }
}

/* ---- damage ---- */

/* Where the payload of an IPv4 TCP segment begins in the frame; 0: it is none, or carries nothing. */
static unsigned tcp_payload(const uint8_t *f, unsigned len, unsigned *tcp, unsigned *end) {
    if (len < 54 || f[12] != 8 || f[13] != 0 || f[23] != 6) return 0;
    *tcp = 14 + (unsigned)(f[14] & 15) * 4;
    *end = 14 + ((unsigned)f[16] << 8 | f[17]);
    if (*end > len || *tcp + 20 > *end) return 0;
    unsigned at = *tcp + (unsigned)(f[*tcp + 12] >> 4) * 4;
    return at < *end ? at : 0;
}

/* One bit of the payload, and the checksum as the sender would have made it. */
static void flip(struct way *w, uint8_t *f, unsigned len, uint64_t chance) {
    unsigned tcp, end, at = tcp_payload(f, len, &tcp, &end);
    if (!at) return;
    unsigned byte = at + (unsigned)(chance % (end - at));
    unsigned pair = byte - (byte - tcp) % 2;
    uint8_t last = pair + 1 < end ? f[pair + 1] : 0;
    uint32_t before = (uint32_t)f[pair] << 8 | last;
    f[byte] ^= (uint8_t)(1u << (chance >> 32) % 8);
    last = pair + 1 < end ? f[pair + 1] : 0;
    uint32_t after = (uint32_t)f[pair] << 8 | last, sum = (uint32_t)f[tcp + 16] << 8 | f[tcp + 17];
    sum = (~sum & 0xffff) + (~before & 0xffff) + after;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    f[tcp + 16] = (uint8_t)(~sum >> 8);
    f[tcp + 17] = (uint8_t)~sum;
    w->count[FLIPPED]++;
}

/* ---- one frame ---- */

static uint64_t when(struct way *w, uint64_t now, unsigned len, double jitter, bool late) {
    uint64_t due = now + (uint64_t)((w->set[DELAY] + w->set[JITTER] * jitter) * 1e6);
    if (w->set[RATE] > 0) {
        if (w->free_ns < now) w->free_ns = now;
        w->free_ns += (uint64_t)(len * 1e9 / w->set[RATE]);
        if (due < w->free_ns) due = w->free_ns;
    }
    return late ? due + LATE_NS : due;
}

static bool is_lost(struct way *w, bool lost, bool begins_burst) {
    if (w->burst) {
        w->burst--;
        return true;
    }
    if (begins_burst) w->burst = 7;
    return lost || begins_burst;
}

static void carry(struct way *w, uint8_t *f, unsigned len, uint64_t now) {
    bool lost = happens(w, LOSS), twice = happens(w, DUP), late = happens(w, REORDER);
    bool damaged = happens(w, CORRUPT), flipped = happens(w, FLIP),
         burst = share(w) * 100 < w->set[BURST];
    double jitter = share(w);
    uint64_t chance = draw(w);
    if (is_cut || is_lost(w, lost, burst)) {
        w->count[LOST]++;
        return;
    }
    if (w->set[MAX] > 0 && len > w->set[MAX]) {
        w->count[TOO_LONG]++;
        return;
    }
    if (w->set[RATE] > 0 && w->waiting > HELD_MAX) {
        w->count[NO_ROOM]++;
        return;
    }
    if (damaged && len > 14 && f[12] == 8 && f[13] == 0) {
        f[14 + chance % (len - 14)] ^= (uint8_t)(1u << (chance >> 32) % 8);
        w->count[DAMAGED]++;
    }
    if (flipped) flip(w, f, len, chance);
    if (late) w->count[LATE]++;
    if (twice) w->count[TWICE]++;
    hold(w, when(w, now, len, jitter, late), f, len);
    if (twice) hold(w, when(w, now, len, jitter, false), f, len);
}

static void take(struct way *w, uint64_t now) {
    uint8_t f[FRAME];
    for (int i = 0; i < 64; i++) {
        ssize_t n = read(w->from, f, sizeof f);
        if (n <= 0) return;
        carry(w, f, (unsigned)n, now);
    }
}

/* ---- commands ---- */

static void carrier(int on) {
    for (int i = 0; i < 2; i++) ioctl(ways[i].from, TUNSETCARRIER, &on);
    is_cut = !on;
}

static bool set(char *rest) {
    char *dir = strtok(rest, " "), *name, *number;
    if (!dir) return false;
    while ((name = strtok(NULL, " ")) && (number = strtok(NULL, " "))) {
        int word = 0;
        while (word < WORDS && strcmp(words[word], name) != 0) word++;
        if (word == WORDS) return false;
        for (int i = 0; i < 2; i++)
            if (strcmp(dir, "both") == 0 || strcmp(dir, i ? "ba" : "ab") == 0)
                ways[i].set[word] = atof(number);
    }
    return !name;
}

static void show(void) {
    for (int i = 0; i < 2; i++) {
        printf("%s\"%s\": {", i ? ", " : "{", i ? "ba" : "ab");
        for (int c = 0; c < COUNTS; c++)
            printf("%s\"%s\": %llu", c ? ", " : "", counts[c],
                   (unsigned long long)ways[i].count[c]);
        printf("}");
    }
    printf("}\n");
}

static void obey(char *line) {
    bool good = true;
    if (strcmp(line, "count") == 0) {
        show();
        return;
    }
    if (strncmp(line, "set ", 4) == 0)
        good = set(line + 4);
    else if (strcmp(line, "clear") == 0)
        for (int i = 0; i < 2; i++) memset(ways[i].set, 0, sizeof ways[i].set), ways[i].burst = 0;
    else if (strcmp(line, "cut") == 0)
        carrier(0);
    else if (strcmp(line, "join") == 0)
        carrier(1);
    else
        good = false;
    puts(good ? "ok" : "no such command");
}

static bool listen_to(int fd) {
    static char text[512];
    static size_t have;
    ssize_t n = read(fd, text + have, sizeof text - 1 - have);
    if (n <= 0) return false;
    have += (size_t)n;
    text[have] = 0;
    for (char *end; (end = strchr(text, '\n'));) {
        *end = 0;
        obey(text);
        have -= (size_t)(end + 1 - text);
        memmove(text, end + 1, have + 1);
    }
    fflush(stdout);
    return have < sizeof text - 1;
}

/* ---- the ends ---- */

static int open_tap(const char *space, const char *name) {
    char path[64];
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof path, "/run/netns/%s", space);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) return -1;
    close(ns);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0 ? fd : -1;
}

static int until_due(uint64_t now) {
    uint64_t wait = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        if (!ways[i].used) continue;
        uint64_t due = ways[i].heap[0]->due_ns;
        if (due <= now) return 0;
        if (due - now < wait) wait = due - now;
    }
    return wait == UINT64_MAX ? -1 : (int)((wait + 999999) / 1000000);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: wire SEED NAMESPACE IFACE NAMESPACE IFACE\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int a = open_tap(argv[2], argv[3]), b = open_tap(argv[4], argv[5]);
    if (a < 0 || b < 0 || setns(home, CLONE_NEWNET) != 0) { /* no node's power cut ends the wire */
        fprintf(stderr, "wire: no tap %s: %s\n", a < 0 ? argv[3] : argv[5], strerror(errno));
        return 1;
    }
    ways[0] = (struct way){.from = a, .to = b, .chance = strtoull(argv[1], NULL, 0)};
    ways[1] = (struct way){.from = b, .to = a, .chance = ~strtoull(argv[1], NULL, 0)};
    struct sched_param rt = {.sched_priority = 1}; /* a busy machine is no slow cable */
    sched_setscheduler(0, SCHED_FIFO, &rt);
    printf("wire of seed %s\n", argv[1]);
    fflush(stdout);
    for (bool down = false;;) {
        struct pollfd fds[3] = {{.fd = 0, .events = POLLIN},
                                {.fd = down ? -1 : a, .events = POLLIN},
                                {.fd = down ? -1 : b, .events = POLLIN}};
        int wait_ms = until_due(now_ns());
        if (poll(fds, 3, down && (wait_ms < 0 || wait_ms > DOWN_MS) ? DOWN_MS : wait_ms) < 0 &&
            errno != EINTR)
            return 1;
        if (fds[0].revents && !listen_to(0)) return 0;
        down = (fds[1].revents | fds[2].revents) &
               POLLERR; /* an end that is set down: looked at now and then */
        uint64_t now = now_ns();
        for (int i = 0; i < 2; i++) take(&ways[i], now), deliver(&ways[i], now_ns());
    }
}
