#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So much of the stream goes out before the turn ends. A few of these a turn keep both sides at work. */
enum { EARLY_BYTES = 32 * 1024 };

void repl_defaults(struct repl_options *o) {
    *o = (struct repl_options){.dir = ".",
                               .port = 6379,
                               .backlog_bytes = 1 << 20,
                               .backlog_ttl_s = 3600,
                               .timeout_ms = 60000,
                               .ping_period_ms = 10000,
                               .diskless = true,
                               .slave_limit_bytes = 256ULL << 20,
                               .slave_soft_bytes = 64ULL << 20,
                               .slave_soft_s = 60,
                               .durability = REPL_PAIR,
                               .min_slaves_lag_s = 10,
                               .slave_read_only = true,
                               .serve_stale = true,
                               .slave_priority = 100};
}

static void pos_now(void *arg, struct persist_pos *pos) {
    stream_pos(arg, pos);
}

static void second(struct loop *l, void *arg) {
    (void)l;
    struct repl *r = arg;
    uint64_t now = clock_boot_ns();
    feeds_second(r, now);
    link_second(r->link, now);
    stream_second(r, now);
    repl_before_sleep(r);
    stream_tell_released(r);
}

static int close_fd(void *arg) {
    close(*(int *)arg);
    return 0;
}

static void closed_fd(void *arg, int error) {
    (void)error;
    free(arg);
}

void repl_close_aside(void *arg, int fd) {
    struct repl *r = arg;
    persist_aside(r->persist, close_fd, closed_fd, xmemdup(&fd, sizeof fd));
}

static void turn_again(struct loop *l, void *arg) {
    (void)l;
    (void)arg; /* before_sleep does the rest */
}

void repl_settle_eager(struct repl *r) {
    bool disk = r->o.durability == REPL_DISK || (is_slave(r) && r->master_disk);
    persist_set_eager(r->persist, r->o.node && disk);
}

static void set_options(struct repl *r, const struct repl_options *o) {
    char node = r->o.node;
    r->o = *o;
    if (r->dir) r->o.node = node;
    free(r->master_user);
    free(r->master_auth);
    free(r->announce_host);
    r->announce_host = o->announce_host && o->announce_host[0] ? xstrdup(o->announce_host) : NULL;
    r->o.announce_host = r->announce_host;
    r->master_user = o->master_user && o->master_user[0] ? xstrdup(o->master_user) : NULL;
    r->master_auth = o->master_auth && o->master_auth[0] ? xstrdup(o->master_auth) : NULL;
    r->o.master_user = r->master_user;
    r->o.master_auth = r->master_auth;
    if (r->persist) repl_settle_eager(r);
}

struct repl *repl_open(const struct repl_options *o, struct persist *p, struct store *store,
                       struct loop *loop, const struct repl_world *world) {
    struct repl *r = xcalloc(1, sizeof *r);
    r->persist = p;
    set_options(r, o);
    r->dir = xstrdup(o->dir);
    r->o.dir = r->dir;
    r->store = store;
    r->loop = loop;
    r->world = *world;
    r->role = o->node ? REPL_NONE : REPL_MASTER;
    r->whole = !persist_loaded(p)->damaged;
    r->line_pending = true;
    r->last_ping_ns = clock_boot_ns();
    rand_bytes(&r->sessions, sizeof r->sessions);
    r->sessions = r->sessions >> 34 << 10; /* a restarted master gives other numbers */
    stream_open(r);
    if (first_copy_due(r)) {
        r->whole = false;
        log_warning("replication: the first copy of the other node's data was not complete when "
                    "this server ended; the data here is not served");
    }
    r->link = link_new(r);
    if (o->node) tail_look(r);
    persist_set_pos_source(p, pos_now, r);
    r->again = loop_timer_new(loop, turn_again, r);
    r->second = loop_timer_new(loop, second, r);
    loop_timer_start(r->second, NS_PER_S, NS_PER_S);
    return r;
}

