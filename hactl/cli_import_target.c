/* What an import's worker asks and tells its target: the instance's control socket, or the server that an export goes to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hactl/cli_import_live.h"

static bool contains(const char *text, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strstr(text, list[i])) return true;
    return false;
}

enum source_end worker_refusals(struct worker *w) {
    static const char *const passing[] = {
        "READONLY", "LOADING", "MASTERDOWN",    "NOREPLICAS",
        "MISCONF",  "BUSY",    "only a master", "no longer the pair's master"};
    const struct target_error *e;
    size_t n = target_errors(w->target.t, &e);
    enum source_end end = SOURCE_OK;
    for (size_t i = 0; i < n && end == SOURCE_OK; i++) {
        const char *what = e[i].what;
        if (contains(what, passing, sizeof passing / sizeof *passing))
            end = worker_say(w, SOURCE_LOST, "%s: %s", w->target.name, what);
        else if (strstr(what, "OOM"))
            end = worker_say(w, SOURCE_REFUSED,
                             "the memory of %s is full: give it more (hactl instance resize), then "
                             "`hactl import resume`",
                             w->target.name);
        else if (strstr(what, "import is under way"))
            end = worker_say(w, SOURCE_REFUSED, "%s knows nothing of this import any more",
                             w->target.name);
        else if (w->job.skip_unsupported)
            w->skipped += e[i].count;
        else
            end = worker_say(w, SOURCE_REFUSED,
                             "%s refused what the source holds, at key \"%s\": %s (`hactl import "
                             "resume --skip-unsupported` goes on without it)",
                             w->target.name, e[i].key, what);
    }
    target_errors_forget(w->target.t);
    return end;
}

enum source_end worker_target_lost(struct worker *w) {
    enum source_end end = worker_refusals(w);
    if (end != SOURCE_OK) return end;
    return worker_say(w, SOURCE_LOST, "%s: %s", w->target.name, target_why(w->target.t));
}

/* One request; false with what it answered as the text. */
bool worker_order(struct worker *w, int argc, const char *const *argv) {
    struct buf text = BUF_INIT;
    bool ok = target_ask_words(w->target.t, &text, argc, argv);
    if (!ok)
        worker_say(w, SOURCE_REFUSED, "%s: %s", w->target.name,
                   buf_len(&text) ? buf_cstr(&text) : target_why(w->target.t));
    buf_free(&text);
    return ok;
}

bool worker_mark(struct worker *w, uint64_t offset, int db) {
    char at[24], number[16], note[160];
    const char *id = *w->source.id ? w->source.id : "0000000000000000000000000000000000000000";
    int a = snprintf(at, sizeof at, "%" PRIu64, offset);
    int b = snprintf(number, sizeof number, "%d", db < 0 ? 0 : db);
    if (!w->target.control) {
        int n = snprintf(note, sizeof note, "%s %s %s %s", w->job.token, id, at, number);
        const struct bytes set[] = {BYTES("SET"), BYTES(EXPORT_KEY), {note, (size_t)n}};
        return target_command(w->target.t, 0, 3, set, set[1]);
    }
    const struct bytes words[] = {
        BYTES("DUET"),    BYTES("IMPORT"), BYTES("AT"),        {w->job.token, strlen(w->job.token)},
        {id, strlen(id)}, {at, (size_t)a}, {number, (size_t)b}};
    return target_command(w->target.t, 0, 7, words, words[2]);
}

bool worker_mark_now(struct worker *w, uint64_t offset, int db) {
    return target_multi(w->target.t) && worker_mark(w, offset, db) && target_exec(w->target.t) &&
           target_flush(w->target.t);
}

bool worker_end_target(struct worker *w, bool abort) {
    if (!w->target.control) return worker_order(w, 2, (const char *const[]){"DEL", EXPORT_KEY});
    return worker_order(
        w, abort ? 3 : 4,
        (const char *const[]){"DUET", "IMPORT", abort ? "ABORT" : "END", w->job.token});
}

/* Where the data is, by its own word. */
bool worker_place(struct worker *w, struct import_state *s) {
    struct buf text = BUF_INIT;
    if (w->target.control) return import_state(&w->target, s);
    memset(s, 0, sizeof *s);
    s->known = true;
    if (target_ask_words(w->target.t, &text, 2, (const char *const[]){"GET", EXPORT_KEY}) &&
        sscanf(buf_cstr(&text), "%71s %47s %" SCNu64 " %d", s->token, s->id, &s->offset, &s->db) ==
            4)
        snprintf(s->state, sizeof s->state, strcmp(s->id, "copy") ? "follow" : "copy");
    buf_free(&text);
    return !*target_why(w->target.t);
}

bool worker_begin(struct worker *w) {
    char note[100];
    snprintf(note, sizeof note, "%s copy 0 0", w->job.token);
    bool ok =
        w->target.control
            ? worker_order(
                  w, 5, (const char *const[]){"DUET", "IMPORT", "BEGIN", w->job.token, w->job.info})
            : worker_order(w, 3, (const char *const[]){"SET", EXPORT_KEY, note});
    if (!ok) return false;
    w->job.begun = true;
    return job_write(&w->job);
}

/* What is there goes, once the new is known to be good. */
bool worker_empty(struct worker *w) {
    char note[100];
    snprintf(note, sizeof note, "%s copy 0 0", w->job.token);
    if (!worker_order(w, 1, (const char *const[]){"FLUSHALL"})) return false;
    return w->target.control || worker_order(w, 3, (const char *const[]){"SET", EXPORT_KEY, note});
}

/* In which form an older target takes values: Redis 3.2's, 2.8's. */
static void note_version(struct worker *w) {
    struct buf info = BUF_INIT;
    int major = 7, minor = 0;
    if (target_ask_words(w->target.t, &info, 2, (const char *const[]){"INFO", "server"})) {
        const char *p = strstr(buf_cstr(&info), "redis_version:");
        if (p) sscanf(p, "redis_version:%d.%d", &major, &minor);
    }
    w->old_version = major >= 7 ? 0 : major > 3 || (major == 3 && minor >= 2) ? 7 : 6;
    buf_free(&info);
}

enum source_end worker_open_target(struct worker *w) {
    import_target_close(&w->target);
    if (import_target_open(&w->cli, &w->target)) {
        if (w->job.export) note_version(w);
        return SOURCE_OK;
    }
    return worker_say(w, SOURCE_LOST,
                      "the target cannot be written to now (it is down, or no master here)");
}

bool worker_cut_alone(struct worker *w) {
    struct import_state s;
    if (strstr(w->order, "cutover force") != w->order || !w->job.begun ||
        worker_open_target(w) != SOURCE_OK || !worker_place(w, &s) ||
        strcmp(s.state, "follow") != 0 || strcmp(s.token, w->job.token) != 0 ||
        !worker_end_target(w, false))
        return false;
    worker_say(w, SOURCE_OK,
               "cut over without the source, which could not be asked: all up to offset %" PRIu64
               " of its stream is here",
               s.offset);
    return true;
}
