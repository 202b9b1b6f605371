/* The control socket: backup sets, the log's times, rollback. See control.h. */
#include "server/control.h"

#include "build/version.h"
#include "server/edition.h"
#include "server/pair.h"
#include "server/persist/backup.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

static void no_such(struct call *c, const char *takes) {
    reply_errorf(c, "ERR DUET %.*s takes %s", (int)c->argv[1].len, c->argv[1].p, takes);
}

static void none_yet(struct call *c, const char *const *words) {
    struct answer f = {BUF_INIT, 0};
    for (; *words; words += 2) answer_word(&f, words[0], words[1]);
    answer_send(&f, c->out);
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

void duet_log(struct call *c) {
    if ((bytes_is(c->argv[2], "cover") && c->argc == 3) ||
        (bytes_is(c->argv[2], "at") && c->argc == 4))
        reply_error(c, "ERR not there yet");
    else
        no_such(c, "COVER or AT wall_us");
}

void duet_rollback(struct call *c) {
    static const char *const idle[] = {"state",    "idle", "stage",    "-", "dir",    "",
                                       "until_us", "0",    "progress", "0", "keys",   "0",
                                       "offset",   "0",    "wall_us",  "0", "replid", "",
                                       "tail",     "",     "reason",   "",  NULL};
    if (bytes_is(c->argv[2], "status") && c->argc == 3)
        none_yet(c, idle);
    else if (c->argc == 4)
        reply_error(c, "ERR not there yet");
    else
        no_such(c, "DIR|- until_us|0, or STATUS");
}
