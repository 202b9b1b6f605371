/* hactl import FILE. Two passes over the file: the first one looks (is it whole, what is in it, can all of it be taken), the
 * second one sends. Between them everything is decided, and until then nothing is touched.
 *
 * Where it stands lives with the data (DUET IMPORT AT): of keys now and then, which done again end the same; of commands in
 * the same transaction as the commands. The same file with the same options has the same token, by which an import that
 * was interrupted is known again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_import.h"
#include "hactl/import/copy.h"
#include "hactl/import/reading.h"
#include "hactl/stick.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/proto/crc64.h"

#define MARK_BYTES  (4 << 20) /* of the file between two marks among keys */
#define BATCH_BYTES (64 << 10)
#define BATCH_COUNT 64 /* commands of one transaction of ours */

struct import {
    const struct cli *c;
    struct filter filter;
    struct import_files files;
    struct import_target target;
    struct inventory inventory;
    struct copy copy;
    struct progress progress;
    char id[41], token[48];
    uint64_t from; /* position to go on from; 0: the begin */
    int from_db;
    uint64_t until; /* position up to which the file is taken */
    uint64_t dropped;
    bool marks;         /* DUET IMPORT is there */
    uint64_t marked_at; /* position of the last mark */
    bool in_batch;
    size_t batch_count, batch_bytes;
    uint64_t begun_ms;
    char why[400];
};

/* ---- the first pass ---- */

static bool look_event(void *arg, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at) {
    struct import *m = arg;
    return copy_look(&m->copy, &m->inventory, k, ev, at);
}

static bool look_command(void *arg, int db, int argc, const struct bytes *argv) {
    struct import *m = arg;
    copy_look_at_command(&m->copy, &m->inventory, db, argc, argv);
    return true;
}

static bool look_unit(void *arg, struct aofile *a, const char *unit, size_t len, uint64_t at) {
    (void)at;
    return aofile_each(a, unit, len, look_command, arg);
}

static void show(void *arg, uint64_t at, uint64_t all) {
    struct import *m = arg;
    progress_bytes(&m->progress, at, all);
}

/* Tokens of the same file and the same options are the same. */
static void name_it(struct import *m, uint64_t sum) {
    const struct filter *f = &m->filter;
    uint64_t words = crc64(0, &f->only_db, sizeof f->only_db);
    words = crc64(words, f->rename, (size_t)f->renames * sizeof *f->rename);
    words = crc64(words, &m->until, sizeof m->until);
    for (int i = 0; i < f->patterns; i++) words = crc64(words, f->pattern[i].p, f->pattern[i].len);
    snprintf(m->id, sizeof m->id, "%016" PRIx64 "%016" PRIx64 "%08" PRIx64, sum, words,
             m->files.bytes & 0xffffffff);
    snprintf(m->token, sizeof m->token, "file%s", m->id);
}

static bool torn_end(struct import *m, const struct import_read *r) {
    const struct import_part *p = &m->files.parts[r->part];
    if (!r->tail) {
        fprintf(stderr, "hactl: %s; nothing was imported\n", r->error);
        return false;
    }
    if (!m->c->truncate) {
        fprintf(stderr,
                "hactl: %s; with --truncate it is imported without the %" PRIu64 " bytes from "
                "there on\n",
                r->error, r->dropped);
        return false;
    }
    m->until = p->begin + r->bad_at;
    m->dropped = r->dropped;
    fprintf(stderr, "hactl: %s; the %" PRIu64 " bytes from there on are left out\n", r->error,
            r->dropped);
    return true;
}

/* Where the file's commands follow, a key whose time is over is not gone yet: they may say more of it. */
static bool has_commands(const struct import_files *f) {
    for (size_t i = 0; i < f->count; i++)
        if (f->parts[i].bytes > f->parts[i].rdb_end) return true;
    return false;
}

static bool look_through(struct import *m) {
    struct import_read r;
    struct import_reader reader = {look_event, look_unit, show, m};
    progress_begin(&m->progress, m->c, "looking through it", "");
    import_read(&r, &m->files, 0, 0, UINT64_MAX, &reader);
    progress_end(&m->progress);
    m->until = m->files.bytes;
    if (r.end == IMPORT_STOPPED) {
        fprintf(stderr, "hactl: %s is damaged: %s; nothing was imported\n",
                m->files.parts[r.part].name, m->copy.error);
        return false;
    }
    if (r.end != IMPORT_WHOLE && !torn_end(m, &r)) return false;
    if (has_commands(&m->files)) m->copy.now_ms = 0;
    name_it(m, r.sum);
    return true;
}

/* ---- the second ---- */

static bool mark(struct import *m, uint64_t at, int db) {
    char offset[24], number[16];
    int a = snprintf(offset, sizeof offset, "%" PRIu64, at);
    int b = snprintf(number, sizeof number, "%d", db);
    const struct bytes words[] = {BYTES("DUET"),
                                  BYTES("IMPORT"),
                                  BYTES("AT"),
                                  {m->token, strlen(m->token)},
                                  {m->id, strlen(m->id)},
                                  {offset, (size_t)a},
                                  {number, (size_t)b}};
    m->marked_at = at;
    return !m->marks || target_command(m->target.t, 0, 7, words, words[2]);
}

