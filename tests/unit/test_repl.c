/* link: server/repl/backlog.c server/repl/overrun.c server/repl/stream_keep.c server/repl/feed.c server/repl/feed_shake.c server/repl/feed_pair.c server/repl/beside.c server/repl/hello.c server/repl/feed_report.c server/repl/link.c server/repl/link_hand.c server/repl/link_copy.c server/repl/first_copy.c server/repl/link_stream.c server/repl/link_status.c server/repl/link_fsm.c server/repl/repl.c
   server/repl/spool.c server/repl/spool_check.c server/repl/spool_threads.c server/repl/stream.c server/repl/tail.c server/repl/tail_dir.c server/proto/tail_report.c server/repl/transfer.c server/persist/persist.c
   server/persist/aof.c server/persist/aof_read.c server/persist/durable.c server/persist/room.c server/persist/filewalk.c
   server/persist/load.c server/persist/load_ahead.c server/persist/load_base.c server/persist/load_base_read.c server/persist/load_incr.c server/persist/load_incr_read.c
   server/persist/manifest.c
   server/persist/rewrite.c server/persist/commit.c server/persist/replace.c server/persist/save.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/ziplist.c server/persist/walk.c server/persist/walk_out.c server/persist/spill.c server/persist/backup.c server/persist/rollback.c server/persist/prepare.c server/persist/setfile.c server/persist/rdbscan.c server/persist/logscan.c server/persist/logtimes.c server/persist/dirs.c server/base/backup_set.c server/base/zframe.c server/persist/worker.c
   server/proto/cmdstream.c server/proto/crc64.c server/proto/logblock.c server/proto/lzf.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c
   server/proto/rdb_write.c server/proto/replline.c server/proto/resp_parse.c server/proto/resp_write.c server/store/dict.c
   server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/apart.c server/store/store.c server/store/string.c
   server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/base/buf.c server/base/decimal.c server/base/clock.c server/base/conf.c server/base/crc32c.c
   server/base/file.c server/base/hash.c server/base/log.c server/base/loop.c server/base/num.c server/base/rand.c
   server/base/sock.c server/base/stream.c server/base/stream_block.c server/base/hmac.c
 * server/proto/zipmap.c */
/* Replication between nodes in one process, over loopback sockets and one loop: first copy,
 * stream, acknowledgements, a new path, promotion, the return of the old master with writes of
 * its own. */
#include "tests/unit/persist_rig.h"

#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/proto/resp.h"
#include "server/repl/repl.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* A node: a rig with replication, a port, and the few commands that a slave's handshake needs. */
struct node {
    struct rig g;
    char *dir;
    struct repl *repl;
    struct loop *shared;
    int listener;
    uint16_t port;
    struct loop_io *accept_io;
    struct loop_hook *hook;
    struct repl_options o;
    int released, replaced;
    const char *password; /* asked of slaves */
    int guests;           /* connections that are no slave yet */
};

struct guest {
    struct node *n;
    struct stream *s;
    struct loop_io *io;
    struct buf in, out;
    struct repl_conf *conf;
    bool authenticated;
};

