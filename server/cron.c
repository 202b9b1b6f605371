/* What happens beside commands: each turn's end, and ten times a second. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/cmd_debug.h"
#include "server/dispatch.h"
#include "server/io.h"
#include "server/defrag.h"
#include "server/evict.h"
#include "server/failover.h"
#include "server/latency.h"
#include "server/memory.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/script/script.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/shutdown.h"
#include "server/slave_expiry.h"
#include "server/tlsconf.h"
#include "server/tracking.h"

enum {
    WORK_A_TURN = 64,     /* entries given back after a flush, each turn */
    EXPIRE_A_CYCLE = 200, /* keys deleted in time, each cycle; more cycles follow while there are */
    STALLED_LOOK_MS = 5   /* how soon a lease that came back is noticed */
};

static struct loop_timer *cron_timer, *stalled_timer;
static bool expire_more;

/* --- expiry in time --- */

static void drop_expired(void *arg, int db, struct entry *e) {
    (void)arg;
    drop_key(db, e, NOTIFY_EXPIRED, "expired");
    server.stats.expired_keys++;
}

/* Deleting is a write: a master's, with its lease, and not during a pause. A slave that takes writes expires what its own clients
 * made. */
static void expire_cycle(void) {
    expire_more = false;
    if (!server.repl || !server.config.active_expire || server_paused()) return;
    if (server.role == REPL_SLAVE && !server_loading())
        expire_more = slave_expiry_cycle(clock_wall_ms(), drop_expired);
    else
        slave_expiry_forget();
    if (server.role != REPL_MASTER || server.write_failure || !pair_may_serve()) return;
    if (server.importing) return; /* what expires is the source's to say */
    uint64_t began_ns = clock_boot_ns();
    expire_more =
        store_expire_cycle(server.store, clock_wall_ms(), EXPIRE_A_CYCLE, drop_expired, NULL);
    uint64_t took_ns = clock_boot_ns() - began_ns;
    server.stats.expire_ns += took_ns;
    server.stats.expire_capped += expire_more;
    latency_event("expire-cycle", took_ns);
}

/* --- ten times a second --- */

static void close_idle(uint64_t now) {
    uint64_t limit = (uint64_t)server.config.timeout_s * NS_PER_S;
    struct client *next;
    if (!limit) return;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        uint64_t active = client_active_ns(c);
        if (!c->control && !c->stall && now > active && now - active > limit) client_close(c);
    }
}

static void sample_rates(uint64_t now) {
    static uint64_t last_ns, last_commands, last_in, last_out, last_repl_in, last_repl_out;
    struct repl_status r = {0};
    uint64_t ns = now - last_ns;
    if (ns < NS_PER_S / 2) return;
    const struct server_stats *s = &server.stats;
    if (server.repl) repl_status(server.repl, &r);
    server.stats.repl_in_now = last_ns ? (r.bytes_in - last_repl_in) * NS_PER_S / ns : 0;
    server.stats.repl_out_now = last_ns ? (r.bytes_out - last_repl_out) * NS_PER_S / ns : 0;
    last_repl_in = r.bytes_in;
    last_repl_out = r.bytes_out;
    if (last_ns && s->commands >= last_commands) {
        server.stats.ops_now = (s->commands - last_commands) * NS_PER_S / ns;
        server.stats.in_now = (s->net_in - last_in) * NS_PER_S / ns;
        server.stats.out_now = (s->net_out - last_out) * NS_PER_S / ns;
    }
    last_ns = now;
    last_commands = s->commands;
    last_in = s->net_in;
    last_out = s->net_out;
}

/* Work that no command asked for was done from then to now. */
static void note_between(uint64_t began_ns) {
    uint64_t took_ns = clock_boot_ns() - began_ns;
    if (took_ns > server.stats.longest_between_ns) server.stats.longest_between_ns = took_ns;
}

