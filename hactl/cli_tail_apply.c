/* hactl tail play apply: see cli_tail_play.c. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_control.h"
#include "hactl/cli_tail_play.h"
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/num.h"

enum { SAFE_MS = 10000 /* for the other node to have what was played */ };

/* How it is played must not change from one attempt to the next. */
static void options_text(const struct tail_play *p, char *out, size_t size) {
    snprintf(out, size, "%s%s%s%s", p->c->only_missing ? "only-missing " : "",
             p->c->force ? "force " : "", p->c->keys ? "keys " : "", p->c->keys ? p->c->keys : "");
}

static bool read_marker(struct tail_play *p, bool *begun) {
    char options[200];
    struct reply r, done, was;
    const char *at;
    options_text(p, options, sizeof options);
    tail_ask(p, 4, (const char *const[]){"HMGET", p->marker, "done", "options"});
    if (!tail_flush(p) || !tail_answer_good(p, &r, &at)) return false;
    const char *end = buf_head(&p->in) + p->eaten;
    at += reply_read(at, (size_t)(end - at), &done);
    reply_read(at, (size_t)(end - at), &was);
    *begun = done.type == '$';
    if (!*begun) return true;
    if (was.type != '$' || was.len != strlen(options) || memcmp(was.text, options, was.len) != 0)
        return tail_say_trouble(p,
                                "a replay of this tail with other options was interrupted: finish "
                                "that one first, with the same options");
    return num_parse_u64(done.text, done.len, &p->done) ||
           tail_say_trouble(p, "the note is damaged");
}

static bool read_present(struct tail_play *p) {
    char cursor[32] = "0";
    struct reply r, one;
    const char *at;
    p->present = map_new(false);
    if (!p->c->only_missing) return true;
    do {
        tail_ask(p, 5, (const char *const[]){"SSCAN", p->marked, cursor, "COUNT", "200"});
        if (!tail_flush(p) || !tail_answer_good(p, &r, &at)) return false;
        const char *end = buf_head(&p->in) + p->eaten;
        at += reply_read(at, (size_t)(end - at), &one);
        snprintf(cursor, sizeof cursor, "%.*s", (int)one.len, one.text);
        at += reply_read(at, (size_t)(end - at), &r);
        for (int64_t n = r.number; n > 0; n--) {
            at += reply_read(at, (size_t)(end - at), &one);
            map_put(p->present, one.text, one.len, p);
        }
    } while (strcmp(cursor, "0") != 0);
    return true;
}

/* How far it has come, inside of the batch's transaction. */
static void ask_note(struct tail_play *p) {
    char number[32], options[200];
    snprintf(number, sizeof number, "%llu", (unsigned long long)p->from.number);
    options_text(p, options, sizeof options);
    tail_ask_select(p, 0);
    tail_ask(p, 6, (const char *const[]){"HSET", p->marker, "done", number, "options", options});
}

/* The transaction's answers: what each command said. */
static bool take_executed(struct tail_play *p, int queued, const bool *is_command) {
    struct reply r, one;
    const char *at;
    bool refused = false;
    char first[160] = "";
    for (int i = 0; i < queued + 1; i++) { /* MULTI's, and one for each */
        if (!tail_answer(p, &r, NULL)) return *first ? tail_say_trouble(p, first) : false;
        if (r.type == '-' && !refused) snprintf(first, sizeof first, "%.*s", (int)r.len, r.text);
        refused = refused || r.type == '-';
    }
    if (!tail_answer(p, &r, &at)) return *first ? tail_say_trouble(p, first) : false;
    if (r.type != '*')
        return *first ? tail_say_trouble(p, first) : tail_trouble(p, r.text ? r.text : "", r.len);
    for (int64_t i = 0; i < r.number; i++) {
        long size = reply_size(at, (size_t)(buf_head(&p->in) + p->eaten - at));
        if (size <= 0) return tail_say_trouble(p, "the transaction's answer makes no sense");
        reply_read(at, (size_t)size, &one);
        if (i < queued && is_command[i] && one.type == '-' && p->failed++ < TAIL_SHOWN) {
            char text[160];
            snprintf(text, sizeof text, "%.*s", (int)one.len, one.text);
            fields_add_text(&p->say, text, "failures.%d", (int)p->failed - 1);
        }
        at += size;
    }
    return true;
}

static bool apply_batch(struct tail_play *p) {
    bool is_command[2 * TAIL_BATCH + 2] = {false};
    int queued = 0, db = -1;
    tail_ask(p, 1, (const char *const[]){"MULTI"});
    for (int i = 0; i < p->count; i++) {
        const struct tail_one *o = &p->batch[i];
        if (!tail_fits(p, o)) {
            p->skipped++;
            p->keyless += !o->keys;
            continue;
        }
        if (o->db != db) {
            tail_ask_select(p, db = o->db);
            queued++;
        }
        buf_add(&p->out, buf_head(&p->requests) + o->at, o->len);
        is_command[queued++] = true;
        p->played++;
    }
    ask_note(p);
    tail_ask(p, 1, (const char *const[]){"EXEC"});
    return tail_flush(p) && take_executed(p, queued + 2, is_command);
}

/* What was played is safe when the other node has it too, or there is none. */
static bool wait_until_safe(const struct tail_play *p) {
    const char *const words[] = {"STATUS"};
    uint64_t end = clock_boot_ms() + SAFE_MS;
    for (;;) {
        struct control_answer a;
        bool there = control_ask(p->c->root, p->instance, &a, 1, words) == CONTROL_OK;
        bool safe = there &&
                    (fields_number(&a.fields, 0, "alone") == 1 ||
                     fields_number(&a.fields, 0, "acked") >= fields_number(&a.fields, 1, "offset"));
        control_answer_free(&a);
        if (safe || clock_boot_ms() > end) return safe;
        usleep(20000);
    }
}

bool tail_apply(struct tail_play *p) {
    struct reply r;
    bool begun;
    tail_ask_select(p, 0);
    if (!tail_flush(p) || !tail_answer_good(p, &r, NULL)) return false;
    if (!read_marker(p, &begun) || !read_present(p)) return false;
    uint64_t before = p->done;
    do {
        if (!tail_next_batch(p) || (p->count && !apply_batch(p))) return false;
    } while (p->count);
    tail_ask_select(p, 0);
    tail_ask(p, 3, (const char *const[]){"DEL", p->marker, p->marked});
    if (!tail_flush(p) || !tail_answer_good(p, &r, NULL) || !tail_answer_good(p, &r, NULL))
        return false;
    fields_add_number(&p->say, (int64_t)before, "played_before");
    fields_add_number(&p->say, (int64_t)p->played, "played");
    fields_add_number(&p->say, (int64_t)p->skipped, "left_out");
    fields_add_number(&p->say, (int64_t)p->keyless, "without_keys");
    fields_add_number(&p->say, (int64_t)p->failed, "failed");
    fields_add_true(&p->say, wait_until_safe(p), "safe");
    return true;
}
