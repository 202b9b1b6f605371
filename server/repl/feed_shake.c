/* How a connection becomes a slave's: what its REPLCONFs say, and PSYNC or SYNC. */
#include "server/repl/inside.h"

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/proto/replline.h"
#include "server/proto/resp.h"

#include <stdlib.h>
#include <string.h>

void repl_conf_of(struct repl_conf **conf, uint64_t id, uint64_t created_ns) {
    if (!*conf) *conf = xcalloc(1, sizeof **conf);
    (*conf)->client_id = id;
    (*conf)->created_ns = created_ns;
}

void repl_conf_free(struct repl_conf *conf) {
    free(conf);
}

static void conf_option(struct repl_conf *c, struct bytes name, struct bytes value) {
    uint64_t port;
    if (bytes_is(name, "listening-port") && num_parse_u64(value.p, value.len, &port) &&
        port <= UINT16_MAX)
        c->port = (uint16_t)port;
    if (bytes_is(name, "ip-address") && value.len < sizeof c->host) {
        memcpy(c->host, value.p, value.len);
        c->host[value.len] = '\0';
    }
    if (bytes_is(name, "rdb-only")) c->rdb_only = bytes_is(value, "1");
    if (bytes_is(name, "capa") && bytes_is(value, "eof")) c->eof = true;
    if (bytes_is(name, "capa") && bytes_is(value, "psync2")) c->psync2 = true;
    /* hactl export, for a target that is older than it */
    if (bytes_is(name, "capa") && bytes_is(value, "rdb-version-7")) c->rdb_version = 7;
    if (bytes_is(name, "capa") && bytes_is(value, "rdb-version-6")) c->rdb_version = 6;
}

void repl_conf(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *reply) {
    static const char *const known[] = {
        "listening-port", "ip-address", "capa",     "ack",
        "fack",           "getack",     "rdb-only", "rdb-filter-only"};
    if (!*conf) *conf = xcalloc(1, sizeof **conf);
    if (argc >= 2 && bytes_is(argv[1], "duet-hello")) {
        pair_hello(r, *conf, argc, argv, s, reply);
        return;
    }
    if (argc % 2 == 0) {
        resp_error(reply, "ERR syntax error");
        return;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        bool ok = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            ok = ok || bytes_is(argv[i], known[k]);
        if (!ok) {
            resp_errorf(reply, "ERR Unrecognized REPLCONF option: %.*s", (int)argv[i].len,
                        argv[i].p);
            return;
        }
        if (bytes_is(argv[i], "rdb-filter-only") && argv[i + 1].len) {
            /* there are no functions to be had alone; an empty filter asks for less than it gets */
            resp_errorf(reply, "ERR Unsupported rdb-filter-only option: %.*s", (int)argv[i + 1].len,
                        argv[i + 1].p);
            return;
        }
        if (bytes_is(argv[i], "ack") || bytes_is(argv[i], "getack"))
            return; /* these are not answered */
        conf_option(*conf, argv[i], argv[i + 1]);
    }
    resp_status(reply, "OK");
}

static bool try_continue(struct repl *r, struct feed *f, struct bytes id_word,
                         struct bytes offset_word) {
    uint64_t wanted, fork;
    char id[PERSIST_ID_CHARS + 1] = "";
    if (!replline_is_id(id_word) || !num_parse_u64(offset_word.p, offset_word.len, &wanted) ||
        wanted == 0)
        return false;
    memcpy(id, id_word.p, PERSIST_ID_CHARS);
    uint64_t has = wanted - 1; /* PSYNC names the first byte wanted, counted from 1 */
    bool ours = stream_fork(r, id, has, &fork) && fork == has && stream_serves(r, has);
    if (ours && !f->conf.psync2 && strcmp(id, r->id) != 0)
        ours = false; /* it cannot be told of the new id */
    if (!ours) {
        if (id_word.len != 1) r->sync_partial_err++;
        return false;
    }
    r->sync_partial_ok++;
    if (f->conf.psync2)
        buf_printf(&f->out, "+CONTINUE %s\r\n", r->id);
    else
        buf_add_str(&f->out, "+CONTINUE\r\n");
    log_notice("replication: slave %s continues at offset %llu", f->conf.host,
               (unsigned long long)has);
    feed_online(f, has);
    return true;
}

/* Whom we cannot serve: those who would get less than all. */
static bool serves(const struct repl *r) {
    return !r->barred && r->role != REPL_NONE && (!is_slave(r) || link_streaming(r->link)) &&
           r->whole;
}

static const char not_now[] = "NOMASTERLINK Can't SYNC while not connected with my master";

static void begin(struct feed *f, bool psync, const struct bytes *argv) {
    struct repl *r = f->r;
    f->psync = psync;
    if (!psync || !try_continue(r, f, argv[1], argv[2])) {
        r->sync_full++;
        transfer_join(r, f);
    }
    repl_changed(r);
}

void feed_take_psync(struct feed *f, int argc, const struct bytes *argv) {
    struct repl *r = f->r;
    must(argc == 3, "the pair's slave says PSYNC with two words");
    if (!serves(r)) {
        resp_error(&f->out, not_now);
        feed_flush(f);
        return;
    }
    stream_own_line(r);
    stream_flush(r);
    begin(f, true, argv);
}

bool repl_take(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *unsent, struct buf *unread, struct buf *reply) {
    bool psync = bytes_is(argv[0], "psync");
    if (bytes_is(argv[0], "replconf"))
        return pair_take(r, conf, argc, argv, s, unsent, unread, reply);
    if (psync && argc != 3) {
        resp_error(reply, "ERR wrong number of arguments for 'psync' command");
        return false;
    }
    if (!serves(r)) {
        resp_error(reply, not_now);
        return false;
    }
    stream_own_line(r);
    stream_flush(r);
    struct feed *f = feed_new(r, *conf, s, unsent, unread);
    repl_conf_free(*conf);
    *conf = NULL;
    begin(f, psync, argv);
    feed_parse(f);
    return true;
}
