/* link: hactl/instance.c hactl/instance_set.c hactl/instance_living.c hactl/instance_join.c
   hactl/instance_status.c hactl/reply.c server/base/buf.c
   server/base/clock.c server/base/lease.c server/base/log.c server/base/loop.c server/base/num.c
   server/base/rand.c server/base/sock.c server/base/stream.c */
/* had's set of servers while servers come and go: what the core sees of it. Two servers that are scripts. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hactl/instance_set.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "tests/unit/tap.h"

static struct loop *loop;
static char root[64];
static struct ha_server seen; /* the last status of all */
static int statuses, deaths, answers;
static bool answered_well;

static void on_status(void *arg, const struct ha_server *all) {
    (void)arg;
    seen = *all;
    statuses++;
}
static void on_died(void *arg) {
    (void)arg;
    deaths++;
}
static void on_told(void *arg, uint32_t id, bool good, uint64_t offset) {
    (void)arg, (void)id, (void)offset;
    answered_well = good;
    answers++;
}

/* A server: what it says of itself, and the last command that was not STATUS. */
static struct script {
    int number, listener, fd;
    uint64_t boot, epoch, session, offset, acked;
    const char *role;
    bool alone;
    char told[64];
} scripts[2];

static void add(struct buf *b, const char *name, const char *value) {
    buf_printf(b, "$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name, strlen(value), value);
}

static void add_number(struct buf *b, const char *name, uint64_t v) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    add(b, name, digits);
}

static void say_status(struct script *s) {
    struct buf b = BUF_INIT;
    buf_add_str(&b, "*18\r\n");
    add_number(&b, "boot_id", s->boot);
    add_number(&b, "epoch", s->epoch);
    add_number(&b, "session", s->session);
    add_number(&b, "offset", s->offset);
    add_number(&b, "acked", s->acked);
    add_number(&b, "alone", s->alone);
    add_number(&b, "insync_link", s->session != 0);
    add_number(&b, "whole", 1);
    add(&b, "role", s->role);
    sock_send_all(s->fd, buf_head(&b), buf_len(&b), 1000);
    buf_free(&b);
}

/* A script does what it is told. */
static void obey(struct script *s, const char *verb, const char *word) {
    if (strcmp(verb, "MASTER") == 0) s->role = "master";
    if (strcmp(verb, "MASTER") == 0) s->epoch = strtoull(word, NULL, 10);
    if (strcmp(verb, "ALONE") == 0) s->alone = word[0] == '1';
    snprintf(s->told, sizeof s->told, "%s %s", verb, word);
    sock_send_all(s->fd, "+OK 7\r\n", 7, 1000);
}

static void turn(struct script *s) {
    char in[4096];
    if (s->listener <= 0) return;
    if (s->fd < 0) s->fd = sock_accept(s->listener);
    ssize_t n = s->fd < 0 ? 0 : read(s->fd, in, sizeof in - 1);
    in[n > 0 ? n : 0] = 0;
    for (char *p = in; (p = strstr(p, "DUET\r\n")); p++) {
        char verb[16] = "", word[64] = "";
        sscanf(p, "DUET\r\n$%*d\r\n%15s\r\n$%*d\r\n%63s", verb, word);
        if (strcmp(verb, "STATUS") == 0)
            say_status(s);
        else
            obey(s, verb, word);
    }
}

static void start(struct script *s, int number) {
    char path[128];
    *s = (struct script){
        .number = number, .fd = -1, .boot = 10 + (uint64_t)number, .role = "none", .alone = true};
    snprintf(path, sizeof path, "%s/run/control-%d.sock", root, number);
    s->listener = sock_listen_unix(path, 0600, 4, NULL);
}

static void stop(struct script *s) {
    char path[128];
    if (s->fd >= 0) close(s->fd);
    close(s->listener);
    s->listener = 0;
    s->fd = -1;
    snprintf(path, sizeof path, "%s/run/control-%d.sock", root, s->number);
    unlink(path);
}

static void some_turns(struct instance_set *set, const struct instance_wish *w) {
    instance_set_wish(set, w);
    instance_set_tick(set, clock_boot_ns());
    loop_turn(loop, false);
    for (int i = 0; i < 2; i++) turn(&scripts[i]);
}

/* Turns everything until the condition holds, or for too long. */
#define UNTIL(condition)                                                                           \
    for (uint64_t end = clock_boot_ns() + 10 * NS_PER_S; !(condition) && clock_boot_ns() < end;)   \
    some_turns(set, &w)

static const struct instance_conf confs[2] = {{.number = 0, .port = 1},
                                              {.number = 5, .port = 2, .async = true}};

static struct instance_set *begin(void) {
    struct instance_set_calls calls = {.status = on_status, .died = on_died, .told = on_told};
    char err[256];
    start(&scripts[0], 0);
    scripts[0].role = "master";
    scripts[0].epoch = 8;
    scripts[0].session = 3;
    scripts[0].offset = scripts[0].acked = 100;
    scripts[0].alone = false;
    struct instance_set *set = instance_set_new(loop, root, confs, 1, &calls, err, sizeof err);
    ok(set && instance_set_counts(set) == 1, "what is there at the start counts");
    return set;
}

