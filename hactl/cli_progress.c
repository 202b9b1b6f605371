/* How far something is. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "server/base/clock.h"

#define BAR_CHARS     30
#define DRAW_EACH_MS  200
#define LINE_EACH_MS  10000
#define RELAY_EACH_MS 200

static char *ring(void) {
    static char texts[4][40];
    static unsigned next;
    return texts[next++ % 4];
}

const char *wall_text(int64_t wall_us) {
    char *out = ring();
    time_t s = (time_t)(wall_us / 1000000);
    struct tm tm;
    strftime(out, 40, "%Y-%m-%d %H:%M:%S", gmtime_r(&s, &tm));
    return out;
}

const char *span_text(int64_t us) {
    char *out = ring();
    long long s = us / 1000000;
    if (s < 120)
        snprintf(out, 40, "%lld s", s);
    else if (s < 2 * 3600)
        snprintf(out, 40, "%lld min", s / 60);
    else if (s < 48 * 3600)
        snprintf(out, 40, "%lld h", s / 3600);
    else
        snprintf(out, 40, "%lld d", s / 86400);
    return out;
}

const char *size_text(uint64_t bytes) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    char *out = ring();
    double v = (double)bytes;
    int u = 0;
    while (v >= 1000 && u < 4) v /= 1000, u++;
    snprintf(out, 40, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

void progress_begin(struct progress *p, const struct cli *c, const char *what, const char *unit) {
    memset(p, 0, sizeof *p);
    p->what = what;
    p->unit = unit;
    p->relay = c->from_peer;
    p->silent = c->json;
    p->begun_ms = p->said_ms = clock_boot_ms();
}

static const char *amount(const struct progress *p, uint64_t v) {
    static char texts[2][40];
    static unsigned next;
    char *out = texts[next++ % 2];
    if (!*p->unit) return size_text(v);
    snprintf(out, 40, "%llu", (unsigned long long)v);
    return out;
}

/* "1.2 MB of 4.5 MB, 12 s left" */
static void words(const struct progress *p, uint64_t done, uint64_t total, uint64_t bytes,
                  char out[200]) {
    uint64_t ran_ms = clock_boot_ms() - p->begun_ms;
    int n = snprintf(out, 200, "%s", amount(p, done));
    if (total) n += snprintf(out + n, 200 - (size_t)n, " of %s", amount(p, total));
    if (*p->unit) n += snprintf(out + n, 200 - (size_t)n, " %s", p->unit);
    if (*p->unit && bytes) n += snprintf(out + n, 200 - (size_t)n, ", %s", size_text(bytes));
    if (done && total > done && ran_ms > 2000)
        snprintf(
            out + n, 200 - (size_t)n, ", %s left",
            span_text((int64_t)((double)ran_ms * (double)(total - done) / (double)done) * 1000));
}

static void draw(struct progress *p, uint64_t done, uint64_t total, const char *text) {
    char bar[BAR_CHARS + 1];
    int full = total ? (int)(done * BAR_CHARS / total) : 0;
    if (full > BAR_CHARS) full = BAR_CHARS;
    memset(bar, '.', BAR_CHARS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CHARS] = 0;
    fprintf(stderr, "\r%s [%s] %s\033[K", p->what, bar, text);
    p->drawn = true;
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t bytes) {
    uint64_t now = clock_boot_ms();
    bool tty = isatty(STDERR_FILENO);
    char text[200];
    if (p->silent && !p->relay) return;
    if (now - p->said_ms < (p->relay ? RELAY_EACH_MS : tty ? DRAW_EACH_MS : LINE_EACH_MS)) return;
    p->said_ms = now;
    if (p->relay) {
        printf("p %llu %llu %llu\n", (unsigned long long)done, (unsigned long long)total,
               (unsigned long long)bytes);
        fflush(stdout);
        return;
    }
    words(p, done, total, bytes, text);
    if (tty)
        draw(p, done, total, text);
    else
        fprintf(stderr, "%s: %s\n", p->what, text);
}

void progress_end(struct progress *p) {
    if (p->drawn) fprintf(stderr, "\r\033[K");
    p->drawn = false;
}

void progress_bytes(void *arg, uint64_t done, uint64_t total) {
    progress_show(arg, done, total, 0);
}

bool progress_relay(struct progress *p, const char *line) {
    unsigned long long done, total, bytes;
    if (sscanf(line, "p %llu %llu %llu", &done, &total, &bytes) != 3) return false;
    progress_show(p, done, total, bytes);
    return true;
}
