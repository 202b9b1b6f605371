/* CONFIG, INFO, TIME, DEBUG, SHUTDOWN, SAVE and their kin. */
#include "server/scripts.h"
#include "server/server.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/client.h"
#include "server/latency.h"
#include "server/memory.h"
#include "server/shutdown.h"
#include "server/io.h"
#include "server/pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- CONFIG --- */

static void config_get_(struct call *c) {
    config_get(&server.config, c->argv + 2, c->argc - 2, c->out, c->resp);
}

static void config_set_(struct call *c) {
    const struct client *me = c->client;
    int mode = server.config.enable_protected;
    bool trusted = me->control || mode == 1 || (mode == 2 && me->local);
    if (c->argc % 2) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    for (int i = 2; server_loading() && i < c->argc; i += 2) {
        if (!bytes_is(c->argv[i], "dir") && !bytes_is(c->argv[i], "appendonly") &&
            !bytes_is(c->argv[i], "repl-diskless-load"))
            continue;
        reply_error(c, "LOADING Redis is loading the dataset in memory");
        return;
    }
    c->failed = !config_set(&server.config, c->argv + 2, c->argc - 2, trusted, c->out);
    if (c->failed) error_codes_note("ERR ", 4);
    server_settle_store();
    server_refresh();
}

static void config_resetstat(struct call *c) {
    io_collect_stats(); /* what threads have not told yet is forgotten too */
    struct repl_status r = {0};
    if (server.repl) repl_status(server.repl, &r);
    if (server.repl) repl_reset_counts(server.repl);
    server.stats = (struct server_stats){.repl_in_before = r.bytes_in,
                                         .repl_out_before = r.bytes_out,
                                         .buried_before = store_buried(server.store)};
    latency_reset_histograms();
    error_codes_reset();
    memset(server.command_stats, 0, (size_t)command_count() * sizeof *server.command_stats);
    memory_reset_peak();
    reply_ok(c);
}

static void config_rewrite_(struct call *c) {
    char err[300];
    if (config_rewrite(&server.config, false, err, sizeof err))
        reply_ok(c);
    else
        reply_error(c, err);
}

static void config_help_(struct call *c) {
    static const char *const lines[] = {"GET <pattern>",
                                        "    Directives that match, with their values.",
                                        "SET <directive> <value>",
                                        "    Change directives, all or none.",
                                        "RESETSTAT",
                                        "    Start INFO's counters afresh.",
                                        "REWRITE",
                                        "    Bring the configuration file up to date.",
                                        NULL};
    reply_help(c, lines);
}

const char *config_word(const char *name) {
    static struct buf word;
    buf_clear(&word);
    config_show(&server.config, config_find(name, strlen(name)), &word);
    return buf_cstr(&word);
}

/* --- INFO, TIME --- */

static void cmd_info(struct call *c) {
    struct buf text = BUF_INIT;
    info_text(&text, c->argc - 1, c->argv + 1);
    resp_verbatim(c->out, c->resp, "txt", buf_len(&text) ? buf_head(&text) : "", buf_len(&text));
    buf_free(&text);
}

static void cmd_time(struct call *c) {
    int64_t us = clock_wall_us();
    reply_array(c, 2);
    resp_bulk_int(c->out, us / 1000000);
    resp_bulk_int(c->out, us % 1000000);
}

/* --- saving and ending --- */

static void reply_why(struct call *c, const char *err) {
    reply_error(c, *err ? err : "ERR");
}

static void cmd_save(struct call *c) {
    char err[200] = "";
    if (persist_save(server.persist, true, err, sizeof err))
        reply_ok(c);
    else
        reply_why(c, err);
}

/* Asked for inside of EXEC: a walk may not begin in the middle of a group of commands, it begins at the turn's end. */
static bool save_wanted, rewrite_wanted, flush_seen;

void server_begin_wanted_saves(void) {
    struct persist_status s;
    char err[200] = "";
    bool scheduled;
    if (!(save_wanted | rewrite_wanted | flush_seen) || scripts_nested) return;
    if (flush_seen) persist_flushed(server.persist);
    flush_seen = false;
    persist_status(server.persist, &s);
    if (rewrite_wanted && !s.rewriting) {
        rewrite_wanted = false;
        if (!persist_rewrite(server.persist, &scheduled, err, sizeof err))
            log_error("BGREWRITEAOF of a transaction: %s", err);
    }
    if (save_wanted && !s.saving) {
        save_wanted = false;
        if (!persist_save(server.persist, false, err, sizeof err))
            log_error("BGSAVE of a transaction: %s", err);
    }
}

void server_flushed_all(void) {
    flush_seen = true;
}

bool server_rewrite_wanted(void) {
    return rewrite_wanted;
}

static void cmd_bgsave(struct call *c) {
    char err[200] = "";
    struct persist_status s;
    if (c->argc > 2 || (c->argc == 2 && !bytes_is(c->argv[1], "schedule"))) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    persist_status(server.persist, &s);
    if (c->flags & CALL_IN_EXEC && !s.saving) {
        save_wanted = true;
        reply_status(c, "Background saving scheduled");
    } else if (persist_save(server.persist, false, err, sizeof err)) {
        reply_status(c, "Background saving started");
    } else {
        reply_why(c, err);
    }
}

static void cmd_bgrewriteaof(struct call *c) {
    char err[200] = "";
    struct persist_status s;
    bool scheduled = false;
    persist_status(server.persist, &s);
    if (c->flags & CALL_IN_EXEC && !s.rewriting) {
        rewrite_wanted = scheduled = true;
    } else if (!persist_rewrite(server.persist, &scheduled, err, sizeof err)) {
        reply_why(c, err);
        return;
    }
    reply_status(c, scheduled ? "Background append only file rewriting scheduled"
                              : "Background append only file rewriting started");
}

static void cmd_lastsave(struct call *c) {
    struct persist_status s;
    persist_status(server.persist, &s);
    reply_int(c, s.last_save_s);
}

void register_server_commands(void) {
    command_set_function("config|get", config_get_);
    command_set_function("config|set", config_set_);
    command_set_function("config|resetstat", config_resetstat);
    command_set_function("config|rewrite", config_rewrite_);
    command_set_function("config|help", config_help_);
    command_set_function("info", cmd_info);
    command_set_function("time", cmd_time);
    command_set_function("save", cmd_save);
    command_set_function("bgsave", cmd_bgsave);
    command_set_function("bgrewriteaof", cmd_bgrewriteaof);
    command_set_function("lastsave", cmd_lastsave);
    command_set_function("shutdown", cmd_shutdown);
}
