#include "hactl/witness_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hactl/ha_setup.h"
#include "hactl/request_sock.h"
#include "hactl/witness_pairs.h"
#include "hactl/witness_sock.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"

#define TICK_NS        (50 * NS_PER_MS)
#define GAP_NS         (int64_t)(250 * NS_PER_MS) /* we stood still: what came meanwhile came in no order */
#define QUIET_NS       (int64_t)(60 * NS_PER_S) /* the same complaint is logged once a minute */
#define RECEIVE_BUDGET 256

/* An answer that waits for the disk. */
struct waiting {
    struct waiting *next;
    uint16_t pair;
    struct witness_way way;
};

struct witness {
    struct loop *loop;
    struct witness_options options;
    char host[64]; /* of a node's `listen` */
    struct witness_pairs pairs;
    struct witness_store *store;
    int fd;
    struct loop_io *io;
    struct loop_timer *tick;
    struct request_sock *sock;
    struct waiting *waiting;
    uint8_t secret[WITNESS_SECRET];
    int64_t started_at, watching_since, ticked_at, complained_at;
    uint64_t asks, strangers; /* strangers: of no pair of ours, or no ask at all */
};

static int64_t now_ns(void) {
    return (int64_t)clock_boot_ns();
}

static struct witness_now times(const struct witness *w) {
    return (struct witness_now){
        .now = now_ns(), .watching_since = w->watching_since, .secret = w->secret};
}

/* ---- answers ----------------------------------------------------------------------------------- */

static const char *epoch_text(uint64_t epoch, char out[40]) {
    snprintf(out, 40, "%llu of %c", (unsigned long long)ha_epoch_number(epoch),
             ha_epoch_node(epoch) ? 'b' : 'a');
    return epoch ? out : "none";
}

static void reply(struct witness *w, const struct witness_pair *p,
                  const struct witness_answer *answer, const struct witness_way *way) {
    uint8_t bytes[WITNESS_BYTES];
    witness_put_answer(answer, p->key, bytes);
    witness_sock_send(w->fd, bytes, sizeof bytes, way);
}

static void remember(struct witness *w, uint16_t pair, const struct witness_way *way) {
    struct waiting *one = xcalloc(1, sizeof *one);
    one->pair = pair;
    one->way = *way;
    one->next = w->waiting;
    w->waiting = one;
}

static bool recall(struct witness *w, uint16_t pair, struct witness_way *way) {
    for (struct waiting **at = &w->waiting; *at; at = &(*at)->next) {
        struct waiting *one = *at;
        if (one->pair != pair) continue;
        *way = one->way;
        *at = one->next;
        free(one);
        return true;
    }
    return false;
}

static void on_saved(void *arg, uint16_t pair, bool ok) {
    struct witness *w = arg;
    struct witness_way way;
    struct witness_answer answer;
    struct witness_pair *p = w->pairs.by_number[pair];
    struct witness_now t = times(w);
    char before[40], after[40];
    if (!recall(w, pair, &way) || !p || !p->saving) return; /* taken off the list meanwhile */
    uint64_t old = p->holder;
    bool told = witness_pair_saved(p, ok, &t, &answer) == WITNESS_REPLY;
    if (p->holder != old)
        log_notice("pair %u: node %c holds the lease by %s (epoch %s, before %s)", pair,
                   p->flight.node ? 'b' : 'a', witness_kind_name(p->flight.kind),
                   epoch_text(p->holder, after), epoch_text(old, before));
    if (told) reply(w, p, &answer, &way);
}

/* ---- asks -------------------------------------------------------------------------------------- */

static void complain(struct witness *w, const char *what, unsigned pair,
                     const struct witness_way *way) {
    char from[INET6_ADDRSTRLEN];
    if (now_ns() - w->complained_at < QUIET_NS) return;
    w->complained_at = now_ns();
    log_warning("a datagram from %s for pair %u is refused: %s (said once a minute; `duet witness "
                "status` counts them)",
                witness_way_text(way, from), pair, what);
}

/* Once for each epoch that is refused: a slave asks with every tick. */
static void log_verdict(struct witness_pair *p, const struct witness_ask *ask,
                        const struct witness_answer *a, uint8_t before) {
    char asked[40], holder[40];
    struct witness_asker *who = &p->askers[ask->node];
    bool news = ask->epoch != who->told || a->verdict != before;
    if (a->verdict != WITNESS_REFUSED || !news) return;
    who->told = ask->epoch;
    log_notice("pair %u: node %c asks to %s epoch %s and is refused: %s (%s)", p->number,
               ask->node ? 'b' : 'a', witness_kind_name(ask->kind), epoch_text(ask->epoch, asked),
               witness_reason_name(a->reason), epoch_text(a->holder, holder));
}