void repl_close(struct repl *r) {
    if (!r) return;
    repl_before_sleep(r);
    tail_cancel(r);
    link_free(r->link);
    feeds_drop(r, "this server ends");
    feeds_reap(r);
    transfers_close(r);
    persist_set_pos_source(r->persist, NULL, NULL);
    loop_timer_free(r->second);
    loop_timer_free(r->again);
    stream_close(r);
    free(r->dir);
    free(r->master_user);
    free(r->master_auth);
    free(r->announce_host);
    free(r);
}

void repl_reconfigure(struct repl *r, const struct repl_options *o) {
    set_options(r, o);
    r->o.dir = r->dir;
    if (r->backlog_on) backlog_set_keep(r->backlog, o->backlog_bytes);
    transfers_reconfigure(r);
    stream_tell_released(r);
}

void repl_say_open(struct repl *r) {
    if (r->o.has_pair_key || r->open_said) return;
    r->open_said = true;
    log_warning(
        "replication: the pair's link is not authenticated: this server was started without a "
        "pair-key; `duet node` gives one, made of [pair] secret");
}

void repl_before_sleep(struct repl *r) {
    stream_flush(r);
    /* Nothing is fsynced any more: reads and refusals are answered, as with a full disk. In a pair had hands over. */
    if (!r->o.node && persist_failed(r->persist)) r->log_stuck = true;
    r->feed_again = false;
    feeds_write(r);
    link_ack(r->link);
    feeds_reap(r);
    if (r->transfers) transfers_tidy(r);
    stream_trim(r);
    r->released = repl_release_offset(r);
    if (r->feed_again) loop_timer_start(r->again, 0, 0);
}

bool repl_has_much(const struct repl *r) {
    return r->write_end - r->logged >= EARLY_BYTES;
}

void repl_send_early(struct repl *r) {
    struct feed *f = r->pair;
    stream_flush(r);
    if (!f || f->dead || f->state != FEED_ONLINE) return;
    feed_flush(f);
    feed_take_acks(f);
}

void repl_synced(struct repl *r) {
    link_ack(r->link);
    stream_tell_released(r);
}

void repl_set_alone(struct repl *r, bool alone) {
    r->alone = alone;
    stream_tell_released(r);
}

bool repl_alone(const struct repl *r) {
    return r->alone;
}

/* ---- roles ---------------------------------------------------------------------------------- */

enum repl_role repl_role(const struct repl *r) {
    return r->role;
}

bool repl_master(struct repl *r, char *err, size_t err_size) {
    if (r->role == REPL_MASTER) return true;
    if (!r->whole || link_copy_taken(r->link)) {
        snprintf(err, err_size,
                 "the data here is not complete: a first copy is under way, or the log is damaged");
        return false;
    }
    link_stop(r->link);
    tail_cancel(r);
    r->offer = REPL_OFFER_NONE;
    feeds_drop(r, "this node becomes the master; the line continues at once");
    r->role = REPL_MASTER;
    r->line_pending = true;
    first_copy_end(r);
    stream_own_line(r);
    repl_changed(r);
    return true;
}

void repl_follow(struct repl *r, const char *host, uint16_t port, bool pair) {
    r->offer = REPL_OFFER_NONE;
    if (pair) first_copy_begin(r);
    if (r->role != REPL_SLAVE) {
        stream_flush(r);
        feeds_drop(r, "this node follows another master now");
        r->role = REPL_SLAVE;
        r->heard = true; /* other slaves of that master know its line */
        log_notice("replication: slave of %s:%u", host, port);
    }
    link_start(r->link, host, port, pair);
    repl_changed(r);
}

void repl_hand_over(struct repl *r, const char *host, uint16_t port) {
    repl_follow(r, host, port, false);
    r->offer = REPL_OFFER_OPEN;
}