static void guest_free(struct guest *c) {
    c->n->guests--;
    loop_io_free(c->io);
    stream_free(c->s);
    repl_conf_free(c->conf);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

static bool take(struct guest *c, int argc, const struct bytes *argv, struct buf *reply) {
    struct buf unread = BUF_INIT;
    return repl_take(c->n->repl, &c->conf, argc, argv, c->s, &c->out, &unread, reply);
}

/* False: the connection is gone from here. */
static bool guest_request(struct guest *c, int argc, const struct bytes *argv) {
    struct node *n = c->n;
    struct buf reply = BUF_INIT;
    bool stays = true;
    if (bytes_is(argv[0], "auth"))
        c->authenticated = n->password && bytes_is(argv[argc - 1], n->password);
    if (n->password && !c->authenticated)
        resp_error(&reply, "NOAUTH Authentication required.");
    else if (bytes_is(argv[0], "auth"))
        resp_status(&reply, "OK");
    else if (bytes_is(argv[0], "ping"))
        resp_status(&reply, "PONG");
    else if (bytes_is(argv[0], "replconf") && !(argc > 1 && bytes_is(argv[1], "duet-pair")))
        repl_conf(n->repl, &c->conf, argc, argv, c->s, &reply);
    else if (bytes_is(argv[0], "psync") || bytes_is(argv[0], "replconf"))
        stays = !take(c, argc, argv, &reply);
    else
        resp_error(&reply, "ERR unknown command");
    if (stays && buf_len(&reply)) stream_write(c->s, buf_head(&reply), buf_len(&reply));
    buf_free(&reply);
    if (!stays) c->s = NULL;
    return stays;
}

static void guest_io(struct loop *l, void *arg, int revents) {
    (void)l;
    (void)revents;
    struct guest *c = arg;
    static const struct resp_limits limits = {.bulk_max = 1 << 20};
    long n = stream_read(c->s, buf_room(&c->in, 4096), 4096);
    if (n == STREAM_AGAIN) return;
    if (n <= 0) {
        guest_free(c);
        return;
    }
    buf_added(&c->in, (size_t)n);
    struct resp_parser p = {0};
    struct resp_args a = {0};
    bool stays = true;
    while (stays && buf_len(&c->in) &&
           resp_parse(&p, buf_head(&c->in), buf_len(&c->in), &limits, &a) == RESP_DONE) {
        stays = guest_request(c, (int)a.count, a.v);
        buf_eat(&c->in, p.used);
        a.count = 0;
    }
    resp_parser_free(&p);
    resp_args_free(&a);
    if (!stays) guest_free(c);
}

static void on_accept(struct loop *l, void *arg, int revents) {
    (void)revents;
    struct node *n = arg;
    int fd = sock_accept(n->listener);
    if (fd < 0) return;
    struct guest *c = xcalloc(1, sizeof *c);
    c->n = n;
    c->s = stream_plain(fd);
    c->io = loop_io_new(l, fd, guest_io, c);
    n->guests++;
    loop_io_want(c->io, LOOP_READ);
}

static bool node_apply(void *arg, int db, int argc, const struct bytes *argv, char *err,
                       size_t err_size) {
    return rig_run(&((struct node *)arg)->g, db, argc, argv, err, err_size);
}
static void node_released(void *arg) {
    ((struct node *)arg)->released++;
}
static void node_replaced(void *arg) {
    ((struct node *)arg)->replaced++;
}
static void node_sleep(struct loop *l, void *arg) {
    (void)l;
    struct node *n = arg;
    if (n->repl) repl_before_sleep(n->repl);
}
static void node_changed(void *arg) {
    struct node *n = arg; /* the rig is its first member */
    if (n->repl) repl_synced(n->repl);
}

static void node_load(struct node *n) {
    struct persist_world world = {.arg = &n->g, .run = rig_run, .changed = node_changed};
    struct repl_world rworld = {
        .arg = n, .apply = node_apply, .released = node_released, .replaced = node_replaced};
    n->g.loop = n->shared;
    n->g.store = store_new(16, 1);
    n->g.o.dir = n->dir;
    n->g.persist = persist_open(&n->g.o, n->g.store, n->shared, &world, n->g.err, sizeof n->g.err);
    while (persist_load_step(n->g.persist, 1000) == PERSIST_LOADING) {
    }
    n->o.dir = n->dir;
    n->o.port = n->port;
    n->repl = repl_open(&n->o, n->g.persist, n->g.store, n->shared, &rworld);
    n->hook = loop_before_sleep_new(n->shared, node_sleep, n);
}

static void node_open(struct node *n, struct loop *l, const char *name, char letter) {
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    memset(n, 0, sizeof *n);
    n->dir = rig_path(name);
    n->shared = l;
    persist_defaults(&n->g.o);
    n->g.o.fsync = PERSIST_FSYNC_NO;
    repl_defaults(&n->o);
    n->o.node = letter;
    n->o.slave_limit_bytes = 64 << 20;
    n->listener = sock_listen_tcp("127.0.0.1", 0, 16, NULL);
    getsockname(n->listener, (struct sockaddr *)&sa, &len);
    n->port = ntohs(sa.sin_port);
    n->accept_io = loop_io_new(l, n->listener, on_accept, n);
    loop_io_want(n->accept_io, LOOP_READ);
    node_load(n);
}

/* The process ends; the port and the directory stay. clean: as SIGTERM, else as SIGKILL. */
static void node_die(struct node *n, bool clean) {
    loop_before_sleep_free(n->hook);
    if (!clean) persist_set_pos_source(n->g.persist, NULL, NULL);
    repl_close(n->repl);
    n->repl = NULL;
    if (clean) persist_stop(n->g.persist, n->g.err, sizeof n->g.err);
    persist_close(n->g.persist);
    store_free(n->g.store);
}

static void node_close(struct node *n) {
    loop_io_free(n->accept_io);
    close(n->listener);
    node_die(n, false);
    free(n->dir);
}

#define until(n, what) rig_until(&(n)->g, what)

static void node_set(struct node *n, int db, const char *key, const char *value) {
    struct bytes argv[3] = {BYTES("SET"), {key, strlen(key)}, {value, strlen(value)}};
    rig_run(&n->g, db, 3, argv, n->g.err, sizeof n->g.err);
    repl_feed(n->repl, db, 3, argv);
}

static struct repl_status status(struct node *n) {
    struct repl_status s;
    repl_status(n->repl, &s);
    return s;
}

static bool level(struct node *a, struct node *b) {
    return repl_offset(a->repl) == repl_offset(b->repl) &&
           !strcmp(repl_id(a->repl), repl_id(b->repl)) && status(b).link == REPL_LINK_CONNECTED;
}

static bool has(struct node *n, const char *key, const char *value) {
    const char *v = rig_get(&n->g, key);
    return v && !strcmp(v, value);
}

static bool has_wide(struct node *n, const char *key) {
    struct entry *e = store_find(n->g.store, 0, (struct bytes){key, strlen(key)});
    return e && string_len(e) == 200000;
}

static void fill(struct node *n, const char *prefix, int count) {
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%d", prefix, i);
        node_set(n, i % 3, key, "some value of a usual length, and a bit more");
    }
}

