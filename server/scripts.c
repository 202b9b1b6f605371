/* See scripts.h: EVAL and its kin, SCRIPT, and the commands that a script calls.
 *
 * A script's writes are one group of the stream: MULTI and EXEC stand around them when there are two or more.
 * Time stands still in it: every command sees the time at which EVAL began. */
#include "server/scripts.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/client.h"
#include "server/cmd_debug.h"
#include "server/control.h"
#include "server/dispatch.h"
#include "server/edition.h"
#include "server/evict.h"
#include "server/latency.h"
#include "server/monitor.h"
#include "server/pair.h"
#include "server/reclaim.h"
#include "server/script/script.h"
#include "server/server.h"
#include "server/slowlog.h"
#include "server/tracking.h"

#define NO_SCRIPT "NOSCRIPT No matching script. Please use EVAL."

/* The script that runs. */
static struct {
    bool on;
    struct client *caller; /* NULL: the log's or the master's */
    const struct call *outer;
    bool obeyed;    /* its commands come from a master or the log, and are not judged */
    bool read_only; /* EVAL_RO, no-writes */
    bool may_oom;
    bool wrote;         /* it called a command that writes */
    bool out_of_memory; /* was so when it began */
    bool quiet;         /* redis.set_repl(redis.REPL_NONE) */
} run;

/* What a script's commands take for their client: a database, a protocol, and no connection. */
static struct client inner = {.fd = -1, .authenticated = true, .resp = 2};

struct client *scripts_caller(void) {
    return run.on ? run.caller : NULL;
}

bool scripts_running(void) {
    return run.on;
}

bool scripts_has_written(void) {
    return run.on && run.wrote;
}

/* ---- what a script's command may do ----------------------------------------------------------------------- */

static bool link_is_stale(void) {
    return server.role == REPL_SLAVE && !server.link_up && !server.config.serve_stale;
}

static bool too_few_slaves(void) {
    return server.config.min_slaves && server.config.min_slaves_lag_s &&
           server.role == REPL_MASTER && repl_good_slaves(server.repl) < server.config.min_slaves;
}

static bool refuse(const struct command *cmd, struct buf *error, const char *text) {
    buf_add_str(error, text);
    server.stats.errors++;
    error_codes_note(*text == '-' ? text : "ERR ", *text == '-' ? strlen(text) : 4);
    if (cmd) server.command_stats[cmd->id].rejected++;
    return false;
}

/* A script that has written already is let finish. */
static const char *write_refusal(void) {
    static char text[300];
    if (server.role == REPL_SLAVE && server.config.slave_read_only)
        return "-READONLY You can't write against a read only replica.";
    if (server.importing && !(run.outer->flags & CALL_CONTROL)) return "-" CONTROL_IMPORT_REFUSAL;
    if (server.write_failure) {
        snprintf(text, sizeof text, "-MISCONF Errors writing to the AOF file: %s",
                 server.write_failure);
        return text;
    }
    return too_few_slaves() ? "-NOREPLICAS Not enough good replicas to write." : NULL;
}

static bool admit_inner(const struct command *cmd, int argc, const struct bytes *argv,
                        struct buf *error) {
    const char *why;
    if (run.obeyed) return true;
    if (edition_limits_words() && !(run.outer->flags & CALL_CONTROL) &&
        (why = edition_refusal(cmd, argc, argv))) {
        buf_add_str(error, "-");
        return refuse(cmd, error, why);
    }
    if (!(cmd->flags & CMD_STALE) && link_is_stale())
        return refuse(cmd, error, "Can not execute the command on a stale replica");
    if (run.read_only && cmd->flags & (CMD_WRITE | CMD_MAY_REPLICATE))
        return refuse(cmd, error, "Write commands are not allowed from read-only scripts.");
    if (cmd->flags & CMD_WRITE && !run.wrote && (why = write_refusal()))
        return refuse(cmd, error, why);
    if (cmd->flags & CMD_DENYOOM && run.out_of_memory && !run.may_oom && !run.wrote)
        return refuse(cmd, error, "-OOM command not allowed when used memory > 'maxmemory'.");
    if (cmd->flags & CMD_WRITE && pair_needs_lease() && !scripts_wait_for_lease())
        return refuse(cmd, error, "Script ended: this node is no longer the pair's master");
    return true;
}