static void handle(struct witness *w, const uint8_t *bytes, size_t len,
                   const struct witness_way *way) {
    struct witness_ask ask;
    struct witness_answer answer;
    struct witness_now t = times(w);
    uint16_t number = witness_pair_of(bytes, len);
    struct witness_pair *p = number ? w->pairs.by_number[number] : NULL;
    if (!p) {
        w->strangers++;
        complain(w, number ? "this witness serves no such pair" : "it is no ask", number, way);
        return;
    }
    enum witness_result r = witness_get_ask(bytes, len, p->key, &ask);
    if (r != WITNESS_OK) {
        p->forged++;
        complain(w, witness_result_name(r), number, way);
        return;
    }
    if (p->damaged) return; /* said at the start, and in the status */
    w->asks++;
    uint8_t before = p->askers[ask.node].verdict;
    enum witness_do todo = witness_pair_ask(p, &ask, &t, &answer);
    if (todo == WITNESS_SAVE) {
        remember(w, number, way);
        witness_store_save(w->store, number, p->next);
    } else if (todo == WITNESS_REPLY) {
        log_verdict(p, &ask, &answer, before);
        reply(w, p, &answer, way);
    }
}

/* Since when have we been listening: a gap of our own (stopped, suspended, starved) begins it anew. */
static void look_at_ourselves(struct witness *w) {
    int64_t now = now_ns();
    if (now - w->ticked_at > GAP_NS) {
        log_warning("this witness stood still for %lld ms: nobody takes a lease until it has "
                    "watched for long "
                    "enough again",
                    (long long)((now - w->ticked_at) / HA_MS));
        w->watching_since = now;
    }
    w->ticked_at = now;
}

static void on_tick(struct loop *l, void *arg) {
    (void)l;
    look_at_ourselves(arg);
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct witness *w = arg;
    (void)l, (void)revents;
    look_at_ourselves(w);
    for (int i = 0; i < RECEIVE_BUDGET; i++) {
        uint8_t bytes[WITNESS_BYTES + 1];
        struct witness_way way;
        ssize_t n = witness_sock_receive(w->fd, bytes, sizeof bytes, &way);
        if (n < 0) return;
        handle(w, bytes, (size_t)n, &way);
    }
}

/* ---- status ------------------------------------------------------------------------------------ */

static void report_asker(const struct witness_pair *p, int n, int node, struct buf *out) {
    const struct witness_asker *who = &p->askers[node];
    const char *c = node ? "b" : "a";
    int64_t age = who->asks ? (now_ns() - who->at) / HA_MS : -1;
    buf_printf(out, "pairs.%d.%s.asked_ms %lld\n", n, c, (long long)age);
    buf_printf(out, "pairs.%d.%s.asks %llu\n", n, c, (unsigned long long)who->asks);
    buf_printf(out, "pairs.%d.%s.last \"%s\"\n", n, c,
               who->asks ? witness_kind_name(who->kind) : "");
    buf_printf(out, "pairs.%d.%s.lives %llu\n", n, c, (unsigned long long)who->lives);
}

static void report_pair(const struct witness_pair *p, int n, struct buf *out) {
    bool renewed = p->renewed_at != WITNESS_NEVER;
    buf_printf(out, "pairs.%d.number %u\n", n, p->number);
    buf_printf(out, "pairs.%d.name \"", n);
    for (const char *c = p->name; *c; c++)
        buf_add_str(out, (char[]){*c < ' ' || *c == '"' || *c == '\\' ? '?' : *c, 0});
    buf_add_str(out, "\"\n");
    buf_printf(out, "pairs.%d.epoch %llu\n", n, (unsigned long long)ha_epoch_number(p->holder));
    buf_printf(out, "pairs.%d.holder \"%s\"\n", n,
               !p->holder                 ? ""
               : ha_epoch_node(p->holder) ? "b"
                                          : "a");
    buf_printf(out, "pairs.%d.renewed_ms %lld\n", n,
               renewed ? (long long)((now_ns() - p->renewed_at) / HA_MS) : -1LL);
    buf_printf(out, "pairs.%d.damaged %s\n", n, p->damaged ? "true" : "false");
    buf_printf(out, "pairs.%d.granted %llu\n", n, (unsigned long long)p->granted);
    buf_printf(out, "pairs.%d.refused %llu\n", n, (unsigned long long)p->refused);
    buf_printf(out, "pairs.%d.challenged %llu\n", n, (unsigned long long)p->challenged);
    buf_printf(out, "pairs.%d.repeated %llu\n", n, (unsigned long long)p->repeated);
    buf_printf(out, "pairs.%d.forged %llu\n", n, (unsigned long long)p->forged);
    for (int node = 0; node < 2; node++) report_asker(p, n, node, out);
}