static bool send_event(void *arg, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at) {
    struct import *m = arg;
    if (ev == RDB_KEYS_KEY && at > m->marked_at + MARK_BYTES && !mark(m, at, k->db)) return false;
    return copy_event(&m->copy, k, ev, at);
}

static bool send_command(void *arg, int db, int argc, const struct bytes *argv) {
    struct import *m = arg;
    uint64_t skipped = m->inventory.refusal_count;
    m->batch_count++;
    if (copy_command(&m->copy, db, argc, argv)) return true;
    if (!skipped || *target_why(m->target.t)) return false;
    m->copy.skipped++; /* refused, and that was accepted */
    m->copy.error[0] = 0;
    return true;
}

static bool end_batch(struct import *m, uint64_t at, int db) {
    if (!m->in_batch) return true;
    m->in_batch = false;
    m->batch_count = m->batch_bytes = 0;
    return mark(m, at, db) && target_exec(m->target.t);
}

/* Units of one command are gathered into transactions of ours; one of the source's keeps its own. */
static bool send_unit(void *arg, struct aofile *a, const char *unit, size_t len, uint64_t at) {
    struct import *m = arg;
    const bool alone = a->transaction, grouped = m->marks || alone;
    if (alone && !end_batch(m, at, a->db)) return false;
    if (grouped && !m->in_batch) {
        if (!target_multi(m->target.t)) return false;
        m->in_batch = true;
    }
    if (!aofile_each(a, unit, len, send_command, m)) return false;
    m->batch_bytes += len;
    if (!alone && m->batch_count < BATCH_COUNT && m->batch_bytes < BATCH_BYTES) return true;
    return end_batch(m, at + len, a->db);
}

static bool send_all(struct import *m) {
    struct import_read r;
    struct import_reader reader = {send_event, send_unit, show, m};
    m->copy.target = m->target.t;
    m->marked_at = m->from;
    progress_begin(&m->progress, m->c, "importing", "");
    import_read(&r, &m->files, m->from, m->from_db, m->until, &reader);
    bool well = r.end == IMPORT_WHOLE && end_batch(m, m->until, 0) && target_flush(m->target.t);
    progress_end(&m->progress);
    if (well) return true;
    import_complaints(&m->target);
    const char *why = *target_why(m->target.t) ? target_why(m->target.t)
                      : m->copy.error[0]       ? m->copy.error
                                               : r.error;
    fprintf(stderr, "hactl: the import was interrupted: %s; the same command goes on with it\n",
            why);
    return false;
}

/* ---- begin and end ---- */

static bool duet_import(struct import *m, const char *verb, const char *info) {
    const char *words[] = {"DUET", "IMPORT", verb, m->token, info};
    struct buf text = BUF_INIT;
    bool well = target_ask_words(m->target.t, &text, info ? 5 : 4, words);
    if (!well) fprintf(stderr, "hactl: %s: %s\n", m->target.name, buf_cstr(&text));
    buf_free(&text);
    return well;
}

static bool empties(struct import *m) {
    struct buf text = BUF_INIT;
    bool well = target_ask_words(m->target.t, &text, 1, (const char *const[]){"FLUSHALL"});
    if (!well) fprintf(stderr, "hactl: %s: %s\n", m->target.name, buf_cstr(&text));
    buf_free(&text);
    return well;
}

static bool goes_on(const struct import *m, const struct import_state *s) {
    return s->known && *s->token && strcmp(s->token, m->token) == 0;
}

/* May what is there be touched at all. */
static bool may_begin(const struct import *m, const struct import_state *s) {
    if (goes_on(m, s)) return true;
    if (s->known && *s->token) {
        fprintf(stderr,
                "hactl: an import is under way already (%s); `hactl import abort` ends it\n",
                s->info);
        return false;
    }
    if (!m->target.keys || m->c->replace || m->c->merge) return true;
    fprintf(stderr,
            "hactl: %s holds %" PRIu64 " keys: with --replace they go, with --merge they stay\n",
            m->target.name, m->target.keys);
    return false;
}

static bool begin(struct import *m, const struct import_state *s) {
    char info[300];
    m->marks = s->known;
    if (goes_on(m, s)) {
        m->from = strcmp(s->state, "copy") == 0 ? 0 : s->offset;
        m->from_db = s->db;
        fprintf(stderr, "hactl: the import that was interrupted goes on\n");
        if (!duet_import(m, "JOIN", NULL)) return false;
    } else if (m->marks) {
        char name[160];
        inventory_name(name, sizeof name,
                       (struct bytes){m->files.parts[0].name, strlen(m->files.parts[0].name)});
        snprintf(info, sizeof info, "%s %s", m->files.kind, name);
        if (!duet_import(m, "BEGIN", info)) return false;
    }
    return !m->c->replace || m->from || empties(m);
}