static size_t keys(struct node *n) {
    size_t count = 0;
    for (int db = 0; db < 16; db++) count += store_count(n->g.store, db);
    return count;
}

static void test_plain(struct loop *l) {
    struct node m, s, sub;
    node_open(&m, l, "m", 0);
    node_open(&s, l, "s", 0);
    node_open(&sub, l, "sub", 0);
    fill(&m, "first", 3000);
    node_set(&s, 0, "own", "1");
    repl_follow(s.repl, "127.0.0.1", m.port, false);
    ok(until(&s, level(&m, &s)), "a slave gets a first copy and streams");
    ok(keys(&s) == 3000 && !rig_get(&s.g, "own") && s.replaced,
       "it holds the master's data and nothing else");
    repl_follow(sub.repl, "127.0.0.1", s.port, false);
    node_set(&m, 0, "more", "2");
    ok(until(&s, level(&m, &s) && level(&s, &sub)) && has(&sub, "more", "2"),
       "a slave of the slave follows too");

    repl_feed_begin(m.repl);
    node_set(&m, 0, "t1", "1");
    node_set(&m, 4, "t2", "2");
    repl_feed_end(m.repl);
    repl_feed_begin(m.repl);
    node_set(&m, 0, "t3", "3");
    repl_feed_end(m.repl);
    repl_feed_begin(m.repl);
    repl_feed_end(m.repl);
    char *wide = xmalloc(200001); /* over several pieces of the backlog */
    memset(wide, 'w', 200000);
    wide[200000] = '\0';
    for (int i = 0; i < 3;
         i++) { /* the log is flushed inside: of a group it may have none or all */
        repl_feed_begin(m.repl);
        node_set(&m, 0, "t4", wide);
        repl_before_sleep(m.repl);
        if (i) node_set(&m, 5, "t5", "5");
        if (i == 2) node_set(&m, 0, "t6", wide);
        repl_feed_end(m.repl);
    }
    ok(until(&s, level(&m, &s)) && has(&s, "t1", "1") && has(&s, "t3", "3") && has_wide(&s, "t4") &&
           has_wide(&s, "t6") && store_count(s.g.store, 4) == 1 && store_count(s.g.store, 5) == 1,
       "transactions arrive, over databases");
    free(wide);
    repl_ask_acks(m.repl);
    ok(until(&m, repl_count_acked(m.repl, repl_offset(m.repl) - 60, NULL) == 1),
       "asked, it acknowledges");
    ok(repl_good_slaves(m.repl) == 1, "and counts as good");

    repl_drop_slaves(m.repl, "the test cuts it");
    node_set(&m, 0, "while away", "3");
    uint64_t full = status(&m).sync_full;
    ok(until(&s, level(&m, &s)) && has(&s, "while away", "3"), "a cut link comes back");
    ok(status(&m).sync_full == full && status(&m).sync_partial_ok == 1,
       "by a partial resynchronisation");

    /* Far more than the backlog holds: the kept log serves it. */
    repl_none(s.repl);
    fill(&m, "second", 30000);
    until(&m, status(&m).backlog_first_offset > repl_offset(s.repl));
    ok(status(&m).backlog_first_offset > repl_offset(s.repl), "the backlog has moved on");
    repl_follow(s.repl, "127.0.0.1", m.port, false);
    ok(until(&s, level(&m, &s)) && keys(&s) == keys(&m),
       "the log serves what the backlog no longer holds");
    ok(status(&m).sync_full == full, "without a full copy");

    /* A slave dies and comes back: its log proves its offset. */
    until(&sub, level(&s, &sub));
    node_die(&s, false);
    node_set(&m, 0, "while dead", "4");
    node_load(&s);
    ok(!strcmp(repl_id(s.repl), repl_id(m.repl)) && keys(&s) > 30000,
       "a killed slave loads id, offset and data");
    repl_follow(s.repl, "127.0.0.1", m.port, false);
    ok(until(&s, level(&m, &s)) && has(&s, "while dead", "4") && status(&m).sync_full == full,
       "and continues by partial resynchronisation");
    ok(until(&sub, level(&s, &sub)) && has(&sub, "while dead", "4"), "so does its own slave");

    /* The master dies and comes back: a new line, which its slaves continue. */
    char id[41];
    snprintf(id, sizeof id, "%s", repl_id(m.repl));
    node_die(&m, false);
    node_load(&m);
    node_set(&m, 0, "reborn", "5");
    ok(strcmp(id, repl_id(m.repl)) && !strcmp(status(&m).id2, id),
       "a master that was killed begins a new line");
    ok(until(&s, level(&m, &s)) && has(&s, "reborn", "5") && status(&m).sync_full == 0 &&
           status(&m).sync_partial_ok == 1,
       "its slave continues on it");
    ok(until(&sub, level(&m, &sub)) && has(&sub, "reborn", "5"), "and the slave's slave");
    node_close(&sub);
    node_close(&s);
    node_close(&m);
}

