/* DEBUG: tools for test suites, behind enable-debug-command. A row a verb; the errors for a verb that is not there, or
 * that has other words, are one and the same, as redis-server has it. */
#include "server/cmd_debug.h"

#include "server/cmd/families.h"

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/glob.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/client.h"
#include "server/ends.h"
#include "server/pair.h"
#include "server/server.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

struct debug_switches debug_switches;

/* As atoi reads a word. */
static int number(struct bytes word) {
    char text[24];
    size_t n = word.len < sizeof text - 1 ? word.len : sizeof text - 1;
    memcpy(text, word.p, n);
    text[n] = '\0';
    return atoi(text);
}

/* --- time and words --- */

/* In short steps, so that the executor is seen to be busy, not dead. */
static void stand_still(double seconds) {
    if (!(seconds > 0)) return;
    uint64_t until = clock_boot_ns() + (uint64_t)(seconds * (double)NS_PER_S);
    for (uint64_t now; (now = clock_boot_ns()) < until;) {
        uint64_t left = until - now, step = left < 10 * NS_PER_MS ? left : 10 * NS_PER_MS;
        struct timespec t = {0, (long)step};
        nanosleep(&t, NULL);
        pair_executor_stamp();
    }
}

static void debug_sleep(struct call *c) {
    char text[64];
    size_t n = c->argv[2].len < sizeof text - 1 ? c->argv[2].len : sizeof text - 1;
    memcpy(text, c->argv[2].p, n);
    text[n] = '\0';
    stand_still(strtod(text, NULL));
    reply_ok(c);
}

static void debug_log(struct call *c) {
    log_warning("DEBUG LOG: %.*s", (int)c->argv[2].len, c->argv[2].p);
    reply_ok(c);
}

static void debug_error(struct call *c) {
    resp_error_n(c->out, c->argv[2].p, c->argv[2].len); /* not counted as an error */
}

static void debug_leak(struct call *c) {
    reply_error(c, "ERR DEBUG LEAK is not there: this server is not made to lose memory");
}

/* --- switches --- */

static void debug_active_expire(struct call *c) {
    server.config.active_expire = number(c->argv[2]) != 0;
    reply_ok(c);
}

static void debug_watch_turns(struct call *c) {
    server.watch_turns = number(c->argv[2]) != 0;
    reply_ok(c);
}

static void debug_pause_cron(struct call *c) {
    debug_switches.pause_cron = number(c->argv[2]) != 0;
    reply_ok(c);
}

static void debug_skip_checksums(struct call *c) {
    debug_switches.skip_checksums = number(c->argv[2]) != 0;
    restore_skip_checksum(debug_switches.skip_checksums);
    reply_ok(c);
}

static void debug_deny_scripts(struct call *c) {
    debug_switches.scripts_unhindered = number(c->argv[2]) != 0;
    reply_ok(c);
}

/* Of things that are done in another way here; the words are checked. */
static void debug_taken(struct call *c) {
    reply_ok(c);
}

