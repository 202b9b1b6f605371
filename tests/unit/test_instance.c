/* link: hactl/instance.c hactl/instance_set.c hactl/instance_living.c hactl/instance_join.c
   hactl/instance_status.c hactl/reply.c server/base/buf.c
   server/base/clock.c server/base/lease.c server/base/log.c server/base/loop.c server/base/num.c
   server/base/rand.c server/base/sock.c server/base/stream.c */
/* had's side of the control socket: replies, the status, several servers as one, and a server that
 * dies with commands under way. */
#include <sys/stat.h>
#include <unistd.h>

#include "hactl/instance_set.h"
#include "hactl/reply.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/lease.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "tests/unit/tap.h"

#define LEN(s) (sizeof(s) - 1)

/* ---- replies ---- */

static void replies_are_measured(void) {
    static const char whole[] = "*3\r\n$2\r\nab\r\n:7\r\n*1\r\n+x\r\n";
    struct reply r;
    int early = 0;
    for (size_t n = 0; n < LEN(whole); n++) early += reply_size(whole, n) != 0;
    is_int(early, 0, "no beginning of a reply is taken for a whole one");
    is_int(reply_size(whole, LEN(whole)), LEN(whole), "a nested array is measured whole");
    is_int(reply_size("+OK\r\n-ERR\r\n", 11), 5, "only the first of two replies is measured");
    is_int(reply_size("hello\r\n", 7), -1, "what begins with no sign is no reply");
    is_int(reply_size("$9999999999\r\n", 13), -1, "a bulk beyond the limit is refused");
    is_int(reply_size("*-2\r\n", 5), -1, "an array of -2 is refused");
    is_int(reply_size("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 24), -1, "nesting has a limit");
    is_int(reply_read("$-1\r\n", 5, &r), 5, "a null takes its line");
    is_int(r.type, '_', "and is known as one");
    reply_read("-ERR no\r\n", 9, &r);
    ok(r.type == '-' && r.len == 6 && memcmp(r.text, "ERR no", 6) == 0, "an error has its words");
}

static void requests_are_written(void) {
    static const char *const argv[] = {"DUET", "ALONE", "1"};
    struct buf out = BUF_INIT;
    reply_request(&out, 3, argv);
    is_str(buf_cstr(&out), "*3\r\n$4\r\nDUET\r\n$5\r\nALONE\r\n$1\r\n1\r\n", "a request is bulks");
    buf_free(&out);
}

/* ---- status ---- */

static void add_field(struct buf *b, const char *name, const char *value) {
    buf_printf(b, "$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name, strlen(value), value);
}

static void status_reply(struct buf *b, const char *const (*fields)[2], int count) {
    buf_clear(b);
    buf_printf(b, "*%d\r\n", 2 * count);
    for (int i = 0; i < count; i++) add_field(b, fields[i][0], fields[i][1]);
}

static void the_status_is_read(void) {
    static const char *const all[][2] = {{"role", "master"},
                                         {"epoch", "770"},
                                         {"session", "5"},
                                         {"replid", "abc"},
                                         {"offset", "1234"},
                                         {"acked", "1200"},
                                         {"insync_link", "1"},
                                         {"alone", "0"},
                                         {"held", "3"},
                                         {"held_oldest_ms", "4"},
                                         {"whole", "1"},
                                         {"loading", "0"},
                                         {"boot_id", "18446744073709551615"},
                                         {"fsync_age_ms", "20"},
                                         {"rejoin_tail", "2"},
                                         {"clients", "9"},
                                         {"keys", "8"},
                                         {"later", "whatever"}};
    struct buf b = BUF_INIT;
    struct instance_status s;
    status_reply(&b, all, 18);
    if (!ok(instance_status_read(buf_head(&b), buf_len(&b), &s), "a status is read")) return;
    is_int(s.server.role, HA_SERVER_MASTER, "role");
    is_int(s.server.epoch, 770, "epoch");
    is_int(s.server.offset, 1234, "offset");
    ok(s.server.boot == UINT64_MAX, "boot_id to the last bit");
    is_int(s.server.held_oldest_ns, 4 * HA_MS, "ages come in ns");
    ok(s.server.in_sync_link && s.server.whole && !s.server.alone && !s.server.loading, "flags");
    ok(!s.server.empty, "a server with keys is not empty");
    is_str(s.replid, "abc", "replication id");
    is_int(s.server.fsync_age_ns, 20 * HA_MS, "age of the fsync");
    ok(!instance_status_read(buf_head(&b), buf_len(&b) - 1, &s), "a cut one is refused");
    buf_free(&b);
}

static void a_broken_log_is_one_never_fsynced(void) {
    static const char *const fields[][2] = {{"boot_id", "1"}, {"fsync_failed", "1"}};
    struct buf b = BUF_INIT;
    struct instance_status s;
    status_reply(&b, fields, 2);
    ok(instance_status_read(buf_head(&b), buf_len(&b), &s) && s.server.fsync_age_ns > 60000 * HA_MS,
       "a log that failed counts as one never fsynced");
    buf_free(&b);
}

static void nonsense_is_refused(void) {
    static const char *const bad[][2] = {{"role", "king"},
                                         {"alone", "2"},
                                         {"epoch", "-1"},
                                         {"offset", "12x"},
                                         {"held_oldest_ms", "99999999999999999999"},
                                         {"session", ""}};
    struct buf b = BUF_INIT;
    struct instance_status s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *fields[][2] = {{"boot_id", "1"}, {bad[i][0], bad[i][1]}};
        status_reply(&b, fields, 2);
        ok(!instance_status_read(buf_head(&b), buf_len(&b), &s), "%s of '%s' is refused", bad[i][0],
           bad[i][1]);
    }
    const char *none[][2] = {{"role", "none"}};
    status_reply(&b, none, 1);
    ok(!instance_status_read(buf_head(&b), buf_len(&b), &s), "a status without boot_id is refused");
    ok(!instance_status_read("+OK\r\n", 5, &s), "a word is no status");
    ok(!instance_status_read("*2\r\n*0\r\n*0\r\n", 12, &s), "arrays are no fields");
    buf_free(&b);
}

static void several_are_folded_into_one(void) {
    struct ha_server a = {.boot = 1,
                          .role = HA_SERVER_MASTER,
                          .epoch = 5,
                          .session = 3,
                          .offset = 10,
                          .in_sync_link = true,
                          .whole = true,
                          .held_oldest_ns = 4};
    struct ha_server b = a, all;
    b.offset = 32;
    b.in_sync_link = false;
    b.held_oldest_ns = 9;
    b.alone = true;
    instance_set_fold(&all, &a, 0);
    instance_set_fold(&all, &b, 1);
    is_int(all.offset, 42, "offsets are added");
    ok(!all.in_sync_link && all.alone && all.whole, "the worst of each flag counts");
    is_int(all.held_oldest_ns, 9, "the oldest of the held counts");
    b.session = 0;
    b.role = HA_SERVER_SLAVE;
    instance_set_fold(&all, &a, 0);
    instance_set_fold(&all, &b, 1);
    ok(all.session == 0 && all.role == HA_SERVER_NONE, "they must agree on role and link");
}

/* ---- a server that is a script ---- */

static struct loop *loop;
static char root[64];
static int statuses, deaths;
static struct {
    uint32_t id;
    bool ok;
    uint64_t offset;
    int count;
} told;

static void on_status(void *arg, const struct ha_server *all) {
    (void)arg;
    statuses++;
    if (all->boot != 77) statuses = -1000;
}
static void on_died(void *arg) {
    (void)arg;
    deaths++;
}
static void on_told(void *arg, uint32_t id, bool good, uint64_t offset) {
    (void)arg;
    told.id = id;
    told.ok = good;
    told.offset = offset;
    told.count++;
}

/* The other end: answers DUET STATUS with a status, everything else with +OK 1234, or with nonsense. */
static struct {
    int listener, fd;
    bool nonsense;
} script = {.fd = -1};

static void script_turn(void) {
    static const char status[] = "*4\r\n$7\r\nboot_id\r\n$2\r\n77\r\n$4\r\nrole\r\n$4\r\nnone\r\n";
    char seen[4096];
    if (script.fd < 0) script.fd = sock_accept(script.listener);
    if (script.fd < 0) return;
    ssize_t n = read(script.fd, seen, sizeof seen - 1);
    seen[n > 0 ? n : 0] = 0;
    for (char *p = seen; (p = strchr(p, '*')); p++) {
        const char *answer =
            strncmp(p, "*2\r\n$4\r\nDUET\r\n$6\r\nSTATUS", 24) ? "+OK 1234\r\n" : status;
        if (script.nonsense) answer = "what?\r\n";
        sock_send_all(script.fd, answer, strlen(answer), 1000);
    }
}

/* Turns everything until *counter has grown, or too long. */
static bool until(struct instance_set *s, const int *counter) {
    int before = *counter;
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (*counter == before && clock_boot_ns() < end) {
        instance_set_tick(s, clock_boot_ns());
        loop_turn(loop, false);
        if (script.listener) script_turn();
    }
    return *counter != before;
}

static void no_server_no_answer(struct instance_set *s) {
    struct instance_tell tell = {.id = 41, .what = HA_TELL_PAUSE, .ms = 5};
    instance_set_tell(s, &tell);
    ok(told.count == 0, "a command is never answered inside the call");
    ok(until(s, &told.count) && told.id == 41 && !told.ok, "without a server it fails at once");
}

static void a_server_comes(struct instance_set *s, struct lease_page *page) {
    struct instance_tell tell = {.id = 42, .what = HA_TELL_PAUSE, .ms = 5};
    atomic_store(&page->server_id, 7);
    ok(until(s, &statuses) && statuses == 1, "its status is reported");
    instance_set_lease(s, 9, 123456789);
    is_int(atomic_load(&page->deadline_ns), 123456789, "the lease is written to the page");
    atomic_store(&page->server_id, 8);
    instance_set_lease(s, 9, 123456789);
    is_int(atomic_load(&page->deadline_ns), 0, "another process on the page gets no lease");
    atomic_store(&page->server_id, 7);
    instance_set_tell(s, &tell);
    ok(until(s, &told.count) && told.id == 42 && told.ok, "a command is answered");
    is_int(told.offset, 1234, "with the number in the answer");
}

static void it_dies(struct instance_set *s, struct lease_page *page) {
    struct instance_tell tell = {.id = 43, .what = HA_TELL_FSYNC};
    int before = told.count;
    instance_set_lease(s, 9, 123456789);
    instance_set_tell(s, &tell);
    close(script.fd);
    script.fd = -1;
    ok(until(s, &deaths) && deaths == 1, "its death is seen once");
    is_int(atomic_load(&page->deadline_ns), 0, "the lease is dropped with the connection");
    ok((told.count > before || until(s, &told.count)) && told.id == 43 && !told.ok,
       "the command under way has failed");
    ok(until(s, &statuses), "it is found again when it is back");
    script.nonsense = true;
    ok(until(s, &deaths), "a server that talks nonsense counts as dead");
}

static void a_server_lives_and_dies(void) {
    struct instance_set_calls calls = {.status = on_status, .died = on_died, .told = on_told};
    struct instance_conf conf = {.number = 3, .port = 1};
    char err[256], path[128];
    struct instance_set *s = instance_set_new(loop, root, &conf, 1, &calls, err, sizeof err);
    if (!ok(s != NULL, "a set is made before its server runs")) return;
    no_server_no_answer(s);
    snprintf(path, sizeof path, "%s/run/control-3.sock", root);
    script.listener = sock_listen_unix(path, 0600, 4, NULL);
    snprintf(path, sizeof path, "%s/run/lease-3", root);
    struct lease_page *page = lease_open(path);
    a_server_comes(s, page);
    it_dies(s, page);
    if (script.fd >= 0) close(script.fd);
    close(script.listener);
    lease_close(page);
    instance_set_free(s);
}

int main(void) {
    log_set_level(LOG_ERROR);
    replies_are_measured();
    requests_are_written();
    the_status_is_read();
    a_broken_log_is_one_never_fsynced();
    nonsense_is_refused();
    several_are_folded_into_one();
    char path[128];
    snprintf(root, sizeof root, "/tmp/duet-instance-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/run", root);
    mkdir(root, 0700);
    mkdir(path, 0700);
    loop = loop_new();
    a_server_lives_and_dies();
    loop_free(loop);
    snprintf(path, sizeof path, "%s/run/lease-3", root);
    unlink(path);
    snprintf(path, sizeof path, "%s/run/control-3.sock", root);
    unlink(path);
    snprintf(path, sizeof path, "%s/run", root);
    rmdir(path);
    rmdir(root);
    return done();
}