static void one_comes(struct instance_set *set, struct instance_wish w) {
    char err[256];
    UNTIL(statuses);
    uint64_t boot = seen.boot;
    ok(instance_set_take(set, confs, 2, err, sizeof err), "another one is taken in");
    ok(instance_set_has(set) == 0x21 && instance_set_counts(set) == 1, "it is had, not counted");
    statuses = 0;
    UNTIL(statuses > 2);
    ok(deaths == 0 && seen.offset == 100, "while it does not run, the node is what it was");
    start(&scripts[1], 5);
    scripts[1].offset = 1000;
    UNTIL(strcmp(scripts[1].role, "master") == 0);
    is_str(scripts[1].told, "MASTER 8", "once it runs it is told to be what the others are");
    stop(&scripts[1]);
    start(&scripts[1], 5);
    scripts[1].boot = 99;
    UNTIL(strcmp(scripts[1].role, "master") == 0);
    ok(deaths == 0 && seen.boot == boot, "that it starts again is nobody's business yet");
    struct instance_tell tell = {.id = 1, .what = HA_TELL_FSYNC};
    scripts[1].told[0] = 0;
    answers = 0;
    instance_set_tell(set, &tell);
    UNTIL(answers);
    ok(answered_well && scripts[1].told[0] == 0, "commands of the core do not wait for it");
    w.peer_counts = 0x21;
    scripts[1].session = 4;
    scripts[1].offset = scripts[1].acked = 1000;
    scripts[1].alone = true;
    UNTIL(seen.session == 3 * 31 + 4);
    is_int(seen.session, 3 * 31 + 4, "links are named by what the slave counts");
    UNTIL(instance_set_counts(set) == 0x21);
    is_int(instance_set_counts(set), 0x21, "held and acknowledged, it counts");
    ok(!scripts[1].alone, "after it was told to hold replies");
    statuses = 0;
    UNTIL(statuses && seen.offset == 1100);
    ok(seen.offset == 1100 && seen.boot == boot && !seen.alone,
       "the node has both, and did not restart");
}

static void it_lags(struct instance_set *set, struct instance_wish w) {
    scripts[1].offset += INSTANCE_LAG_LIMIT;
    statuses = 0;
    UNTIL(statuses > 1);
    is_int(seen.held, 0, "at async a slave may be as far behind as the limit");
    scripts[1].offset++;
    UNTIL(seen.held_oldest_ns > 0);
    ok(seen.held == 1 && seen.held_oldest_ns > 0, "one byte more counts as a reply that waits");
    scripts[1].acked = scripts[1].offset;
    UNTIL(seen.held == 0);
    is_int(seen.held, 0, "until it has caught up");
}

static void it_goes(struct instance_set *set, struct instance_wish w) {
    char err[256];
    uint64_t boot = seen.boot;
    struct instance_conf moved = {.number = 0, .port = 9};
    ok(!instance_set_take(set, &moved, 1, err, sizeof err) && strstr(err, "port of instance 0"),
       "another port is refused");
    ok(!instance_set_take(set, &(struct instance_conf){.number = 7, .port = 9}, 1, err,
                          sizeof err) &&
           strstr(err, "no instance would be left"),
       "so is a set without one that counts");
    is_int(instance_set_has(set), 0x21, "and nothing is changed");
    w.peer_counts = 0x21;
    ok(instance_set_take(set, confs, 1, err, sizeof err), "one is let go");
    ok(instance_set_has(set) == 1 && instance_set_counts(set) == 1, "it does not count at once");
    statuses = 0;
    UNTIL(statuses > 1);
    ok(instance_set_count(set) == 2 && seen.session == 3 * 31 + 4,
       "while the slave counts it, links are still named with it");
    ok(instance_set_take(set, confs, 2, err, sizeof err) && instance_set_has(set) == 0x21,
       "it may be taken back meanwhile");
    instance_set_take(set, confs, 1, err, sizeof err);
    w.peer_counts = 1;
    UNTIL(instance_set_count(set) == 1);
    stop(&scripts[1]);
    statuses = 0;
    UNTIL(statuses && seen.session == 3);
    ok(deaths == 0 && seen.boot == boot && seen.session == 3,
       "then it is forgotten, and its end is no death");
}

static void one_that_counts_restarts(struct instance_set *set, struct instance_wish w) {
    uint64_t boot = seen.boot;
    stop(&scripts[0]);
    UNTIL(deaths);
    is_int(deaths, 1, "the death of one that counts is the node's");
    start(&scripts[0], 0);
    scripts[0].boot = 55;
    statuses = 0;
    UNTIL(statuses);
    ok(seen.boot != boot && seen.boot != 0, "and it is another boot after that");
    stop(&scripts[0]);
}

int main(void) {
    char path[128];
    log_set_level(LOG_ERROR);
    snprintf(root, sizeof root, "/tmp/duet-living-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/run", root);
    mkdir(root, 0700);
    mkdir(path, 0700);
    loop = loop_new();
    struct instance_wish w = {.role = HA_SERVER_MASTER,
                              .epoch = 8,
                              .in_sync = true,
                              .peer_fresh = true,
                              .peer_has = 0x21,
                              .peer_counts = 1,
                              .give_up_ns = 1000000000};
    struct instance_set *set = begin();
    one_comes(set, w);
    it_lags(set, w);
    it_goes(set, w);
    one_that_counts_restarts(set, w);
    instance_set_free(set);
    loop_free(loop);
    for (int n = 0; n <= 5; n += 5) {
        snprintf(path, sizeof path, "%s/run/lease-%d", root, n);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/run", root);
    rmdir(path);
    rmdir(root);
    return done();
}
