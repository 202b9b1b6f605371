/* The worker of an import or an export: attach to the source, receive and check its copy, send it, follow, cut over. What
 * breaks on the way is tried again as long as the target was touched; before that it is the end of it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_import_live.h"
#include "hactl/import/reading.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/num.h"

enum { TELL_EACH_MS = 300, ORDER_EACH_MS = 100, AGAIN_MS = 1000 };

const char *const phase_names[PHASES] = {"connect", "receive", "check", "copy",  "follow",
                                         "wait",    "done",    "ended", "failed"};

/* ---- telling ---- */

static void tell(struct worker *w) {
    struct fields f = {0};
    const struct source *s = &w->source;
    uint64_t ran = clock_boot_ms() - w->begun_ms, left = w->all_bytes - w->done_bytes;
    uint64_t lag = w->source_end > w->applied ? w->source_end - w->applied : 0;
    bool known = w->phase != PHASE_FOLLOW && w->all_bytes && w->done_bytes && ran > 500;
    fields_add_text(&f, w->job.export ? "export" : "import", "kind");
    fields_add_text(&f, phase_names[w->phase], "phase");
    fields_add_text(&f, w->text, "text");
    fields_add_text(&f, w->job.info, "info");
    fields_add_text(&f, s->facts.version, "source_version");
    fields_add_text(&f, s->facts.keyspace, "source_keys");
    fields_add_number(&f, getpid(), "pid");
    fields_add_number(&f, (int64_t)(clock_wall_us() / 1000000), "told_s");
    fields_add_number(&f, (int64_t)w->done_bytes, "done_bytes");
    fields_add_number(&f, (int64_t)w->all_bytes, "all_bytes");
    fields_add_number(&f, w->all_bytes ? (int64_t)(w->done_bytes * 100 / w->all_bytes) : 0,
                      "percent");
    fields_add_number(&f, known ? (int64_t)(w->done_bytes * 1000 / ran) : 0, "bytes_a_second");
    fields_add_number(&f, known ? (int64_t)(left * ran / w->done_bytes / 1000) : 0, "left_s");
    fields_add_number(&f, (int64_t)w->inventory.keys, "all_keys");
    fields_add_number(&f, (int64_t)w->copy.keys, "keys");
    fields_add_number(&f, (int64_t)w->copy.commands, "commands");
    fields_add_number(&f, (int64_t)(w->copy.skipped + w->skipped), "skipped");
    fields_add_number(&f, (int64_t)w->copies, "copies");
    fields_add_number(&f, (int64_t)w->resumed, "resumed");
    fields_add_true(&f, w->anew, "copied_anew");
    fields_add_number(&f, (int64_t)w->applied, "applied");
    fields_add_number(&f, (int64_t)w->source_end, "source_offset");
    fields_add_number(&f, w->phase == PHASE_FOLLOW ? (int64_t)lag : 0, "lag_bytes");
    fields_add_number(&f, w->phase == PHASE_FOLLOW ? (int64_t)w->lag_ms : 0, "lag_ms");
    fields_add_number(&f, (int64_t)(buf_len(&s->queue) + s->spill_end - s->spill_read),
                      "waiting_bytes");
    job_tell(w->job.dir, &f);
    fields_free(&f);
}

bool worker_turn(struct worker *w, bool at_once) {
    uint64_t now = clock_boot_ms();
    if (at_once || now - w->told_ms >= TELL_EACH_MS) {
        w->told_ms = now;
        tell(w);
    }
    if (at_once || now - w->asked_ms >= ORDER_EACH_MS) {
        w->asked_ms = now;
        job_take_order(w->job.dir, w->order, sizeof w->order);
    }
    return strncmp(w->order, "abort", 5) != 0;
}

static void enter(struct worker *w, enum phase phase, const char *text) {
    w->phase = phase;
    w->begun_ms = clock_boot_ms();
    w->done_bytes = w->all_bytes = 0;
    if (text) snprintf(w->text, sizeof w->text, "%s", text);
    fprintf(stderr, "%s: %s\n", phase_names[phase], w->text);
    worker_turn(w, true);
}

enum source_end worker_say(struct worker *w, enum source_end end, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return end;
}