static const struct command *find(int argc, const struct bytes *argv) {
    bool unknown = false;
    unsigned edition = run.outer->flags & CALL_CONTROL ? 0 : server.edition;
    const struct command *cmd = command_resolve(argc, argv, edition, &unknown);
    if (!cmd || (unknown && argc > 1) || cmd->flags & CMD_HIDDEN) return NULL;
    return cmd;
}

/* ---- running it ------------------------------------------------------------------------------------------- */

/* An expired key's DEL is told to slaves whatever the script said of its own effects. */
static void propagate_quietly(struct call *c, int db, int argc, const struct bytes *argv) {
    if (!c->propagated) service_ops.propagate(c, db, argc, argv);
}

static const struct call_ops *ops_now(void) {
    static struct call_ops quiet;
    if (!run.quiet || run.outer->ops != &service_ops) return run.outer->ops;
    quiet = service_ops;
    quiet.propagate = propagate_quietly;
    return &quiet;
}

static void note_time(const struct command *cmd, int argc, const struct bytes *argv,
                      uint64_t cycles) {
    uint64_t ns = dispatch_ns(cycles);
    server.command_stats[cmd->id].ns += ns;
    latency_count(&server.command_stats[cmd->id], ns);
    if (ns >= server.slow_ns) dispatch_was_slow(run.caller, cmd, argc, argv, ns);
}

/* MONITOR, and the caller's tracking: a script that reads is taken to have read all keys that it was given. */
static void tell_spies(const struct command *cmd, int argc, const struct bytes *argv) {
    if (!run.caller) return;
    if (monitor_count) monitor_tell(run.caller, true, inner.db, cmd, argc, argv);
    if (cmd->flags & CMD_READONLY)
        tracking_remember(run.caller, run.outer->command, run.outer->argc, run.outer->argv);
}

static bool call_command(int argc, const struct bytes *argv, int resp, struct buf *out,
                         struct buf *error) {
    const struct command *cmd = find(argc, argv);
    if (!cmd) return refuse(NULL, error, "Unknown Redis command called from script");
    if (!command_arity_fits(cmd, argc))
        return refuse(cmd, error, "Wrong number of args calling Redis command from script");
    if (cmd->flags & CMD_NOSCRIPT && !debug_switches.scripts_unhindered)
        return refuse(cmd, error, "This Redis command is not allowed from script");
    if (!admit_inner(cmd, argc, argv, error)) return false;
    if (cmd->flags & CMD_WRITE) run.wrote = true;
    inner.resp = resp;
    struct call c = {.argc = argc,
                     .argv = argv,
                     .store = run.outer->store,
                     .db = inner.db,
                     .resp = resp,
                     .flags = run.outer->flags | CALL_FROM_SCRIPT | CALL_DENY_BLOCKING,
                     .now_ms = run.outer->now_ms,
                     .out = out,
                     .ops = ops_now(),
                     .client = run.caller ? &inner : NULL};
    if (run.quiet) c.flags |= CALL_QUIET;
    uint64_t began = clock_cycles();
    dispatch_run(&c, &inner, cmd);
    note_time(cmd, argc, argv, clock_cycles() - began);
    if (__builtin_expect(server.spies, 0)) tell_spies(cmd, argc, argv);
    return true;
}

static int may_call(int argc, const struct bytes *argv) {
    return find(argc, argv) ? 1 : -1;
}

/* The log and the stream are one here: what goes to either goes to both. */
static void set_repl(int where) {
    run.quiet = !where;
}

static void new_error(const char *text, size_t len) {
    server.stats.errors++;
    error_codes_note(text, len);
}

static const struct script_host host = {.call = call_command,
                                        .may_call = may_call,
                                        .set_repl = set_repl,
                                        .new_error = new_error,
                                        .tick = scripts_busy_tick};

/* ---- EVAL ------------------------------------------------------------------------------------------------- */

