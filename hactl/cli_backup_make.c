/* How a backup set is made: on the slave where there is one in sync, then copied to the other node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/set_archive.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define ANSWER_MS    5000
#define LOOK_EACH_US 100000

/* ---- making one on this node ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo) {
    (void)signo;
    interrupted = 1;
}

/* What a set of the instance will take, at most about: as the last one and a quarter more, else as the log. */
static uint64_t expected_bytes(const char *root, unsigned instance) {
    struct stored_set *list;
    const char *const cover[] = {"LOG", "COVER"};
    struct control_answer a;
    uint64_t bytes = 0;
    size_t count = sets_list(root, (int)instance, &list);
    for (size_t i = 0; i < count; i++)
        if (list[i].readable) bytes = list[i].set.bytes + list[i].set.bytes / 4;
    free(list);
    if (bytes) return bytes;
    if (control_ask(root, instance, &a, 2, cover) == CONTROL_OK)
        bytes = strtoull(fields_text(&a.fields, "0", "bytes"), NULL, 10);
    control_answer_free(&a);
    return bytes;
}

static bool has_room(const char *root, unsigned instance) {
    uint64_t room = 0, spare = 0;
    if (!sets_make_folder(root, instance) || !sets_room(root, instance, &room, &spare)) {
        fprintf(stderr, "hactl: no folder for the backup sets of instance %u: %s\n", instance,
                strerror(errno));
        return false;
    }
    uint64_t need = expected_bytes(root, instance) + spare;
    if (room >= need) return true;
    fprintf(stderr,
            "hactl: no room for a set of instance %u: about %s are needed (%s of it are kept for "
            "the log), %s are free; "
            "delete older sets (hactl backup list) or export them\n",
            instance, size_text(need), size_text(spare), size_text(room));
    return false;
}

static void choose_id(const char *root, unsigned instance, char id[48], char dir[SETS_PATH]) {
    int64_t now = clock_wall_us();
    char partial[SETS_PATH + 16];
    for (unsigned again = 0;; again = again ? again + 1 : 2) {
        backup_id_format(id, 48, instance, now, again);
        sets_path(dir, root, instance, id);
        snprintf(partial, sizeof partial, "%s" BACKUP_PARTIAL, dir);
        if (access(dir, F_OK) != 0 && access(partial, F_OK) != 0) return;
    }
}

static void cancel(const char *root, unsigned instance) {
    const char *const words[] = {"BACKUP", "CANCEL"};
    struct control_answer a;
    control_ask(root, instance, &a, 2, words);
    control_answer_free(&a);
    fprintf(stderr, "hactl: interrupted; the set was given up\n");
}

/* Until the server has it on disk, or says why not. */
static int follow(const char *root, unsigned instance, const char *id, struct progress *p) {
    const char *const words[] = {"BACKUP", "STATUS"};
    for (;;) {
        struct control_answer a;
        enum control_result r = control_ask(root, instance, &a, 2, words);
        const char *state = fields_text(&a.fields, "", "state");
        bool ours = strcmp(fields_text(&a.fields, "", "id"), id) == 0;
        bool done = r == CONTROL_OK && ours && strcmp(state, "done") == 0;
        bool failed = r != CONTROL_OK || !ours || strcmp(state, "failed") == 0;
        if (interrupted && !done) cancel(root, instance);
        if (!done && !failed)
            progress_show(p, strtoull(fields_text(&a.fields, "0", "keys_done"), NULL, 10),
                          strtoull(fields_text(&a.fields, "0", "keys_total"), NULL, 10),
                          strtoull(fields_text(&a.fields, "0", "bytes"), NULL, 10));
        if (done || failed) progress_end(p);
        if (failed)
            fprintf(stderr, "hactl: the set was not made: %s\n",
                    r != CONTROL_OK ? a.text
                    : ours          ? fields_text(&a.fields, "?", "reason")
                                    : "the server has started again meanwhile");
        control_answer_free(&a);
        if (done || failed || interrupted) return done ? CLI_OK : CLI_NO;
        usleep(LOOK_EACH_US);
    }
}

static int make_here(const struct cli *c, unsigned instance, const char *name, const char *made_by,
                     char id[48]) {
    char root[SETS_PATH], dir[SETS_PATH], what[64];
    struct control_answer a;
    struct progress p;
    if (!backup_root(c, root) || !has_room(root, instance)) return CLI_NO;
    choose_id(root, instance, id, dir);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGHUP, on_interrupt);
    const char *const words[] = {"BACKUP", "START", id, dir, name, made_by};
    snprintf(what, sizeof what, "making %s", id);
    progress_begin(&p, c, what, "keys");
    enum control_result r = control_ask(root, instance, &a, 6, words);
    if (r != CONTROL_OK) fprintf(stderr, "hactl: the set was not made: %s\n", a.text);
    control_answer_free(&a);
    return r == CONTROL_OK ? follow(root, instance, id, &p) : CLI_NO;
}

int cli_backup_make(struct cli *c) {
    char id[48];
    int64_t n;
    if (c->argc != 3 || !num_parse_range(c->argv[0], 0, 63, &n)) return CLI_USAGE;
    int status = make_here(c, (unsigned)n, c->argv[1], c->argv[2], id);
    if (status == CLI_OK) printf("id %s\n", id);
    return status;
}

/* ---- or on the other one ---- */

struct relayed {
    struct progress *p;
    struct buf line;
    char id[48];
};

