/* The control socket: backup sets, the log's times, rollback. See control.h. */
#include "server/control.h"

#include "server/base/backup_set.h"
#include "server/server.h"

static void no_such(struct call *c, const char *takes) {
    reply_errorf(c, "ERR DUET %.*s takes %s", (int)c->argv[1].len, c->argv[1].p, takes);
}

static void none_yet(struct call *c, const char *const *words) {
    struct answer f = {BUF_INIT, 0};
    for (; *words; words += 2) answer_word(&f, words[0], words[1]);
    answer_send(&f, c->out);
}

void duet_backup(struct call *c) {
    static const char *const idle[] = {"state",     "idle", "id",         "",  "dir",       "",
                                       "keys_done", "0",    "keys_total", "0", "raw_bytes", "0",
                                       "bytes",     "0",    "begin_us",   "0", "offset",    "0",
                                       "reason",    "",     NULL};
    if (bytes_is(c->argv[2], "status") && c->argc == 3)
        none_yet(c, idle);
    else if (bytes_is(c->argv[2], "cancel") && c->argc == 3)
        reply_ok(c);
    else if (bytes_is(c->argv[2], "start") && c->argc == 7)
        reply_error(c, "ERR not there yet");
    else
        no_such(c, "START id dir name made-by, CANCEL or STATUS");
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