enum repl_offer repl_offered(const struct repl *r) {
    return r->offer;
}

void repl_hold(struct repl *r, bool hold) {
    link_hold(r->link, hold);
}

void repl_change_id(struct repl *r) {
    stream_new_line(r, NULL);
    r->line_count = 0;
    if (!persist_set_lines(r->persist, r->lines, 0))
        log_error("replication: the line's history could not be written: %m");
    repl_changed(r);
}

void repl_bar(struct repl *r, bool bar) {
    r->barred = bar;
    if (!bar) return;
    feeds_drop(r, "the data is rolled back");
    feeds_reap(r);
    repl_changed(r);
}

void repl_renew(struct repl *r) {
    const struct persist_loaded *l = persist_loaded(r->persist);
    tail_cancel(r);
    r->barred = false;
    r->line_pending = false;
    stream_restart(r, l->pos.id, l->pos.offset, l->pos.db);
    r->line_count = persist_lines(r->persist, r->lines);
    log_notice("replication: line %s begins at offset %llu: the data was rolled back", r->id,
               (unsigned long long)l->pos.offset);
    repl_changed(r);
}

void repl_none(struct repl *r) {
    if (r->role == REPL_NONE) return;
    stream_flush(r);
    link_stop(r->link);
    tail_cancel(r);
    feeds_drop(r, "this node serves nobody now");
    r->role = REPL_NONE;
    repl_changed(r);
}

void repl_status(const struct repl *r, struct repl_status *s) {
    struct persist_status ps;
    persist_status(r->persist, &ps);
    memset(s, 0, sizeof *s);
    s->role = r->role;
    memcpy(s->id, r->id, sizeof s->id);
    memcpy(s->id2, r->line_count ? r->lines[0].id : "0000000000000000000000000000000000000000",
           sizeof s->id2);
    s->second_offset = r->line_count ? (int64_t)r->lines[0].until + 1 : -1;
    s->offset = s->read_offset = backlog_end(r->backlog);
    s->alone = r->alone;
    s->loading = ps.loading;
    s->rejoin_tail = r->tail_writes;
    s->tails = r->tails;
    s->tail_saving = tail_saving(r);
    memcpy(s->rejoin_file, r->tail_file, sizeof s->rejoin_file);
    link_status(r->link, s);
    s->half = !r->whole;
    s->whole = r->whole && !s->copy_taken && !r->diverged;
    s->diverged = r->diverged;
    s->divergences = r->divergences;
    s->copies = r->copies;
    if (!is_slave(r) && r->pair && !r->pair->dead) {
        bool online = r->pair->state == FEED_ONLINE;
        s->session = online ? r->pair->conf.session : 0;
        s->insync_link = online;
        s->acked = r->pair->acked;
        s->acked_synced = r->pair->synced;
    }
    s->slaves = repl_slave_count(r);
    s->backlog_active = r->backlog_on;
    s->backlog_bytes = r->o.backlog_bytes;
    if (r->backlog_on) {
        s->backlog_first_offset = stream_first(r);
        s->backlog_len = s->offset - s->backlog_first_offset;
    }
    s->limit_drops = r->limit_drops;
    s->sync_full = r->sync_full;
    s->sync_partial_ok = r->sync_partial_ok;
    s->sync_partial_err = r->sync_partial_err;
    s->bytes_in = r->bytes_in;
    s->bytes_out = r->bytes_out;
    s->apply_errors = r->apply_errors;
    s->damaged_blocks = r->damaged_blocks;
}

void repl_reset_counts(struct repl *r) {
    r->sync_full = r->sync_partial_ok = r->sync_partial_err = 0;
}

uint64_t repl_backlog_memory(const struct repl *r) {
    return r->backlog ? backlog_memory(r->backlog) : 0;
}

void repl_tell_digest(struct repl *r, const char *text) {
    snprintf(r->digest, sizeof r->digest, "%s", text);
}