/* ---- the report ---- */

static void tell_inventory(struct import *m) {
    struct buf text = BUF_INIT;
    if (m->c->json) return;
    inventory_text(&m->inventory, &m->target.limits, &text);
    printf("%s, %s\n%s", m->files.kind, size_text(m->files.bytes), buf_cstr(&text));
    fflush(stdout);
    buf_free(&text);
}

static void tell_end(struct import *m, bool done, uint64_t failed) {
    const struct copy *y = &m->copy;
    uint64_t ms = m->begun_ms ? clock_boot_ms() - m->begun_ms : 0;
    struct buf text = BUF_INIT;
    if (m->c->json) {
        inventory_json(&m->inventory, &m->target.limits, &text);
        printf("{\"done\":%s,%s,\"imported\":%" PRIu64 ",\"in_pieces\":%" PRIu64
               ",\"skipped\":%" PRIu64 ",\"sent_commands\":%" PRIu64 ",\"failed\":%" PRIu64
               ",\"dropped_bytes\":%" PRIu64 ",\"ms\":%" PRIu64 "}\n",
               done ? "true" : "false", buf_cstr(&text), y->keys, y->in_pieces, y->skipped,
               y->commands, failed, m->dropped, ms);
    } else if (done) {
        printf("%" PRIu64 " keys", y->keys);
        if (y->commands) printf(" and %" PRIu64 " commands", y->commands);
        printf(" were imported into %s in %.1f s", m->target.name, (double)ms / 1000);
        if (y->skipped) printf("; %" PRIu64 " were skipped", y->skipped);
        printf("\n");
    }
    buf_free(&text);
}

static int run(struct import *m) {
    struct import_state s;
    if (!look_through(m)) return CLI_NO;
    tell_inventory(m);
    bool well = import_state(&m->target, &s) && import_allowed(m->c, &m->target, &m->inventory) &&
                may_begin(m, &s);
    if (!well || m->c->dry_run) {
        if (m->c->json) tell_end(m, false, 0);
        return well ? CLI_OK : CLI_NO;
    }
    m->begun_ms = clock_boot_ms();
    if (!begin(m, &s) || !send_all(m)) return CLI_NO;
    uint64_t failed = import_complaints(&m->target);
    if (m->marks && !duet_import(m, "END", NULL)) return CLI_NO;
    import_settle(&m->target);
    tell_end(m, true, failed);
    if (failed)
        fprintf(stderr, "hactl: %" PRIu64 " of it were refused by %s: the import is not whole\n",
                failed, m->target.name);
    return failed ? CLI_NO : CLI_OK;
}

/* ---- the file ---- */

static bool spool_dir(const struct cli *c, char *out, size_t size) {
    char root[SETS_PATH];
    const char *tmp = getenv("TMPDIR");
    if (!c->to) {
        if (!backup_root(c, root)) return false;
        snprintf(out, size, "%s/data/import", root);
        if (file_make_dirs(out, 0700)) return true;
    }
    snprintf(out, size, "%s", tmp && *tmp ? tmp : "/tmp");
    return true;
}

static int import_path(const struct cli *c, const char *path) {
    struct import m = {.c = c};
    char dir[SETS_PATH + 20];
    int status = CLI_NO;
    if (!import_filter(c, &m.filter)) return CLI_USAGE;
    if (!spool_dir(c, dir, sizeof dir) || !import_target_open(c, &m.target)) return CLI_NO;
    m.target.limits.memory_goes = c->replace;
    copy_init(&m.copy, &m.filter, &m.target.limits);
    m.copy.places = &m.target.places;
    m.copy.plain_sets = m.target.control;
    m.copy.now_ms = clock_wall_us() / 1000;
    inventory_init(&m.inventory);
    if (!import_files_open(&m.files, path, dir))
        fprintf(stderr, "hactl: %s\n", m.files.error);
    else
        status = run(&m);
    import_files_close(&m.files);
    inventory_free(&m.inventory);
    copy_free(&m.copy);
    import_target_close(&m.target);
    return status;
}

/* The file that is named, or the only RDB file there. */
static int import_stick(const struct cli *c) {
    struct stick stick;
    char name[300] = "";
    if (!stick_mount(&stick, c->device)) return CLI_NO;
    int status = CLI_NO;
    if (c->argc || stick_only_archive(&stick, ".rdb", name, sizeof name)) {
        char *path = xasprintf("%s/%s", stick.at, c->argc ? c->argv[0] : name);
        status = strstr(path, "..") ? CLI_USAGE : import_path(c, path);
        free(path);
    }
    stick_unmount(&stick);
    return status;
}

int cli_import_file(struct cli *c) {
    if (c->replace && c->merge) {
        fprintf(stderr, "hactl: --replace and --merge exclude one another\n");
        return CLI_USAGE;
    }
    if (c->usb || c->device) return import_stick(c);
    if (c->argc == 1) return import_path(c, c->argv[0]);
    fprintf(stderr, "hactl: import what? `hactl help import` says what there is\n");
    return CLI_USAGE;
}
