/* See check.h. */
#include "server/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool quiet, shown;
static int last_percent = -1;

void check_quiet(void) {
    quiet = true;
}

void check_progress(const char *what, uint64_t done, uint64_t all) {
    if (quiet || all < 1 << 24 || !isatty(STDERR_FILENO)) return;
    int percent = (int)(done >= all ? 100 : done * 100 / all);
    if (percent == last_percent) return;
    last_percent = percent;
    shown = true;
    fprintf(stderr, "\r%-40.40s %3d %%", what, percent);
}

void check_progress_end(void) {
    if (shown) fprintf(stderr, "\r%48s\r", "");
    shown = false;
    last_percent = -1;
}

void check_fail(const char *fmt, ...) {
    va_list ap;
    check_progress_end();
    fflush(stdout);
    va_start(ap, fmt);
    fputs("duet check: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(CHECK_USAGE);
}

/* Bytes of the UTF-8 sign at p; 0: it is none. */
static int utf8_bytes(const unsigned char *p) {
    int n = *p < 0x80                 ? 1
            : *p >= 0xc2 && *p < 0xe0 ? 2
            : (*p & 0xf0) == 0xe0     ? 3
            : *p >= 0xf0 && *p < 0xf5 ? 4
                                      : 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool too_long = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool no_sign = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return n > 2 && (too_long || no_sign) ? 0 : n;
}

/* Names of keys are any bytes: what cannot be shown is written as \xNN. */
static void put_string(const char *v, bool json) {
    const unsigned char *p = (const unsigned char *)v;
    for (int n; *p; p += n ? n : 1) {
        n = utf8_bytes(p);
        if (n == 0 || *p < 0x20 || *p == 0x7f)
            printf(json ? "\\\\x%02x" : "\\x%02x", *p);
        else if (json && (*p == '"' || *p == '\\'))
            printf("\\%c", *p);
        else
            fwrite(p, 1, (size_t)n, stdout);
    }
}

void report_open(struct report *r, bool json) {
    *r = (struct report){.json = json};
}

void report_close(struct report *r) {
    if (r->json)
        printf("%s],\"sound\":%s}\n", r->any ? "" : "{\"items\":[", r->damaged ? "false" : "true");
}

void report_begin(struct report *r, const char *kind, const char *path, bool sound) {
    check_progress_end();
    if (!sound) r->damaged = true;
    if (r->json) {
        printf("%s{", r->any ? "," : "{\"items\":[");
        r->any_field = false;
        report_text(r, "path", path);
        report_text(r, "kind", kind);
        report_flag(r, "sound", sound);
    } else {
        printf("%s%s: %s, %s\n", r->any ? "\n" : "", path, kind, sound ? "sound" : "DAMAGED");
    }
    r->any = true;
}

void report_end(struct report *r) {
    if (r->json) putchar('}');
}

static void name_of(struct report *r, const char *name) {
    if (r->json) {
        printf("%s\"%s\":", r->any_field ? "," : "", name);
        r->any_field = true;
        return;
    }
    printf("  %-18s", name);
}

static void line_end(const struct report *r) {
    if (!r->json) putchar('\n');
}

void report_number(struct report *r, const char *name, uint64_t v) {
    name_of(r, name);
    printf("%" PRIu64, v);
    line_end(r);
}

void report_flag(struct report *r, const char *name, bool v) {
    name_of(r, name);
    fputs(r->json ? (v ? "true" : "false") : (v ? "yes" : "no"), stdout);
    line_end(r);
}

void report_text(struct report *r, const char *name, const char *v) {
    name_of(r, name);
    if (r->json) putchar('"');
    put_string(v, r->json);
    if (r->json) putchar('"');
    line_end(r);
}

void report_time(struct report *r, const char *name, uint64_t wall_us) {
    char text[64];
    struct tm tm;
    time_t t = (time_t)(wall_us / 1000000);
    if (!wall_us) return;
    if (r->json) {
        report_number(r, name, wall_us);
        return;
    }
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + strlen(text), sizeof text - strlen(text), ".%06uZ",
             (unsigned)(wall_us % 1000000));
    report_text(r, name, text);
}

void report_choice(struct report *r, const char *text) {
    if (!r->json) printf("  choice: %s\n", text);
}