static enum source_end from_source(struct worker *w, enum source_end end) {
    if (end != SOURCE_OK) snprintf(w->text, sizeof w->text, "%s", w->source.why);
    return end;
}

/* ---- the copy ---- */

struct pass {
    struct worker *w;
    bool look, stop;
    int stream_db;
    enum source_end end; /* of the source, while it was kept waiting */
};

static bool event(void *arg, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at) {
    struct pass *p = arg;
    struct copy *y = &p->w->copy;
    int64_t db;
    if (p->stop) return false;
    if (ev == RDB_KEYS_AUX && bytes_is(k->name, "repl-stream-db") &&
        num_parse_i64(k->text.p, k->text.len, &db) && db >= 0 && db < FILTER_DB_MAX)
        p->stream_db = (int)db;
    return p->look ? copy_look(y, &p->w->inventory, k, ev, at) : copy_event(y, k, ev, at);
}

static void progress(void *arg, uint64_t at, uint64_t all) {
    struct pass *p = arg;
    struct worker *w = p->w;
    w->done_bytes = at;
    w->all_bytes = all;
    if (p->stop) return;
    if (p->end == SOURCE_OK) p->end = source_pump(&w->source, w->source.offset, 0);
    p->stop = !worker_turn(w, false) || p->end != SOURCE_OK;
}

static enum source_end read_copy(struct worker *w, struct pass *p) {
    struct import_files files;
    struct import_read r;
    struct import_reader reader = {event, NULL, progress, p};
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%s/source.rdb", w->job.dir);
    if (!import_files_open(&files, path, w->job.dir)) {
        worker_say(w, SOURCE_REFUSED, "the source's copy: %s", files.error);
        import_files_close(&files);
        return SOURCE_REFUSED;
    }
    import_read(&r, &files, 0, 0, UINT64_MAX, &reader);
    import_files_close(&files);
    if (p->end != SOURCE_OK) return from_source(w, p->end);
    if (p->stop) return worker_say(w, SOURCE_REFUSED, "it was given up");
    if (r.end == IMPORT_WHOLE) return SOURCE_OK;
    if (!p->look && *target_why(w->target.t)) return worker_target_lost(w);
    return worker_say(w, SOURCE_REFUSED,
                      "the source's copy is damaged, or of a form that is not known: %s",
                      r.end == IMPORT_STOPPED ? w->copy.error : r.error);
}

/* Everything that speaks against it, before the target is touched. */
static enum source_end judge(struct worker *w) {
    struct buf text = BUF_INIT;
    uint64_t lacks = inventory_lacks(&w->inventory, &w->target.limits);
    enum source_end end = SOURCE_OK;
    inventory_text(&w->inventory, &w->target.limits, &text);
    fprintf(stderr, "%s", buf_cstr(&text));
    FILE *f = NULL;
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%s/inventory", w->job.dir);
    if ((f = fopen(path, "we"))) {
        fwrite(buf_head(&text), 1, buf_len(&text), f);
        fclose(f);
    }
    buf_free(&text);
    if (inventory_refused(&w->inventory) && !w->job.skip_unsupported)
        end = worker_say(w, SOURCE_REFUSED,
                         "some of it cannot be taken (the list above); with --skip-unsupported all "
                         "the rest is taken");
    else if (lacks && !w->job.force)
        end = worker_say(w, SOURCE_REFUSED,
                         "it does not fit into the memory of %s: about %s are missing; `hactl "
                         "instance resize` gives it more, --force takes it all the same",
                         w->target.name, size_text(lacks));
    return end;
}

static enum source_end check(struct worker *w, int *db) {
    struct pass p = {.w = w, .look = true};
    enter(w, PHASE_CHECK, "looking through the source's copy");
    inventory_free(&w->inventory);
    inventory_init(&w->inventory);
    copy_free(&w->copy);
    copy_init(&w->copy, &w->filter, &w->target.limits);
    w->copy.places = w->filter.patterns ? &w->target.places : NULL;
    w->copy.dump_version = w->old_version;
    w->target.limits.memory_goes = w->job.replace || (w->job.begun && !w->job.merge);
    enum source_end end = read_copy(w, &p);
    *db = p.stream_db;
    return end == SOURCE_OK ? judge(w) : end;
}