static void test_password(struct loop *l) {
    struct node m, s;
    node_open(&m, l, "pm", 0);
    node_open(&s, l, "ps", 0);
    m.password = "secret";
    node_set(&m, 0, "a", "1");
    repl_follow(s.repl, "127.0.0.1", m.port, false);
    ok(until(&s, strstr(status(&s).last_error, "NOAUTH")),
       "without its password the master refuses, and status says so");
    s.o.master_auth = "secret";
    repl_reconfigure(s.repl, &s.o);
    ok(until(&s, level(&m, &s)) && has(&s, "a", "1"), "with it the slave follows");
    node_close(&s);
    node_close(&m);
}

static void test_copy_under_writes(struct loop *l) {
    struct node m, s, t;
    node_open(&m, l, "cm", 0);
    node_open(&s, l, "cs", 0);
    node_open(&t, l, "ct", 0);
    fill(&m, "k", 60000);
    repl_follow(s.repl, "127.0.0.1", m.port, false);
    repl_follow(t.repl, "127.0.0.1", m.port, false);
    for (int round = 0; round < 3000 && !(level(&m, &s) && level(&m, &t)); round++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "k%d", (round * 7919) % 60000 / 3 * 3);
        snprintf(value, sizeof value, "new %d", round);
        if (round < 1500) node_set(&m, 0, key, value);
        loop_turn(l, false);
    }
    ok(until(&s, level(&m, &s) && level(&m, &t)), "two slaves are copied while keys change");
    size_t different = 0;
    for (int i = 0; i < 60000; i += 3) {
        char key[32];
        snprintf(key, sizeof key, "k%d", i);
        const char *v = rig_get(&m.g, key);
        different += !v || !has(&s, key, v) || !has(&t, key, v);
    }
    is_int((int64_t)different, 0, "and hold the same, key by key");
    node_close(&t);
    node_close(&s);
    node_close(&m);
}