static void debug_packed_threshold(struct call *c) {
    uint64_t bytes;
    char text[64];
    size_t n = c->argv[2].len < sizeof text - 1 ? c->argv[2].len : sizeof text - 1;
    memcpy(text, c->argv[2].p, n);
    text[n] = '\0';
    /* Chunks of lists know their limits by list-max-listpack-size alone. */
    if (!num_parse_bytes(text, &bytes) || bytes > ((uint64_t)4 << 30) - (1 << 20))
        reply_error(c, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    else
        reply_ok(c);
}

static void debug_replybuffer(struct call *c) {
    int64_t ms;
    if (bytes_is(c->argv[2], "peak-reset-time")) {
        bool word = bytes_is(c->argv[3], "never") || bytes_is(c->argv[3], "reset");
        if (!word && !arg_int(c, 3, &ms)) return;
    } else if (!bytes_is(c->argv[2], "resizing")) {
        reply_errorf(
            c, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
            (int)c->argv[1].len, c->argv[1].p);
        return;
    }
    reply_ok(c);
}

static void debug_clusterlink(struct call *c) {
    reply_error(c, "ERR Debug option only available for cluster mode enabled setup!");
}

/* --- replies of every type --- */

static void three(struct call *c) {
    for (int i = 0; i < 3; i++) reply_int(c, i);
}

static void protocol_map(struct call *c) {
    reply_map(c, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(c, i);
        reply_bool(c, i == 1);
    }
}

static void protocol_attribute(struct call *c) {
    static const char attribute[] = "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";
    if (c->resp >= 3) resp_raw(c->out, attribute, sizeof attribute - 1);
    reply_bulk_str(c, "Some real reply following the attribute");
}

static void protocol_push(struct call *c) {
    if (c->resp < 3) {
        reply_error(c, "ERR RESP2 is not supported by this command");
        return;
    }
    resp_push(c->out, c->resp, 2);
    reply_bulk_str(c, "server-cpu-usage");
    reply_int(c, 42);
    reply_bulk_str(c, "Some real reply following the push reply");
}

static void protocol_bignum(struct call *c) {
    static const char digits[] = "1234567999999999999999999999999999999";
    char line[64];
    if (c->resp < 3) {
        reply_bulk_str(c, digits);
        return;
    }
    int n = snprintf(line, sizeof line, "(%s\r\n", digits);
    resp_raw(c->out, line, (size_t)n);
}

static void debug_protocol(struct call *c) {
    struct bytes type = c->argv[2];
    if (bytes_is(type, "string"))
        reply_bulk_str(c, "Hello World");
    else if (bytes_is(type, "integer"))
        reply_int(c, 12345);
    else if (bytes_is(type, "double"))
        reply_double(c, 3.141);
    else if (bytes_is(type, "bignum"))
        protocol_bignum(c);
    else if (bytes_is(type, "null"))
        reply_null(c);
    else if (bytes_is(type, "array"))
        reply_array(c, 3), three(c);
    else if (bytes_is(type, "set"))
        reply_set(c, 3), three(c);
    else if (bytes_is(type, "map"))
        protocol_map(c);
    else if (bytes_is(type, "attrib"))
        protocol_attribute(c);
    else if (bytes_is(type, "push"))
        protocol_push(c);
    else if (bytes_is(type, "true") || bytes_is(type, "false"))
        reply_bool(c, bytes_is(type, "true"));
    else if (bytes_is(type, "verbatim"))
        resp_verbatim(c->out, c->resp, "txt", "This is a verbatim\nstring", 25);
    else
        reply_error(c, "ERR Wrong protocol type name. Please use one of the following: "
                       "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|"
                       "false");
}

/* --- replication, configuration, allocator --- */

static void debug_replicate(struct call *c) {
    if (server.repl) repl_feed(server.repl, c->db, c->argc - 2, c->argv + 2);
    reply_ok(c);
}

static void debug_change_repl_id(struct call *c) {
    log_warning("Changing replication IDs after receiving DEBUG change-repl-id");
    if (server.repl) repl_change_id(server.repl);
    reply_ok(c);
}

static void debug_mallctl(struct call *c) {
    int64_t value = 0;
    bool set = c->argc > 3;
    char *name = xmemdup(c->argv[2].p, c->argv[2].len + 1);
    name[c->argv[2].len] = '\0';
    if (!set || arg_int(c, 3, &value)) {
        int error = alloc_control(name, &value, set);
        if (error)
            reply_errorf(c, "ERR %s", strerror(error));
        else
            reply_int(c, value);
    }
    free(name);
}

static void debug_rewrite_all(struct call *c) {
    char err[300];
    if (config_rewrite(&server.config, true, err, sizeof err))
        reply_ok(c);
    else
        reply_errorf(c, "ERR CONFIG-REWRITE-FORCE-ALL failed: %s", strerror(errno));
}

static void debug_structsize(struct call *c) {
    char text[200];
    snprintf(text, sizeof text, "bits:64 client:%zu call:%zu ", sizeof(struct client),
             sizeof(struct call));
    reply_bulk_str(c, text);
}

/* Patterns of few characters against texts of few: stars, sets and escapes meet in every way. */
static void debug_stringmatch(struct call *c) {
    static const char alphabet[] = "ab*?[]^-\\";
    char pattern[32], text[32];
    uint8_t chance[64];
    for (int round = 0; round < 100000; round++) {
        rand_bytes(chance, sizeof chance);
        for (int i = 0; i < 32; i++) {
            pattern[i] = alphabet[chance[i] % (sizeof alphabet - 1)];
            text[i] = alphabet[chance[32 + i] % 3];
        }
        glob_match((struct bytes){pattern, chance[0] % 32}, (struct bytes){text, chance[1] % 32},
                   chance[2] & 1);
    }
    reply_status(c, "Apparently Redis did not crash: test passed");
}

/* --- ends --- */

static void debug_segfault(struct call *c) {
    (void)c;
    volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *p = 'x';
}

static void debug_panic(struct call *c) {
    (void)c;
    bug("DEBUG PANIC called at Unix time %lld", (long long)time(NULL));
}

static void debug_assert(struct call *c) {
    must(c == NULL, "DEBUG ASSERT is never called");
}

static void debug_oom(struct call *c) {
    free(xmalloc(SIZE_MAX / 2));
    reply_ok(c);
}

static void debug_restart(struct call *c) {
    int64_t ms = 0;
    bool gracefully = bytes_is(c->argv[1], "restart");
    if (c->argc >= 3 && !arg_int(c, 2, &ms)) return;
    server_restart(gracefully, ms < 0 ? 0 : ms);
    reply_error(c, "ERR failed to restart the server. Check server logs.");
}

/* --- the table --- */

static void debug_help(struct call *c);

struct verb {
    const char *name;
    int min, max; /* words, with DEBUG and the verb */
    void (*fn)(struct call *c);
};

static const struct verb verbs[] = {
    {"aof-flush-sleep", 3, 3, debug_taken},
    {"assert", 2, INT_MAX, debug_assert},
    {"change-repl-id", 2, 2, debug_change_repl_id},
    {"clusterlink", 5, 5, debug_clusterlink},
    {"config-rewrite-force-all", 2, 2, debug_rewrite_all},
    {"crash-and-recover", 2, INT_MAX, debug_restart},
    {"digest", 2, 2, debug_digest},
    {"digest-value", 2, INT_MAX, debug_digest_value},
    {"drop-cluster-packet-filter", 3, 3, debug_taken},
    {"error", 3, 3, debug_error},
    {"help", 2, 2, debug_help},
    {"htstats", 3, 3, debug_htstats},
    {"htstats-key", 3, 3, debug_htstats_key},
    {"leak", 3, 3, debug_leak},
    {"listpack", 3, 3, debug_listpack},
    {"loadaof", 2, INT_MAX, debug_loadaof},
    {"log", 3, 3, debug_log},
    {"mallctl", 3, INT_MAX, debug_mallctl},
    {"object", 3, 3, debug_object},
    {"oom", 2, INT_MAX, debug_oom},
    {"panic", 2, INT_MAX, debug_panic},
    {"pause-cron", 3, 3, debug_pause_cron},
    {"populate", 3, 5, debug_populate},
    {"protocol", 3, 3, debug_protocol},
    {"quicklist", 3, 4, debug_quicklist},
    {"quicklist-packed-threshold", 3, 3, debug_packed_threshold},
    {"reload", 2, INT_MAX, debug_reload},
    {"replicate", 3, INT_MAX, debug_replicate},
    {"replybuffer", 4, 4, debug_replybuffer},
    {"restart", 2, INT_MAX, debug_restart},
    {"sdslen", 3, 3, debug_sdslen},
    {"segfault", 2, INT_MAX, debug_segfault},
    {"set-active-expire", 3, 3, debug_active_expire},
    {"set-disable-deny-scripts", 3, 3, debug_deny_scripts},
    {"set-skip-checksum-validation", 3, 3, debug_skip_checksums},
    {"sleep", 3, 3, debug_sleep},
    {"stringmatch-test", 2, 2, debug_stringmatch},
    {"structsize", 2, 2, debug_structsize},
    /* Duet's own */
    {"verify", 2, 2, debug_verify},
    {"watch-turns", 3, 3, debug_watch_turns},
};

static void debug_help(struct call *c) {
    static const char *const lines[] = {
        "CHANGE-REPL-ID",
        "    Begin a new line of replication.",
        "CRASH-AND-RECOVER [<milliseconds>]",
        "    Die at once, without order, and start again after so long.",
        "DIGEST",
        "    A fingerprint of all data, equal to redis-server's for equal data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    The same of each key's value.",
        "ERROR <text>",
        "    Reply this error.",
        "HTSTATS <db>, HTSTATS-KEY <key>",
        "    Size of a table.",
        "LISTPACK <key>, QUICKLIST <key> [<0|1>], SDSLEN <key>, OBJECT <key>",
        "    How a key is kept.",
        "LOADAOF",
        "    Throw the data away and read it back from the log.",
        "LOG <text>",
        "    Write a line into the log.",
        "MALLCTL <name> [<number>]",
        "    Ask or tell the allocator.",
        "PAUSE-CRON <0|1>",
        "    Stop or start what is done in time.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make so many keys; slaves do not get them.",
        "PROTOCOL <type>",
        "    Reply a value of this type.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save, throw the data away, and load it.",
        "REPLICATE <word> [<word> ...]",
        "    Send this command to the slaves alone.",
        "RESTART [<milliseconds>]",
        "    End in order and start again after so long.",
        "SEGFAULT, PANIC, ASSERT, OOM",
        "    Die in that way.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Stop or start expiry in time.",
        "SLEEP <seconds>",
        "    Stand still.",
        "VERIFY",
        "    Check every structure of the store.",
        "WATCH-TURNS <0|1>",
        "    Have INFO tell the longest turn's processor time.",
        NULL};
    reply_help(c, lines);
}

static void cmd_debug(struct call *c) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *v = &verbs[i];
        if (!bytes_is(c->argv[1], v->name)) continue;
        if (c->argc < v->min || c->argc > v->max) break;
        v->fn(c);
        return;
    }
    size_t n = c->argv[1].len < 128 ? c->argv[1].len : 128;
    reply_errorf(c,
                 "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                 (int)strnlen(c->argv[1].p, n), c->argv[1].p);
}

void register_debug_commands(void) {
    command_set_function("debug", cmd_debug);
}