static enum source_end send_copy(struct worker *w, int db) {
    struct pass p = {.w = w};
    enter(w, PHASE_COPY, "copying");
    w->copy.target = w->target.t;
    uint64_t offset = w->source.offset;
    enum source_end end = read_copy(w, &p);
    if (end != SOURCE_OK) return end;
    if (!target_flush(w->target.t)) return worker_target_lost(w);
    end = worker_refusals(w);
    if (end != SOURCE_OK) return end;
    if (!worker_mark_now(w, offset, db)) return worker_target_lost(w);
    w->copies++;
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%s/source.rdb", w->job.dir);
    unlink(path);
    return worker_refusals(w);
}

static bool keep_waiting(void *arg) {
    struct worker *w = arg;
    w->done_bytes = w->source.rdb_got;
    w->all_bytes = w->source.rdb_total;
    return worker_turn(w, false);
}

static enum source_end copy_all(struct worker *w, int *db) {
    bool again = w->anew = w->job.begun;
    enter(w, PHASE_RECEIVE,
          again ? "the source no longer has what is missing, or the copy was broken off: it is "
                  "copied anew"
                : "receiving the source's copy");
    enum source_end end = from_source(w, source_receive(&w->source));
    if (end == SOURCE_OK) end = check(w, db);
    if (end != SOURCE_OK) return end;
    if (!w->job.begun && !worker_begin(w)) return SOURCE_REFUSED;
    if ((w->job.replace || (again && !w->job.merge)) && !worker_empty(w)) return SOURCE_LOST;
    return send_copy(w, *db);
}

/* ---- one attempt ---- */

static bool is_mine(const struct worker *w, const struct import_state *s) {
    return strcmp(s->token, w->job.token) == 0;
}

/* May it be touched, and does it know us? */
static enum source_end agree(struct worker *w, const struct import_state *s) {
    if (*s->token && !is_mine(w, s))
        return worker_say(w, SOURCE_REFUSED,
                          "an import is under way in %s already (%s); `hactl import abort` ends it",
                          w->target.name, s->info);
    if (!*s->token && w->job.begun)
        return worker_say(w, SOURCE_REFUSED,
                          "%s knows nothing of this import any more: it was ended there, or the "
                          "data went back to before it",
                          w->target.name);
    if (!*s->token && w->target.keys && !w->job.replace && !w->job.merge)
        return worker_say(w, SOURCE_REFUSED,
                          "%s holds %" PRIu64 " keys: with --replace they go once the copy is "
                          "checked, with --merge they stay",
                          w->target.name, w->target.keys);
    if (*s->token && w->target.control &&
        !worker_order(w, 4, (const char *const[]){"DUET", "IMPORT", "JOIN", w->job.token}))
        return SOURCE_LOST;
    return SOURCE_OK;
}

/* What the source says of itself speaks against it before anything is copied. */
static enum source_end look_at_facts(struct worker *w) {
    const struct source_facts *f = &w->source.facts;
    struct buf info = BUF_INIT;
    bool same = !w->job.export && *f->run_id &&
                target_ask_words(w->target.t, &info, 2, (const char *const[]){"INFO", "server"}) &&
                strstr(buf_cstr(&info), f->run_id);
    buf_free(&info);
    if (same) return worker_say(w, SOURCE_REFUSED, "the source is %s itself", w->target.name);
    if (*f->functions && !w->job.skip_unsupported && !w->job.begun)
        return worker_say(w, SOURCE_REFUSED,
                          "the source has functions, which cannot be taken: %s (with "
                          "--skip-unsupported all the rest is taken)",
                          f->functions);
    return SOURCE_OK;
}

static enum source_end attempt(struct worker *w) {
    struct import_state s;
    bool copy = false;
    struct source_options o = {.url = w->job.source,
                               .tls = {*w->job.cacert ? w->job.cacert : NULL, w->job.insecure},
                               .dir = w->job.dir,
                               .pause = keep_waiting,
                               .arg = w};
    enter(w, PHASE_CONNECT, "connecting");
    enum source_end end = worker_open_target(w);
    if (end != SOURCE_OK) return end;
    if (!worker_place(w, &s))
        return worker_say(w, SOURCE_LOST, "%s does not answer", w->target.name);
    if ((end = agree(w, &s)) != SOURCE_OK) return end;
    o.rdb_version = w->old_version;
    w->job.begun = *s.token != '\0';
    source_init(&w->source, &o);
    end = from_source(w, source_ask(&w->source));
    if (end == SOURCE_OK) end = look_at_facts(w);
    if (end != SOURCE_OK) return end;
    bool known = is_mine(w, &s) && strcmp(s.state, "follow") == 0;
    end = from_source(w, source_attach(&w->source, known ? s.id : "", s.offset, &copy));
    if (end == SOURCE_OK && copy) end = copy_all(w, &s.db);
    if (end != SOURCE_OK) return end;
    if (!copy) w->resumed++;
    enter(w, PHASE_FOLLOW, "following the source");
    return worker_follow(w, s.db);
}