static bool make_master(struct node *n) {
    char err[200];
    return repl_master(n->repl, err, sizeof err);
}

static void test_pair(struct loop *l) {
    struct node a, b;
    node_open(&a, l, "a", 'a');
    node_open(&b, l, "b", 'b');
    ok(repl_role(a.repl) == REPL_NONE, "a pair's node begins without a role");
    ok(make_master(&a), "it becomes master when told");
    node_set(&a, 0, "x", "1");
    uint64_t w1 = repl_offset(a.repl);
    loop_turn(l, false);
    ok(repl_release_offset(a.repl) < w1, "without its slave, a write's reply is held");
    repl_follow(b.repl, "127.0.0.1", a.port, true);
    ok(until(&a, repl_release_offset(a.repl) >= w1) && a.released,
       "it is released when the slave has it");
    ok(until(&b, status(&b).insync_link) && status(&a).insync_link,
       "both say that the link has no gap");
    ok(status(&a).session > 0 && status(&a).session == status(&b).session,
       "and name the same session");
    node_set(&a, 0, "y", "2");
    uint64_t w2 = repl_offset(a.repl);
    ok(until(&a, repl_pair_acked_offset(a.repl) >= w2), "each batch is acknowledged at once");

    /* Disk: both must have fsynced. */
    a.o.durability = REPL_DISK;
    repl_reconfigure(a.repl, &a.o);
    b.g.o.fsync = PERSIST_FSYNC_ALWAYS;
    persist_set_fsync(b.g.persist, PERSIST_FSYNC_ALWAYS);
    persist_set_fsync(a.g.persist, PERSIST_FSYNC_ALWAYS);
    node_set(&a, 0, "z", "3");
    w2 = repl_offset(a.repl);
    ok(until(&a, repl_release_offset(a.repl) >= w2) && status(&a).acked_synced >= w2 &&
           persist_synced_offset(a.g.persist) >= w2,
       "with durability disk it is released when both have it on disk");
    a.o.durability = REPL_PAIR;
    repl_reconfigure(a.repl, &a.o);

    /* The slave goes: held again, until alone is set. */
    repl_none(b.repl);
    until(&a, !status(&a).insync_link);
    node_set(&a, 0, "alone", "1");
    w2 = repl_offset(a.repl);
    loop_turn(l, false);
    ok(repl_release_offset(a.repl) < w2 && status(&a).session == 0,
       "without the slave, held again");
    repl_set_alone(a.repl, true);
    ok(until(&a, repl_release_offset(a.repl) >= w2), "alone, released");
    repl_set_alone(a.repl, false);
    repl_follow(b.repl, "127.0.0.1", a.port, true);
    ok(until(&b, level(&a, &b)), "the slave is back");

    /* b is promoted while a has writes that b never saw. */
    repl_none(b.repl);
    until(&a, !status(&a).insync_link);
    node_set(&a, 0, "tail1", "1");
    node_set(&a, 7, "tail2", "2");
    loop_turn(l, false);
    uint64_t fork = repl_offset(b.repl);
    char old_id[41];
    snprintf(old_id, sizeof old_id, "%s", repl_id(a.repl));
    ok(make_master(&b), "the slave is promoted");
    ok(strcmp(repl_id(b.repl), old_id) && !strcmp(status(&b).id2, old_id) &&
           status(&b).second_offset == (int64_t)fork + 1,
       "a new line, the old one is kept as the second");
    node_set(&b, 0, "new", "1");
    repl_follow(a.repl, "127.0.0.1", b.port, true);
    ok(until(&a, level(&b, &a)), "the old master comes back as its slave");
    is_int((int64_t)status(&a).rejoin_tail, 2, "its two writes were put aside");
    struct buf tail = rig_read(status(&a).rejoin_file);
    buf_cstr(&tail);
    ok(buf_len(&tail) && strstr(buf_head(&tail), "tail1") &&
           strstr(buf_head(&tail), "SELECT\r\n$1\r\n7") && strstr(buf_head(&tail), "tail2") &&
           !strstr(buf_head(&tail), "alone"),
       "as requests, with their databases, and no others");
    buf_free(&tail);
    ok(!rig_get(&a.g, "tail1") && has(&a, "new", "1"), "and its data is the new master's");

    /* Back again without a tail: a switchover. */
    until(&b, repl_release_offset(b.repl) >= repl_offset(b.repl));
    uint64_t full = status(&a).sync_full + status(&b).sync_full;
    repl_none(b.repl);
    ok(make_master(&a), "a switchover back");
    node_set(&a, 0, "back", "1");
    repl_follow(b.repl, "127.0.0.1", a.port, true);
    ok(until(&b, level(&a, &b)) && has(&b, "back", "1"), "the demoted master follows");
    is_int((int64_t)(status(&a).sync_full + status(&b).sync_full - full), 0,
           "by a partial resynchronisation");
    is_int((int64_t)status(&b).rejoin_tail, 0, "with nothing to put aside");

    /* A stranger's letter, and the own one. */
    struct repl_conf *conf = NULL;
    struct buf reply = BUF_INIT;
    struct bytes hello[5] = {BYTES("REPLCONF"), BYTES("duet-hello"), BYTES("1"), BYTES("a"),
                             BYTES("00112233445566778899aabbccddeeff")};
    struct stream *nobody = stream_plain(-1);
    repl_conf(a.repl, &conf, 5, hello, nobody, &reply);
    free(nobody);
    ok(buf_len(&reply) && buf_head(&reply)[0] == '-', "a node does not pair with itself");
    repl_conf_free(conf);
    buf_free(&reply);

    /* Crash of the slave, restart, PSYNC from what its log proves. */
    full = status(&a).sync_full;
    node_die(&b, false);
    node_set(&a, 0, "missed", "1");
    node_load(&b);
    repl_follow(b.repl, "127.0.0.1", a.port, true);
    ok(until(&b, level(&a, &b)) && has(&b, "missed", "1"), "a killed slave continues from its log");
    is_int((int64_t)(status(&a).sync_full - full), 0, "by a partial resynchronisation again");

    /* A line that the master does not know: the log is put aside whole. */
    struct node c;
    node_open(&c, l, "c", 'b');
    make_master(&c);
    repl_set_alone(c.repl, true);
    node_set(&c, 0, "stranger", "1");
    loop_turn(l, false);
    repl_follow(c.repl, "127.0.0.1", a.port, true);
    ok(until(&c, level(&a, &c)) && !rig_get(&c.g, "stranger"),
       "a node of another line takes a full copy");
    char *tails = rig_path("c/tails");
    DIR *d = opendir(tails);
    int found = 0;
    for (struct dirent *e; d && (e = readdir(d));) found += !strncmp(e->d_name, "log-", 4);
    if (d) closedir(d);
    is_int(found, 1, "after its own log was put aside");
    free(tails);
    node_close(&c);
    node_close(&b);
    node_close(&a);
}

int main(void) {
    rig_start();
    struct loop *l = loop_new();
    test_plain(l);
    test_password(l);
    test_copy_under_writes(l);
    test_pair(l);
    /* Guests that are still open belong to nobody any more. */
    loop_free(l);
    return done();
}