/* A script that says what it will do is judged before it runs. */
static bool admit_declared(struct call *c, unsigned flags, bool read_only) {
    bool writes = !(flags & SCRIPT_NO_WRITES);
    if (link_is_stale() && !(flags & SCRIPT_ALLOW_STALE)) {
        reply_error(c,
                    "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' "
                    "and 'allow-stale' flag is not set on the script.");
    } else if (writes && server.role == REPL_SLAVE && server.config.slave_read_only) {
        reply_error(c, "READONLY Can not run script with write flag on readonly replica");
    } else if (writes && server.importing && !(c->flags & CALL_CONTROL)) {
        reply_error(c, CONTROL_IMPORT_REFUSAL);
    } else if (writes && server.write_failure) {
        reply_errorf(
            c,
            "MISCONF Redis is configured to persist data to AOF, but it's currently unable "
            "to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for "
            "read only scripts. AOF error: %s",
            server.write_failure);
    } else if (writes && read_only) {
        reply_error(c, "ERR Can not execute a script with write flag using *_ro command.");
    } else if (writes && too_few_slaves()) {
        reply_error(c, "NOREPLICAS Not enough good replicas to write.");
    } else if (run.out_of_memory && !(flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES))) {
        reply_error(
            c, "OOM allow-oom flag is not set on the script, can not run it when used memory > "
               "'maxmemory'");
    } else {
        return true;
    }
    return false;
}

static bool admit_script(struct call *c, const struct script *s, bool read_only) {
    unsigned flags = script_flags(s);
    run.obeyed = c->flags & (CALL_FROM_MASTER | CALL_LOADING);
    run.out_of_memory = !run.obeyed && server.config.maxmemory && !evict_make_room();
    run.read_only = read_only || flags & SCRIPT_NO_WRITES;
    run.may_oom = flags & SCRIPT_ALLOW_OOM;
    if (run.obeyed) return true;
    if (!(flags & SCRIPT_COMPAT)) return admit_declared(c, flags, read_only);
    if (!link_is_stale()) return true;
    reply_error(c,
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    return false;
}

/* The dispatcher counts one error of a command that failed; a script's reply may hold any number of them, and those
 * that its commands gave have been counted. */
static void count_errors(struct call *c, const struct script_run *r) {
    c->failed = r->old_errors || r->new_errors;
    if (!c->failed) return;
    server.stats.errors--;
    server.command_stats[c->command->id].failed +=
        (uint64_t)r->old_errors + (r->new_errors > 0) - 1;
}

static void run_script(struct call *c, const struct script *s, int key_count) {
    struct client *caller = c->client;
    struct script_run r = {.script = s,
                           .keys = c->argv + 3,
                           .key_count = key_count,
                           .args = c->argv + 3 + key_count,
                           .arg_count = c->argc - 3 - key_count,
                           .resp = c->resp};
    bool feeds = server.repl && !run.obeyed;
    run.on = true;
    run.caller = caller;
    run.outer = c;
    run.wrote = run.quiet = false;
    inner.db = c->db;
    inner.write_offset = 0;
    if (caller) inner.id = caller->id;
    scripts_busy_begin(script_sha(s));
    if (feeds) repl_feed_begin(server.repl);
    script_run(&r, c->out);
    if (feeds && server.repl) repl_feed_end(server.repl);
    scripts_busy_end();
    run.on = false;
    if (caller && inner.write_offset == UINT64_MAX) caller->write_offset = UINT64_MAX;
    count_errors(c, &r);
}

static void eval(struct call *c, bool by_sha, bool read_only) {
    int64_t key_count;
    struct bytes text = c->argv[1];
    if (monitor_count && c->client) monitor_tell_now(c->client, false, c->db, c->argc, c->argv);
    if (by_sha && text.len != SCRIPT_SHA_CHARS) {
        reply_error(c, NO_SCRIPT);
        return;
    }
    if (!arg_int(c, 2, &key_count)) return;
    if (key_count > c->argc - 3) {
        reply_error(c, "ERR Number of keys can't be greater than number of args");
        return;
    }
    if (key_count < 0) {
        reply_error(c, "ERR Number of keys can't be negative");
        return;
    }
    const struct script *s = by_sha ? script_by_sha(text) : script_by_body(text);
    if (!s && by_sha) {
        reply_error(c, NO_SCRIPT);
        return;
    }
    if (!s) {
        struct buf error = BUF_INIT;
        s = script_load(text, &error);
        if (!s) reply_errorf(c, "ERR %s", buf_cstr(&error));
        buf_free(&error);
        if (!s) return;
    }
    if (admit_script(c, s, read_only)) run_script(c, s, (int)key_count);
}

static void cmd_eval(struct call *c) {
    eval(c, false, false);
}

static void cmd_eval_ro(struct call *c) {
    eval(c, false, true);
}

static void cmd_evalsha(struct call *c) {
    eval(c, true, false);
}

static void cmd_evalsha_ro(struct call *c) {
    eval(c, true, true);
}

uint32_t scripts_command_flags(const struct command *cmd, int argc, const struct bytes *argv) {
    bool by_sha = cmd->fn == cmd_evalsha || cmd->fn == cmd_evalsha_ro;
    unsigned flags;
    if (!by_sha && cmd->fn != cmd_eval && cmd->fn != cmd_eval_ro) return cmd->flags;
    if (argc < 2) return cmd->flags;
    const struct script *s = by_sha ? script_by_sha(argv[1]) : script_by_body(argv[1]);
    if (s)
        flags = script_flags(s);
    else if (by_sha || !script_body_flags(argv[1], &flags, NULL))
        return cmd->flags;
    if (flags & SCRIPT_COMPAT) return cmd->flags;
    uint32_t out =
        cmd->flags & ~(uint32_t)(CMD_STALE | CMD_DENYOOM | CMD_WRITE | CMD_MAY_REPLICATE);
    if (!(flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES))) out |= CMD_DENYOOM;
    if (!(flags & SCRIPT_NO_WRITES)) out |= CMD_WRITE;
    if (flags & SCRIPT_ALLOW_STALE) out |= CMD_STALE;
    return out;
}

