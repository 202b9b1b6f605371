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
/* Both ends of a replication link against bytes from the other one, with real sockets, log and loop in one process: a slave's requests
 * to a master (the first byte even), a master's lines, copy and stream to a slave (odd). The bits above say how far the handshake is
 * done sanely before. Nobody crashes, and the master's data stays. */
#include "tests/unit/persist_rig.h"

#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/proto/resp.h"
#include "server/repl/repl.h"

#include <netinet/in.h>
#include <sanitizer/lsan_interface.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS = 40, KEYS = 50 };

struct side {
    struct rig g;
    struct repl_options o;
    struct repl *repl;
    char *dir;
};
static struct side master, slave;
static struct loop *loop;
static int listener;
static uint16_t port;

static bool apply(void *arg, int db, int argc, const struct bytes *argv, char *err,
                  size_t err_size) {
    struct side *n = arg;
    return db >= 0 && db < 16 && rig_run(&n->g, db, argc, argv, err, err_size);
}

static void open_side(struct side *n, const char *name) {
    struct persist_world world = {.arg = &n->g, .run = rig_run};
    struct repl_world rworld = {.arg = n, .apply = apply};
    n->dir = rig_path(name);
    n->g.loop = loop;
    n->g.store = store_new(16, 1);
    persist_defaults(&n->g.o);
    n->g.o.fsync = PERSIST_FSYNC_NO;
    n->g.o.dir = n->dir;
    n->g.persist = persist_open(&n->g.o, n->g.store, loop, &world, n->g.err, sizeof n->g.err);
    while (persist_load_step(n->g.persist, 1000) == PERSIST_LOADING) {
    }
    repl_defaults(&n->o);
    n->o.dir = n->dir;
    n->repl = repl_open(&n->o, n->g.persist, n->g.store, loop, &rworld);
}

static void set(int i) {
    char key[16];
    snprintf(key, sizeof key, "key%d", i);
    struct bytes argv[3] = {BYTES("SET"), {key, strlen(key)}, BYTES("value")};
    rig_run(&master.g, 0, 3, argv, master.g.err, sizeof master.g.err);
    repl_feed(master.repl, 0, 3, argv);
}

static void start(void) {
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    __lsan_disable(); /* the store's references are no pointers: what it holds would be taken for lost */
    rig_start();
    loop = loop_new();
    open_side(&master, "m");
    open_side(&slave, "s");
    for (int i = 0; i < KEYS; i++) set(i);
    listener = sock_listen_tcp("127.0.0.1", 0, 16, NULL);
    getsockname(listener, (struct sockaddr *)&sa, &len);
    port = ntohs(sa.sin_port);
}

static void turn(struct side *n, int times) {
    for (int i = 0; i < times; i++) {
        repl_before_sleep(n->repl);
        store_work(n->g.store, 1000);
        loop_turn(loop, false);
    }
}

static void push(int fd, const char *p, size_t n) {
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

/* ---- A hostile slave --------------------------------------------------------------------------- */

static void against_master(unsigned how, const char *p, size_t n) {
    static const struct resp_limits limits = {.bulk_max = 1 << 20};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
    struct stream *s = stream_plain(pair[0]);
    struct repl_conf *conf = NULL;
    struct resp_parser parser = {0};
    struct resp_args a = {0};
    struct buf reply = BUF_INIT, unsent = BUF_INIT, unread = BUF_INIT;
    bool taken = false;
    while (n && !taken && resp_parse(&parser, p, n, &limits, &a) == RESP_DONE) {
        p += parser.used, n -= parser.used;
        if (bytes_is(a.v[0], "psync") || bytes_is(a.v[0], "sync")) {
            if (how & 2) buf_add(&unread, p, n);
            taken = repl_take(master.repl, &conf, (int)a.count, a.v, s, &unsent, &unread, &reply);
        } else if (bytes_is(a.v[0], "replconf") &&
                   !(a.count > 1 && bytes_is(a.v[1], "duet-pair"))) {
            repl_conf(master.repl, &conf, (int)a.count, a.v, s, &reply);
        }
        a.count = 0;
    }
    turn(&master, how & 4 ? 1 : TURNS);
    if (!(how & 2)) push(pair[1], p, n);
    set(0);
    turn(&master, TURNS);
    if (store_count(master.g.store, 0) != KEYS) abort();
    close(pair[1]);
    if (!taken) {
        stream_free(s);
        repl_conf_free(conf);
    }
    for (int i = 0; i < 1000 && repl_slave_count(master.repl); i++) turn(&master, 1);
    repl_drop_slaves(master.repl, "the input is over");
    turn(&master, 2);
    resp_parser_free(&parser);
    resp_args_free(&a);
    buf_free(&reply);
    buf_free(&unsent);
    buf_free(&unread);
}

/* ---- A hostile master -------------------------------------------------------------------------- */

static void against_slave(unsigned how, const char *p, size_t n) {
    static const char *const sane[] = {
        "", "+PONG\r\n+OK\r\n+OK\r\n",
        "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC "
        "0123456789012345678901234567890123456789 5\r\n",
        "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 5\r\n$18\r\n"
        "REDIS0010\xff\0\0\0\0\0\0\0\0"};
    static const size_t len[] = {0, 17, 17 + 56, 17 + 56 + 5 + 18};
    int fd = -1;
    repl_follow(slave.repl, "127.0.0.1", port, false);
    for (int i = 0; i < 1000 && fd < 0; i++) {
        turn(&slave, 1);
        fd = sock_accept(listener);
    }
    if (fd < 0) abort();
    push(fd, sane[how >> 1 & 3], len[how >> 1 & 3]);
    if (how & 8) turn(&slave, TURNS);
    push(fd, p, n);
    for (int i = 0; i < TURNS; i++) {
        turn(&slave, 1);
        if (i % 8 == 7) usleep(200); /* a copy is loaded by a thread */
    }
    close(fd);
    char err[200];
    struct repl_status st;
    for (int i = 0; i < 5000; i++) {
        turn(&slave, 1);
        repl_status(slave.repl, &st);
        if (!st.loading && repl_master(slave.repl, err, sizeof err)) break;
        if (i > 1000) usleep(1000);
    }
    int more;
    while ((more = sock_accept(listener)) >= 0) close(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 8192) return 0;
    if (!loop) start();
    if (data[0] & 1)
        against_slave(data[0], (const char *)data + 1, size - 1);
    else
        against_master(data[0], (const char *)data + 1, size - 1);
    return 0;
}
