/* The control socket: backup sets and the log's times. See control.h. */
#include "server/control.h"

#include "build/version.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/client.h"
#include "server/edition.h"
#include "server/pair.h"
#include "server/persist/backup.h"
#include "server/persist/logtimes.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void no_such(struct call *c, const char *takes) {
    reply_errorf(c, "ERR DUET %.*s takes %s", (int)c->argv[1].len, c->argv[1].p, takes);
}

/* A word of the request as a string; false when it does not fit or holds a NUL. */
static bool take_word(char *to, size_t size, struct bytes word) {
    if (word.len >= size || memchr(word.p, '\0', word.len)) return false;
    memcpy(to, word.p, word.len);
    to[word.len] = '\0';
    return true;
}

static bool take_set(struct backup_set *set, const struct call *c, const char **wrong) {
    bool named = !bytes_is(c->argv[5], "-");
    *wrong = "the id is not N-YYYYMMDDThhmmssZ";
    if (!take_word(set->id, sizeof set->id, c->argv[3]) ||
        !backup_id_valid(set->id, &set->instance))
        return false;
    *wrong = "the name is longer than 60 bytes, or has signs that cannot be shown";
    if (named &&
        (!take_word(set->name, sizeof set->name, c->argv[5]) || !backup_name_valid(set->name)))
        return false;
    *wrong = "the maker is operator, schedule or rollback";
    if (!take_word(set->made_by, sizeof set->made_by, c->argv[6]) ||
        !backup_made_by_valid(set->made_by))
        return false;
    set->node = pair_on() ? (char)(server.config.pair_node ? server.config.pair_node : 'a') : '-';
    snprintf(set->redis_version, sizeof set->redis_version, "%s", command_edition()->redis_version);
    snprintf(set->duet_version, sizeof set->duet_version, "%s", DUET_VERSION);
    return true;
}

static void backup_begin(struct call *c) {
    struct backup_set set = {.node = '-'};
    char dir[1024], err[1200];
    const char *wrong;
    if (!server.persist || server_loading()) {
        reply_error(c, "ERR the data is being loaded; try again when it is there");
        return;
    }
    if (!take_set(&set, c, &wrong)) {
        reply_errorf(c, "ERR %s", wrong);
        return;
    }
    if (!take_word(dir, sizeof dir, c->argv[4])) {
        reply_error(c, "ERR the directory's name is too long");
        return;
    }
    if (backup_start(server.persist, &set, dir, err, sizeof err))
        reply_ok(c);
    else
        reply_errorf(c, "ERR %s", err);
}

static void backup_tell(struct call *c) {
    static const char *const states[] = {[BACKUP_IDLE] = "idle",
                                         [BACKUP_WAITING] = "waiting",
                                         [BACKUP_RUNNING] = "running",
                                         [BACKUP_DONE] = "done",
                                         [BACKUP_FAILED] = "failed"};
    struct backup_status s = {.dir = "", .reason = ""};
    struct answer f = {BUF_INIT, 0};
    if (server.persist) backup_status(server.persist, &s);
    answer_word(&f, "state", states[s.state]);
    answer_word(&f, "id", s.set.id);
    answer_word(&f, "dir", s.dir);
    answer_number(&f, "keys_done", s.keys_done);
    answer_number(&f, "keys_total", s.keys_total);
    answer_number(&f, "raw_bytes", s.set.raw_bytes);
    answer_number(&f, "bytes", s.set.bytes);
    answer_number(&f, "begin_us", (uint64_t)s.set.begin_us);
    answer_number(&f, "offset", s.set.offset);
    answer_word(&f, "reason", s.reason);
    answer_send(&f, c->out);
}

static void backup_end(struct call *c) {
    if (server.persist) backup_cancel(server.persist);
    reply_ok(c);
}

void duet_backup(struct call *c) {
    if (bytes_is(c->argv[2], "status") && c->argc == 3)
        backup_tell(c);
    else if (bytes_is(c->argv[2], "cancel") && c->argc == 3)
        backup_end(c);
    else if (bytes_is(c->argv[2], "start") && c->argc == 7)
        backup_begin(c);
    else
        no_such(c, "START id dir name|- made-by, CANCEL or STATUS");
}

/* --- the log's times: read from its files on a thread, the client waits --- */

struct look {
    uint64_t client;
    char *dir;
    bool at; /* one second, else what is covered */
    uint64_t wall_us;
    bool ok;
    struct logtimes cover;
    struct logtimes_at second;
    char err[700];
};

static int look_work(void *arg) {
    struct look *k = arg;
    k->ok = k->at ? logtimes_at(&k->second, k->dir, k->wall_us, k->err, sizeof k->err)
                  : logtimes_read(&k->cover, k->dir, k->err, sizeof k->err);
    return 0;
}