/* Progress, and the id at the end. */
static bool take_lines(void *arg, const void *bytes, size_t n) {
    struct relayed *r = arg;
    buf_add(&r->line, bytes, n);
    for (;;) {
        char *head = buf_head(&r->line),
             *nl = buf_len(&r->line) ? memchr(head, '\n', buf_len(&r->line)) : NULL;
        if (!nl) return buf_len(&r->line) < 4096;
        *nl = 0;
        if (!progress_relay(r->p, head)) sscanf(head, "id %47s", r->id);
        buf_eat(&r->line, (size_t)(nl + 1 - head));
    }
}

static int ask_peer(const struct cli *c, char *const *words, int count, const char *what,
                    const char *unit, char id[48]) {
    struct progress p;
    struct relayed r = {.p = &p};
    const struct cli_peer_io io = {.in = -1, .out = take_lines, .arg = &r};
    progress_begin(&p, c, what, unit);
    int status = cli_peer_run(c, words, count, &io);
    progress_end(&p);
    buf_free(&r.line);
    if (id && backup_id_valid(r.id, NULL))
        snprintf(id, 48, "%s", r.id);
    else if (id && status == CLI_OK)
        status = CLI_UNKNOWN;
    return status;
}

static int make_there(const struct cli *c, unsigned instance, const char *name, const char *made_by,
                      char id[48]) {
    char number[12],
        *words[] = {(char[]){"backup"}, (char[]){"make"}, number, xstrdup(name), xstrdup(made_by)};
    char what[64];
    snprintf(number, sizeof number, "%u", instance);
    snprintf(what, sizeof what, "making a set of instance %u on the other node", instance);
    int status = ask_peer(c, words, 5, what, "keys", id);
    free(words[3]);
    free(words[4]);
    return status;
}

/* ---- copying ---- */

struct fetching {
    struct set_import import;
    struct progress p;
};

static bool take_archive(void *arg, const void *bytes, size_t n) {
    struct fetching *f = arg;
    return set_import_take(&f->import, bytes, n);
}

int backup_fetch(const struct cli *c, const char *id) {
    char root[SETS_PATH], what[64],
        *words[] = {(char[]){"backup"}, (char[]){"export"}, xstrdup(id), (char[]){"-"},
                    (char[]){"--local"}};
    static struct fetching f;
    const struct cli_peer_io io = {.in = -1, .out = take_archive, .arg = &f};
    int status = CLI_NO;
    if (backup_root(c, root)) {
        snprintf(what, sizeof what, "copying %s", id);
        progress_begin(&f.p, c, what, "");
        set_import_begin(&f.import, root, progress_bytes, &f.p);
        status = cli_peer_run(c, words, 5, &io);
        progress_end(&f.p);
        bool whole = set_import_end(&f.import);
        if (!whole && status != CLI_NO_PEER)
            fprintf(stderr, "hactl: the set %s was not copied: %s\n", id, f.import.why);
        if (!whole && status == CLI_OK) status = CLI_NO;
    }
    free(words[2]);
    return status;
}

int cli_backup_fetch(struct cli *c) {
    if (c->argc != 1 || !backup_id_valid(c->argv[0], NULL)) return CLI_USAGE;
    return backup_fetch(c, c->argv[0]);
}

/* The other node takes it from here. */
static int give(const struct cli *c, const char *id) {
    char what[64], *words[] = {(char[]){"backup"}, (char[]){"fetch"}, xstrdup(id)};
    snprintf(what, sizeof what, "copying %s to the other node", id);
    int status = ask_peer(c, words, 3, what, "", NULL);
    free(words[2]);
    return status;
}

/* ---- now ---- */

enum place { HERE, THERE, NOWHERE };

/* The slave's disk and processor have nothing else to do; only a slave in sync has today's data. */
static enum place best_place(const struct fields *f) {
    const char *state = fields_text(f, "", "node.state"), *peer = fields_text(f, "", "peer.state");
    bool sync = fields_true(f, "sync.in_sync"), heard = fields_true(f, "peer.heard");
    if (strcmp(state, "slave") == 0 && (sync || !heard)) return sync ? HERE : NOWHERE;
    if (strcmp(state, "master") == 0) return sync && heard ? THERE : HERE;
    return heard && strcmp(peer, "master") == 0 ? THERE : NOWHERE;
}

int backup_make_set(const struct cli *c, unsigned instance, const char *name, const char *made_by,
                    char id[48]) {
    struct cli_answer a;
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    enum place place = best_place(&a.fields);
    bool master = strcmp(fields_text(&a.fields, "", "node.state"), "master") == 0;
    cli_answer_free(&a);
    if (place == NOWHERE) {
        fprintf(stderr, "hactl: no set was made: this node is no master, not in sync with one, and "
                        "hears none\n");
        return CLI_NO;
    }
    status = place == THERE ? make_there(c, instance, name, made_by, id)
                            : make_here(c, instance, name, made_by, id);
    if (status == CLI_NO_PEER && master) {
        fprintf(stderr, "hactl: so the set is made here, on the master\n");
        place = HERE;
        status = make_here(c, instance, name, made_by, id);
    }
    if (status != CLI_OK) return status;
    status = place == THERE ? backup_fetch(c, id) : give(c, id);
    if (status != CLI_OK)
        fprintf(stderr,
                "hactl: the set %s stands on one node only; it is copied when the other one can be "
                "reached\n",
                id);
    return CLI_OK;
}