/* ---- SCRIPT ----------------------------------------------------------------------------------------------- */

static void script_load_(struct call *c) {
    struct buf error = BUF_INIT;
    const struct script *s = script_load(c->argv[2], &error);
    if (s)
        reply_bulk_str(c, script_sha(s));
    else
        reply_errorf(c, "ERR %s", buf_cstr(&error));
    buf_free(&error);
}

static void script_exists(struct call *c) {
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) reply_int(c, script_by_sha(c->argv[i]) != NULL);
}

static void script_flush(struct call *c) {
    if (c->argc > 3 ||
        (c->argc == 3 && !bytes_is(c->argv[2], "sync") && !bytes_is(c->argv[2], "async"))) {
        reply_error(c, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    script_reset(reclaim_later, NULL); /* SYNC too: nobody can tell but by having waited */
    reply_ok(c);
}

static void script_debug(struct call *c) {
    if (buf_len(c->out))
        reply_error(c, "ERR SCRIPT DEBUG must be called outside a pipeline");
    else if (bytes_is(c->argv[2], "no"))
        reply_ok(c);
    else if (bytes_is(c->argv[2], "yes") || bytes_is(c->argv[2], "sync"))
        reply_error(
            c, "ERR the script debugger is not part of this server; redis.log and SCRIPT DEBUG "
               "of a redis-server on a developer's machine find what it would have found");
    else
        reply_error(c, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static void script_help(struct call *c) {
    static const char *const lines[] = {
        "DEBUG NO",
        "    There is no debugger here; NO is taken, YES and SYNC are refused.",
        "EXISTS <sha1> [<sha1> ...]",
        "    1 for each digest whose script is known, 0 for others.",
        "FLUSH [ASYNC|SYNC]",
        "    Forgets all scripts.",
        "KILL",
        "    Ends a slow script that has written nothing.",
        "LOAD <script>",
        "    Makes a script known; its digest.",
        NULL};
    reply_help(c, lines);
}

void register_script_commands(void) {
    script_init(&host);
    command_set_function("eval", cmd_eval);
    command_set_function("eval_ro", cmd_eval_ro);
    command_set_function("evalsha", cmd_evalsha);
    command_set_function("evalsha_ro", cmd_evalsha_ro);
    command_set_function("script|load", script_load_);
    command_set_function("script|exists", script_exists);
    command_set_function("script|flush", script_flush);
    command_set_function("script|kill", scripts_kill);
    command_set_function("script|debug", script_debug);
    command_set_function("script|help", script_help);
}