/* Nothing has ended, and nothing lives longer, by a clock that stepped: somebody has to say that it is right. */
static void watch_clock(void) {
    static bool stepped;
    int64_t step_s = clock_step_us() / 1000000;
    if ((step_s != 0) == stepped) return;
    stepped = step_s != 0;
    if (stepped)
        log_warning("the wall clock has stepped by %lld s; expiry goes on by the time before it, "
                    "until the clock is set back or `hactl clock follow` says that it is right",
                    (long long)step_s);
    else
        log_notice("the wall clock is followed");
}

static void on_cron(struct loop *l, void *arg) {
    uint64_t now = loop_now_ns(l), began_ns = clock_boot_ns();
    (void)arg;
    if (debug_switches.pause_cron) return;
    shutdown_cron();
    if (server.stopping) return;
    memory_sample();
    watch_clock();
    server_refresh();
    io_refresh_limits();
    io_collect_stats();
    output_check_limits();
    close_idle(now);
    tlsconf_cron();
    tracking_limit();
    sample_rates(now);
    expire_cycle();
    defrag_cron();
    evict_make_room(); /* others than commands take memory too */
    note_between(began_ns);
}

static void on_stalled(struct loop *l, void *arg) {
    (void)l, (void)arg; /* the turn's end looks at the stalled */
}

void cron_set_hz(int64_t hz) {
    uint64_t every = NS_PER_S / (uint64_t)hz;
    loop_timer_start(cron_timer, every, every);
}

/* --- each turn --- */

static void look_at_stalled(void) {
    uint64_t now = server_paused() ? clock_boot_ns() : 0;
    if (server.had_pause_until_ns && now >= server.had_pause_until_ns)
        server.had_pause_until_ns = 0;
    if (server.pause_until_ns && now >= server.pause_until_ns) {
        server.pause_until_ns = 0;
        server.pause_all = false;
    }
    if (client_any_stalled()) client_wake_stalled();
}

/* CLIENT PAUSE holds what a slave's master sends, too. */
static void hold_link(void) {
    static bool held;
    bool hold = server.pause_until_ns != 0;
    if (hold == held || !server.repl || scripts_nested) return;
    held = hold;
    repl_hold(server.repl, hold);
}

/* Tells a long turn from one whose thread was not let run. */
static void watch_turn(void) {
    static uint64_t last_ns;
    uint64_t now_ns = clock_thread_cpu_ns(), took_ns = now_ns - last_ns;
    if (last_ns && took_ns > server.stats.longest_turn_cpu_ns)
        server.stats.longest_turn_cpu_ns = took_ns;
    last_ns = now_ns;
}

static void before_sleep(struct loop *l, void *arg) {
    (void)arg;
    client_next_turn();
    io_take();
    if (server.stopping) return;
    uint64_t began_ns = clock_boot_ns();
    server_begin_wanted_saves();
    if (server.repl) output_release();
    look_at_stalled();
    hold_link();
    if (server.failing_over) failover_step();
    if (expire_more) expire_cycle();
    bool evicting = evict_go_on();
    if (!server_loading()) blocked_serve(); /* keys that are gone without a command */
    bool moving = defrag_step();
    bool work = store_work(server.store, WORK_A_TURN);
    tracking_broadcast();
    bool collecting = script_collect();
    if (server.repl) repl_before_sleep(server.repl);
    output_flush();
    io_wake();
    client_reap();
    bool look = client_any_stalled() || server_paused();
    if (look != loop_timer_active(stalled_timer)) {
        if (look)
            loop_timer_start(stalled_timer, STALLED_LOOK_MS * NS_PER_MS,
                             STALLED_LOOK_MS * NS_PER_MS);
        else
            loop_timer_stop(stalled_timer);
    }
    bool busy = work || expire_more || evicting || moving || server.loading || collecting ||
                client_any_again() || client_any_released() || output_any_pushes();
    loop_keep_turning(l, busy || !io_may_sleep());
    pair_executor_idle();
    note_between(began_ns);
    if (server.watch_turns) watch_turn();
}

void cron_start(void) {
    cron_timer = loop_timer_new(server.loop, on_cron, NULL);
    stalled_timer = loop_timer_new(server.loop, on_stalled, NULL);
    loop_before_sleep_new(server.loop, before_sleep, NULL);
    cron_set_hz(server.config.hz);
}