/* ---- the whole ---- */

static void give_up(struct worker *w) {
    char text[400] = "given up before the target was touched";
    if (w->job.begun && (worker_open_target(w) != SOURCE_OK || !worker_end_target(w, true))) {
        enter(w, PHASE_FAILED, NULL);
        return;
    }
    if (w->job.begun)
        snprintf(text, sizeof text,
                 "given up: %s holds %" PRIu64 " keys, some of them the source's as it was then; "
                 "nothing follows it any more",
                 w->target.name, w->target.keys);
    w->job.wanted = false;
    enter(w, PHASE_ENDED, text);
}

static bool prepare(struct worker *w, struct cli *c) {
    static char number[16];
    w->cli.root = c->root;
    w->cli.raw = w->job.words;
    w->cli.raw_count = w->job.word_count;
    w->cli.merge = w->job.merge;
    w->cli.replace = w->job.replace;
    snprintf(number, sizeof number, "%u", w->job.instance);
    if (w->job.export) {
        w->cli.to = w->job.to;
        w->cli.password = *w->job.to_password ? w->job.to_password : NULL;
    } else {
        w->cli.instance = number;
    }
    if (!import_filter(&w->cli, &w->filter)) return false;
    if (w->job.source.db >= 0) w->filter.only_db = w->job.source.db;
    return true;
}

static void work(struct worker *w) {
    for (;;) {
        enum source_end end = attempt(w);
        source_close(&w->source);
        if (w->phase == PHASE_DONE) return;
        if (!worker_turn(w, true)) {
            give_up(w);
            return;
        }
        if (end == SOURCE_REFUSED || !w->job.begun) {
            enter(w, PHASE_FAILED, NULL);
            return;
        }
        if (!w->job.export && worker_is_slave(w)) {
            enter(w, PHASE_WAIT, "this node is the slave now: the other node goes on with it");
            return;
        }
        if (worker_cut_alone(w)) {
            enter(w, PHASE_DONE, NULL);
            return;
        }
        if (!file_exists(w->job.dir)) { /* with the instance, or all of the node */
            w->phase = PHASE_FAILED;
            return;
        }
        enter(w, PHASE_WAIT, NULL);
        for (uint64_t until = clock_boot_ms() + AGAIN_MS; clock_boot_ms() < until; usleep(50000))
            if (!worker_turn(w, false)) break;
    }
}

int import_run(struct cli *c) {
    struct worker *w = xcalloc(1, sizeof *w);
    char dir[JOB_PATH];
    unsigned instance = c->argc > 1 ? (unsigned)atoi(c->argv[1]) : 0;
    int status = CLI_NO, lock = -1;
    if (!job_dir(c, instance, c->exporting, true, dir) || (lock = job_lock(dir)) < 0) goto end;
    if (!job_read(&w->job, dir) || !prepare(w, c)) goto end;
    work(w);
    status = CLI_OK;
    if (w->phase == PHASE_WAIT) goto end;
    /* what is not to be gone on with needs no password */
    w->job.wanted = false;
    if (w->phase != PHASE_FAILED) w->job.begun = false;
    if (!w->job.begun) *w->job.source.password = *w->job.to_password = 0;
    job_no_order(dir);
    job_write(&w->job);
    worker_turn(w, true);
    status = w->phase == PHASE_FAILED ? CLI_NO : CLI_OK;
end:
    import_target_close(&w->target);
    inventory_free(&w->inventory);
    copy_free(&w->copy);
    job_free(&w->job);
    if (lock >= 0) close(lock);
    free(w);
    return status;
}