static void tell_cover(struct answer *f, const struct logtimes *t) {
    char name[48];
    answer_word(f, "log", "on");
    answer_word(f, "replid", t->replid);
    answer_number(f, "from_us", t->from_us);
    answer_number(f, "from_offset", t->from_offset);
    answer_number(f, "to_us", t->to_us);
    answer_number(f, "to_offset", t->to_offset);
    answer_number(f, "bytes", t->bytes);
    answer_number(f, "base_us", t->base_us);
    answer_number(f, "base_offset", t->base_offset);
    answer_number(f, "parts", t->count);
    for (size_t i = 0; i < t->count; i++) {
        const struct logtimes_part *p = &t->parts[i];
        const struct {
            const char *name;
            uint64_t value;
        } rows[] = {{"number", p->number},
                    {"first_us", p->first_us},
                    {"first_offset", p->first_offset},
                    {"bytes", p->bytes},
                    {"base", p->base}};
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            snprintf(name, sizeof name, "part.%zu.%s", i, rows[k].name);
            answer_number(f, name, rows[k].value);
        }
    }
}

static void tell_second(struct answer *f, const struct logtimes_at *a) {
    answer_number(f, "offset", a->offset);
    answer_number(f, "wall_us", a->wall_us);
    answer_word(f, "replid", a->replid);
    answer_number(f, "lost_bytes", a->lost_bytes);
    answer_number(f, "lost_blocks", a->lost_blocks);
    answer_number(f, "lost_commands", a->lost_commands);
    answer_number(f, "to_us", a->to_us);
    answer_number(f, "to_offset", a->to_offset);
}

static void answer_look(const struct look *k, struct buf *out) {
    struct answer f = {BUF_INIT, 0};
    char text[900];
    bool outside = k->at && k->ok && k->second.outside;
    if (!k->ok || outside) {
        if (outside && !k->second.to_us)
            snprintf(text, sizeof text, "ERR the log holds nothing yet");
        else if (outside)
            snprintf(text, sizeof text, "ERR the log covers %llu to %llu only",
                     (unsigned long long)k->second.from_us, (unsigned long long)k->second.to_us);
        else
            snprintf(text, sizeof text, "ERR %s", k->err);
        resp_error(out, text);
        return;
    }
    if (k->at)
        tell_second(&f, &k->second);
    else
        tell_cover(&f, &k->cover);
    answer_send(&f, out);
}

static void looked(void *arg, int error) {
    struct look *k = arg;
    struct client *c = server.stopping ? NULL : client_by_id(k->client);
    (void)error;
    if (c) {
        answer_look(k, &c->out);
        c->sync_result = 3;
    }
    if (!k->at) logtimes_free(&k->cover);
    free(k->dir);
    free(k);
}

/* other: a log that is not in use, or NULL. */
static void begin_look(struct call *c, bool at, uint64_t wall_us, const char *other) {
    const char *dir = server.persist ? persist_log_dir(server.persist) : NULL;
    struct client *client = c->client;
    if (dir && other) dir = other;
    if (!dir) {
        reply_error(c, "ERR the log is off (appendonly no)");
        return;
    }
    if (at && wall_us > (uint64_t)clock_wall_us()) {
        reply_error(c, "ERR that time has not come yet");
        return;
    }
    if (server.repl) repl_before_sleep(server.repl); /* what was executed so far is part of it */
    struct look *k = xcalloc(1, sizeof *k);
    k->client = client->id;
    k->dir = xstrdup(dir);
    k->at = at;
    k->wall_us = wall_us;
    client->sync_result = 0;
    client_stall(client, STALL_SYNC);
    persist_aside(server.persist, look_work, looked, k);
}

void duet_log(struct call *c) {
    uint64_t wall_us = 0;
    char other[1024];
    bool at = bytes_is(c->argv[2], "at");
    int words = at ? 4 : 3; /* and one more when it is another log */
    if ((!at && !bytes_is(c->argv[2], "cover")) || (c->argc != words && c->argc != words + 1))
        no_such(c, "COVER [LOG] or AT wall_us [LOG]");
    else if (at && !num_parse_u64(c->argv[3].p, c->argv[3].len, &wall_us))
        reply_error(c, "ERR the time is not a number of microseconds");
    else if (c->argc > words &&
             (!take_word(other, sizeof other, c->argv[words]) || other[0] != '/'))
        reply_error(c, "ERR the log's directory must be given from the root");
    else
        begin_look(c, at, wall_us, c->argc > words ? other : NULL);
}
