/* Commands without a client: the log's at start, the master's while we follow. They have been
 * through every check where they were first run; here they only take effect. */
#include "server/dispatch.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/control.h"
#include "server/pair.h"
#include "server/proto/cmdstream.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { OUT_KEEP_BYTES = 64 * 1024 };

static bool fails(char *err, size_t err_size, const struct bytes *argv, const char *why) {
    snprintf(err, err_size, "%.*s: %s", (int)(argv[0].len < 64 ? argv[0].len : 64), argv[0].p, why);
    return false;
}

/* What stands in a stream or a log: writes, and what else is told to slaves. Any other command would act on its client, of which
 * there is none, or on this server, which is not the other side's to steer. */
static bool belongs(const struct command *cmd) {
    if (cmd->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) return strcmp(cmd->name, "migrate") != 0;
    return strcmp(cmd->name, "script|load") == 0 || strcmp(cmd->name, "script|flush") == 0;
}

static bool run(int db, int argc, const struct bytes *argv, unsigned flags, char *err,
                size_t err_size) {
    static struct buf out;
    bool bad_subcommand = false;
    if (__builtin_expect(argc == 5 && cmdstream_is_mark(argc, argv), 0)) {
        if (bytes_is(argv[2], CMDSTREAM_MARK)) control_import_mark(argv[4]);
        if (bytes_is(argv[2], CMDSTREAM_DIGEST) && flags & CALL_ON_SLAVE)
            control_digest_mark(argv[4]);
        return true;
    }
    const struct command *cmd = command_resolve(argc, argv, 0, &bad_subcommand);
    if (!cmd || bad_subcommand) return fails(err, err_size, argv, "unknown command");
    if (!command_arity_fits(cmd, argc)) return fails(err, err_size, argv, "wrong word count");
    if (!belongs(cmd)) return fails(err, err_size, argv, "no command of a stream");
    if (db < 0 || db >= store_databases(server.store))
        return fails(err, err_size, argv, "its database is above `databases`");
    struct call c = {.argc = argc,
                     .argv = argv,
                     .command = cmd,
                     .store = server.store,
                     .db = db,
                     .resp = 2,
                     .flags = flags,
                     .now_ms = clock_wall_ms(),
                     .out = &out,
                     .ops = &replay_ops};
    cmd->fn(&c);
    if (flags & CALL_ON_SLAVE) { /* a slave's INFO counts what its master sends */
        server.command_stats[cmd->id].calls++;
        server.command_stats[cmd->id].failed += c.failed;
        server.stats.commands++;
    }
    if (c.dirty && server.persist) persist_count_changes(server.persist, c.dirty);
    bool ok = !c.failed;
    if (!ok) {
        size_t n = buf_len(&out) < 120 ? buf_len(&out) : 120;
        while (n && (buf_head(&out)[n - 1] == '\n' || buf_head(&out)[n - 1] == '\r')) n--;
        char text[128];
        snprintf(text, sizeof text, "%.*s", (int)n, buf_head(&out));
        fails(err, err_size, argv, text);
    }
    buf_clear(&out);
    buf_trim(&out, OUT_KEEP_BYTES);
    pair_executor_tick();
    return ok;
}

bool replay_run(void *arg, int db, int argc, const struct bytes *argv, char *err, size_t err_size) {
    (void)arg;
    return run(db, argc, argv, CALL_FROM_MASTER | CALL_LOADING, err, err_size);
}

bool replay_apply(void *arg, int db, int argc, const struct bytes *argv, char *err,
                  size_t err_size) {
    (void)arg;
    return run(db, argc, argv, CALL_FROM_MASTER | CALL_ON_SLAVE, err, err_size);
}
