#include "hactl/fence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/ipmi.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/loop.h"

#define TEST_LIMIT_MS  10000
#define FIRST_TEST_MS  500
#define OFF_LIMIT_MS   5000                     /* for one command of a fence */
#define FENCE_LIMIT_NS (int64_t)(15 * NS_PER_S) /* for all of it */
#define CONFIRM_MS     250                      /* between two looks at the power */
#define OFF_AGAIN      8                        /* looks after which it is told again */
#define OWN_MS         60000

struct fence {
    struct loop *loop;
    struct ipmi_target peer;
    struct fence_calls calls;
    struct ipmi_run *run, *own_run;
    struct loop_timer *next, *own_next;
    int64_t test_began, test_good, off_began;
    uint32_t id; /* of the fence under way; 0 none */
    int looks;
    bool told;               /* the controller took the command */
    bool ready, other_tried; /* the other cipher suite, in this test */
    char why[200], power[8], own_address[64], own_why[200];
};

static int64_t now_ns(void) {
    return (int64_t)clock_boot_ns();
}

static void wait(struct fence *f, uint64_t ms) {
    loop_timer_start(f->next, ms * NS_PER_MS, 0);
}

/* "Chassis Power is on" */
static bool read_power(struct fence *f, const char *output) {
    bool on = strstr(output, "Power is on") != NULL, off = strstr(output, "Power is off") != NULL;
    if (on || off) snprintf(f->power, sizeof f->power, "%s", on ? "on" : "off");
    return on || off;
}

/* Newer controllers speak SHA-256 only, older ones SHA-1 only: the one that answered last is kept. */
static void other_suite(struct fence *f) {
    f->peer.suite = f->peer.suite == 17 ? 3 : 17;
}

/* ---- switching off ---- */

static void on_off(void *arg, bool ok, const char *output);
static void on_confirm(void *arg, bool ok, const char *output);

static void begin_off(struct fence *f) {
    f->run = ipmi_start(f->loop, &f->peer, "power off", OFF_LIMIT_MS, on_off, f);
}

static void end_off(struct fence *f, bool ok) {
    uint32_t id = f->id;
    f->id = 0;
    f->ready = ok;
    if (ok) f->why[0] = 0;
    wait(f, ok ? FENCE_TEST_MS : FENCE_RETEST_MS);
    f->calls.fenced(f->calls.arg, id, ok, f->why);
}

/* Whether it obeyed shows in the power, not in what it answered: a machine that is off already may refuse. */
static void on_off(void *arg, bool ok, const char *output) {
    struct fence *f = arg;
    if (!ok) snprintf(f->why, sizeof f->why, "%.190s", output);
    f->told = ok;
    f->looks = 0;
    f->run = ipmi_start(f->loop, &f->peer, "power status", OFF_LIMIT_MS, on_confirm, f);
}

static void on_confirm(void *arg, bool ok, const char *output) {
    struct fence *f = arg;
    f->run = NULL;
    bool said = ok && read_power(f, output);
    if (!ok) other_suite(f);
    if (said && strcmp(f->power, "off") == 0) {
        end_off(f, true);
    } else if (now_ns() - f->off_began > FENCE_LIMIT_NS) {
        snprintf(f->why, sizeof f->why, "%.190s",
                 said ? "it was told to, and the power stays on" : output);
        end_off(f, false);
    } else {
        f->looks++;
        wait(f, CONFIRM_MS);
    }
}

void fence_off(struct fence *f, uint32_t id) {
    bool under_way = f->id != 0;
    f->id = id;
    if (under_way) return;
    ipmi_cancel(f->run); /* a test */
    f->run = NULL;
    loop_timer_stop(f->next);
    f->off_began = now_ns();
    begin_off(f);
}

/* ---- tests ---- */

