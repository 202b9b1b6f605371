/* Test lines for C tests: `ok - what it shows` or `not ok - what it shows` on standard output, with
 * the place and the values of a failure on standard error. A program ends with `return done();`. */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned tap_passed, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool
tap_line(bool passed, const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("%s - ", passed ? "ok" : "not ok");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    if (passed) {
        tap_passed++;
    } else {
        tap_failed++;
        fflush(stdout);
        fprintf(stderr, "# failed at %s:%d\n", file, line);
    }
    return passed;
}

__attribute__((unused)) static bool tap_int(int64_t got, int64_t want, const char *file, int line,
                                            const char *what) {
    bool same = tap_line(got == want, file, line, "%s", what);
    if (!same) fprintf(stderr, "# got %" PRId64 ", expected %" PRId64 "\n", got, want);
    return same;
}

__attribute__((unused)) static bool tap_str(const char *got, const char *want, const char *file,
                                            int line, const char *what) {
    bool same = got == want || (got && want && !strcmp(got, want));
    tap_line(same, file, line, "%s", what);
    if (!same) {
        fprintf(stderr, "# got \"%s\", expected \"%s\"\n", got ? got : "(null)",
                want ? want : "(null)");
    }
    return same;
}

static inline void tap_hex(const char *name, const void *bytes, size_t length) {
    fprintf(stderr, "# %s %zu bytes:", name, length);
    for (size_t i = 0; i < length && i < 64; i++) {
        fprintf(stderr, " %02x", ((const unsigned char *)bytes)[i]);
    }
    fprintf(stderr, "%s\n", length > 64 ? " ..." : "");
}

__attribute__((unused)) static bool tap_mem(const void *got, size_t got_length, const void *want,
                                            size_t want_length, const char *file, int line,
                                            const char *what) {
    bool same = got_length == want_length && (want_length == 0 || !memcmp(got, want, want_length));
    tap_line(same, file, line, "%s", what);
    if (!same) {
        tap_hex("got", got, got_length);
        tap_hex("expected", want, want_length);
    }
    return same;
}

/* Each returns whether it held, so that a test can stop where going on makes no sense. */
#define ok(condition, ...)      tap_line((condition), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, what) tap_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, what)
#define is_str(got, want, what) tap_str(got, want, __FILE__, __LINE__, what)
#define is_mem(got, got_length, want, want_length, what)                                           \
    tap_mem(got, got_length, want, want_length, __FILE__, __LINE__, what)

__attribute__((unused)) static void skip(const char *what, const char *why) {
    printf("ok - %s # SKIP %s\n", what, why);
}

/* A failing run has to be repeatable: DUET_SEED, or a fixed one; printed either way. */
__attribute__((unused)) static uint64_t tap_seed(void) {
    const char *text = getenv("DUET_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20240229;
    printf("# DUET_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* True for `make test-all`: the full counts. */
__attribute__((unused)) static bool tap_full(void) {
    const char *text = getenv("DUET_FULL");
    return text && !strcmp(text, "1");
}

__attribute__((unused)) static int done(void) {
    if (tap_passed + tap_failed == 0) {
        printf("not ok - the program tested nothing\n");
        return 1;
    }
    return tap_failed != 0;
}

#endif