static enum request_verdict on_request(void *arg, uint32_t id, int argc, char **argv,
                                       struct buf *sentence, struct buf *fields) {
    struct witness *w = arg;
    (void)id;
    if (argc != 1 || strcmp(argv[0], "status") != 0) {
        buf_add_str(sentence, "the witness answers `status` only");
        return REQUEST_NO;
    }
    buf_printf(sentence, "%d pairs", w->pairs.count);
    buf_printf(fields, "uptime_ms %lld\n", (long long)((now_ns() - w->started_at) / HA_MS));
    buf_printf(fields, "watching_ms %lld\n", (long long)((now_ns() - w->watching_since) / HA_MS));
    buf_printf(fields, "asks %llu\n", (unsigned long long)w->asks);
    buf_printf(fields, "strangers %llu\n", (unsigned long long)w->strangers);
    for (int i = 0, n = 0; i < 65536; i++)
        if (w->pairs.by_number[i]) report_pair(w->pairs.by_number[i], n++, fields);
    return REQUEST_YES;
}

/* ---- start and end ----------------------------------------------------------------------------- */

/* Those that have no state yet: at the start, and after a reload. */
static void read_states(struct witness *w) {
    for (int i = 0; i < 65536; i++) {
        struct witness_pair *p = w->pairs.by_number[i];
        struct witness_error err;
        uint64_t holder;
        if (!p || p->begun) continue;
        p->damaged = witness_store_read(w->store, p->number, &holder, &err) == WITNESS_DAMAGED;
        if (p->damaged) log_error("%s", err.text);
        witness_pair_begin(p, holder);
    }
}

static bool read_pairs(const struct witness_options *o, struct witness_pairs *out,
                       struct conf_error *err) {
    return o->node ? witness_pairs_read_node(out, o->pairs, err)
                   : witness_pairs_read(out, o->pairs, err);
}

void witness_reload(struct witness *w) {
    struct witness_pairs fresh;
    struct conf_error err;
    if (!read_pairs(&w->options, &fresh, &err)) {
        log_error("%s; the pairs stay as they were", err.text);
        return;
    }
    witness_pairs_replace(&w->pairs, &fresh);
    read_states(w);
    log_notice("serves %d pairs", w->pairs.count);
}

struct witness *witness_new(struct loop *l, const struct witness_options *o,
                            struct witness_error *err) {
    struct witness *w = xcalloc(1, sizeof *w);
    struct conf_error conf_err;
    struct sock_error sock_err = {{0}};
    char path[300];
    *w = (struct witness){.loop = l, .options = *o, .fd = -1, .complained_at = -QUIET_NS};
    rand_bytes(w->secret, sizeof w->secret);
    w->started_at = w->watching_since = w->ticked_at = now_ns();
    snprintf(path, sizeof path, "%.270s/witness.sock", o->state);
    if (!read_pairs(o, &w->pairs, &conf_err)) {
        snprintf(err->text, sizeof err->text, "%s", conf_err.text);
    } else if ((w->store = witness_store_open(l, o->state, on_saved, w, err))) {
        bool said = w->pairs.host[0] != 0;
        if (said) snprintf(w->host, sizeof w->host, "%s", w->pairs.host);
        if (said) w->options.host = w->host, w->options.port = w->pairs.port;
        w->fd = witness_sock_open(w->options.host, w->options.port, &sock_err);
        if (w->fd >= 0) w->sock = request_sock_new(l, path, on_request, w, &sock_err);
        if (!w->sock) snprintf(err->text, sizeof err->text, "%s", sock_err.text);
    }
    if (!w->sock) {
        witness_free(w);
        return NULL;
    }
    read_states(w);
    log_notice("listens on UDP port %u of %s, state in %s, %d pairs", w->options.port,
               w->options.host, o->state, w->pairs.count);
    w->io = loop_io_new(l, w->fd, on_readable, w);
    loop_io_want(w->io, LOOP_READ);
    w->tick = loop_timer_new(l, on_tick, w);
    loop_timer_start(w->tick, TICK_NS, TICK_NS);
    return w;
}

void witness_free(struct witness *w) {
    if (!w) return;
    loop_timer_free(w->tick);
    loop_io_free(w->io);
    request_sock_free(w->sock);
    witness_store_close(w->store);
    if (w->fd >= 0) close(w->fd);
    for (struct waiting *one; (one = w->waiting); free(one)) w->waiting = one->next;
    witness_pairs_free(&w->pairs);
    free(w);
}

int witness_check(const struct witness_options *o) {
    struct witness_pairs pairs;
    struct conf_error err;
    if (!read_pairs(o, &pairs, &err)) {
        fprintf(stderr, "witness: %s\n", err.text);
        return 1;
    }
    printf("%s: good: %d pairs\n", o->pairs, pairs.count);
    witness_pairs_free(&pairs);
    return 0;
}