static void on_test(void *arg, bool ok, const char *output) {
    struct fence *f = arg;
    f->run = NULL;
    f->ready = ok && read_power(f, output);
    if (!f->ready && !f->other_tried) {
        f->other_tried = true;
        other_suite(f);
        f->run = ipmi_start(f->loop, &f->peer, "power status", TEST_LIMIT_MS, on_test, f);
        return;
    }
    if (f->ready) f->test_good = f->test_began;
    snprintf(f->why, sizeof f->why, "%.190s", f->ready ? "" : output);
    if (*f->own_address && strcmp(f->own_address, f->peer.host) == 0) {
        f->ready = false;
        snprintf(f->why, sizeof f->why,
                 "%s is this node's own controller, not the peer's: correct [ha] fence",
                 f->own_address);
    }
    wait(f, f->ready ? FENCE_TEST_MS : FENCE_RETEST_MS);
    f->calls.tested(f->calls.arg, f->test_began, f->ready);
}

static void on_next(struct loop *l, void *arg) {
    struct fence *f = arg;
    (void)l;
    if (!f->id) {
        f->test_began = now_ns();
        f->other_tried = false;
        f->run = ipmi_start(f->loop, &f->peer, "power status", TEST_LIMIT_MS, on_test, f);
    } else if (!f->told || f->looks % OFF_AGAIN == 0) {
        begin_off(f);
    } else {
        f->run = ipmi_start(f->loop, &f->peer, "power status", OFF_LIMIT_MS, on_confirm, f);
    }
}

/* ---- the own controller ---- */

/* "IP Address              : 10.0.0.5" among the words of `lan print`. */
static void read_own(struct fence *f, const char *output) {
    const char *at = output;
    while ((at = strstr(at, "IP Address"))) {
        at += strlen("IP Address");
        const char *p = at + strspn(at, " ");
        if (*p != ':') continue; /* "IP Address Source" */
        p += 1 + strspn(p + 1, " ");
        snprintf(f->own_address, sizeof f->own_address, "%.*s", (int)strcspn(p, " "), p);
    }
}

static void on_own(void *arg, bool ok, const char *output) {
    struct fence *f = arg;
    f->own_run = NULL;
    f->own_why[0] = 0;
    f->own_address[0] = 0;
    if (ok) read_own(f, output);
    if (!*f->own_address || strcmp(f->own_address, "0.0.0.0") == 0)
        snprintf(
            f->own_why, sizeof f->own_why,
            "this node's own controller has no network address: the peer cannot fence it%s%.80s",
            ok ? "" : "; ", ok ? "" : output);
    loop_timer_start(f->own_next, OWN_MS * NS_PER_MS, 0);
}

static void on_own_next(struct loop *l, void *arg) {
    static const struct ipmi_target own = {0};
    struct fence *f = arg;
    (void)l;
    if (ipmi_own())
        f->own_run = ipmi_start(f->loop, &own, "lan print", TEST_LIMIT_MS, on_own, f);
    else
        loop_timer_start(f->own_next, OWN_MS * NS_PER_MS, 0);
}

/* ---- the whole ---- */

struct fence *fence_new(struct loop *l, const struct fence_conf *conf,
                        const struct fence_calls *calls) {
    struct fence *f = xcalloc(1, sizeof *f);
    f->loop = l;
    f->peer = (struct ipmi_target){conf->host, conf->user, conf->password, 17};
    f->calls = *calls;
    f->test_good = INT64_MIN;
    snprintf(f->why, sizeof f->why, "not tested yet");
    f->next = loop_timer_new(l, on_next, f);
    f->own_next = loop_timer_new(l, on_own_next, f);
    wait(f, FIRST_TEST_MS);
    loop_timer_start(f->own_next, 1, 0);
    return f;
}

void fence_free(struct fence *f) {
    if (!f) return;
    ipmi_cancel(f->run);
    ipmi_cancel(f->own_run);
    loop_timer_free(f->next);
    loop_timer_free(f->own_next);
    free(f);
}

void fence_look(const struct fence *f, struct fence_view *out) {
    *out = (struct fence_view){.ready = f->ready,
                               .age_ns =
                                   f->test_good == INT64_MIN ? INT64_MAX : now_ns() - f->test_good,
                               .why = f->why,
                               .power = f->power,
                               .fencing = f->id != 0,
                               .own = ipmi_own(),
                               .own_address = f->own_address,
                               .own_why = f->own_why};
}
