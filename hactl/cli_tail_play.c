/* hactl tail play: on the master, for the node that has the tail. The requests come by standard input, in batches they go into the
 * server: each batch is one transaction together with a note of how far the tail has been played, so that an interruption at any
 * point, a failover too, neither loses nor repeats anything. The note is a hash, duet:tail-replay:ID, in database 0, with a
 * set of the keys that were there before; both are removed at the end.
 *
 *     look    which of the tail's keys are there now?     mark    the same, and writes it down for --only-missing
 *     apply   plays */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_tail_play.h"
#include "server/base/glob.h"
#include "server/base/hash.h"
#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/proto/replline.h"

enum { ANSWER_MS = 30000 };

/* ---- the server ---- */

bool tail_trouble(struct tail_play *p, const char *text, size_t len) {
    if (!p->why[0]) snprintf(p->why, sizeof p->why, "%.*s", (int)len, text);
    return false;
}

bool tail_say_trouble(struct tail_play *p, const char *text) {
    return tail_trouble(p, text, strlen(text));
}

bool tail_flush(struct tail_play *p) {
    bool sent = sock_send_all(p->fd, buf_head(&p->out), buf_len(&p->out), ANSWER_MS);
    buf_clear(&p->out);
    return sent || tail_say_trouble(p, "the master's server closed the connection");
}

/* The next reply, valid until the next call; of an array its elements follow at *rest. */
bool tail_answer(struct tail_play *p, struct reply *r, const char **rest) {
    buf_eat(&p->in, p->eaten);
    p->eaten = 0;
    for (;;) {
        long size = buf_len(&p->in) ? reply_size(buf_head(&p->in), buf_len(&p->in)) : 0;
        if (size < 0)
            return tail_say_trouble(p, "the master's server gives an answer that is too long");
        if (size > 0) {
            size_t head = reply_read(buf_head(&p->in), (size_t)size, r);
            if (rest) *rest = buf_head(&p->in) + head;
            p->eaten = (size_t)size;
            return true;
        }
        long n = sock_recv_some(p->fd, buf_room(&p->in, 65536), 65536, ANSWER_MS);
        if (n <= 0) return tail_say_trouble(p, "the master's server closed the connection");
        buf_added(&p->in, (size_t)n);
    }
}

/* An answer that must not be an error. */
bool tail_answer_good(struct tail_play *p, struct reply *r, const char **rest) {
    return tail_answer(p, r, rest) && (r->type != '-' || tail_trouble(p, r->text, r->len));
}

void tail_ask(struct tail_play *p, int argc, const char *const *argv) {
    reply_request(&p->out, argc, argv);
}

void tail_ask_select(struct tail_play *p, int db) {
    char text[NUM_I64_CHARS];
    text[num_format_i64(text, db)] = '\0';
    tail_ask(p, 2, (const char *const[]){"SELECT", text});
}

static bool open_server(struct tail_play *p) {
    char path[512];
    struct sock_error err;
    struct reply r;
    snprintf(path, sizeof path, "%s/run/control-%u.sock", p->c->root, p->instance);
    p->fd = sock_connect_unix(path, &err);
    if (p->fd < 0) return tail_say_trouble(p, err.text);
    tail_ask(p, 3, (const char *const[]){"DUET", "TAILS", "PLAY"});
    return tail_flush(p) && tail_answer_good(p, &r, NULL);
}

/* ---- a batch ---- */

static void add_key(struct tail_play *p, int db, const char *name, size_t len) {
    char head[16];
    int n = snprintf(head, sizeof head, "%d ", db);
    if (p->key_count == p->key_room) {
        p->key_room = p->key_room ? p->key_room * 2 : 256;
        p->keys = xrealloc(p->keys, p->key_room * sizeof *p->keys);
    }
    struct tail_play_key *k = &p->keys[p->key_count++];
    *k = (struct tail_play_key){xmalloc((size_t)n + len + 1), (size_t)n + len, (size_t)n};
    memcpy(k->p, head, (size_t)n);
    memcpy(k->p + n, name, len);
}

static void clear_batch(struct tail_play *p) {
    for (size_t i = 0; i < p->key_count; i++) free(p->keys[i].p);
    p->key_count = 0;
    p->count = 0;
    buf_clear(&p->requests);
}

/* Reads requests, and asks for the keys of each. */
static bool fill(struct tail_play *p) {
    clear_batch(p);
    while (p->count < TAIL_BATCH && buf_len(&p->requests) < TAIL_BATCH_BYTES &&
           tail_source_next(&p->from)) {
        const struct resp_args *a = &p->from.args;
        if (p->from.number <= p->done) continue;
        struct tail_one *o = &p->batch[p->count++];
        *o = (struct tail_one){.db = p->from.db, .at = buf_len(&p->requests)};
        replline_request(&p->requests, (int)a->count, a->v);
        o->len = buf_len(&p->requests) - o->at;
        struct bytes *words = xmalloc((a->count + 2) * sizeof *words);
        words[0] = BYTES("COMMAND");
        words[1] = BYTES("GETKEYS");
        memcpy(words + 2, a->v, a->count * sizeof *words);
        replline_request(&p->out, (int)a->count + 2, words);
        free(words);
    }
    if (p->from.trouble) return tail_say_trouble(p, p->from.trouble);
    return !p->count || tail_flush(p);
}

static bool take_keys(struct tail_play *p) {
    struct reply r, key;
    const char *at;
    for (int i = 0; i < p->count; i++) {
        struct tail_one *o = &p->batch[i];
        o->first_key = p->key_count;
        if (!tail_answer(p, &r, &at)) return false;
        for (int64_t n = r.type == '*' ? r.number : 0; n > 0; n--) {
            at += reply_read(at, (size_t)(buf_head(&p->in) + p->eaten - at), &key);
            add_key(p, o->db, key.text, key.len);
        }
        o->keys = p->key_count - o->first_key;
    }
    return true;
}

bool tail_next_batch(struct tail_play *p) {
    return fill(p) && take_keys(p);
}

bool tail_fits(const struct tail_play *p, const struct tail_one *o) {
    bool any = false, absent = true;
    if (!o->keys) return p->c->force && !p->c->keys && !p->c->only_missing;
    for (size_t i = 0; i < o->keys; i++) {
        const struct tail_play_key *k = &p->keys[o->first_key + i];
        struct bytes name = {k->p + k->name_at, k->len - k->name_at};
        any = any || !p->c->keys ||
              glob_match((struct bytes){p->c->keys, strlen(p->c->keys)}, name, false);
        absent = absent && !(p->present && map_get(p->present, k->p, k->len));
    }
    return any && (absent || !p->c->only_missing);
}

/* ---- look, mark ---- */

static void note_present(struct tail_play *p, const struct tail_play_key *k) {
    if (p->present_count++ < TAIL_SHOWN) {
        struct buf text = BUF_INIT;
        for (size_t i = k->name_at; i < k->len && i < k->name_at + 100; i++) {
            unsigned char ch = (unsigned char)k->p[i];
            if (ch >= ' ' && ch < 0x7f)
                buf_add(&text, &k->p[i], 1);
            else
                buf_printf(&text, "\\x%02x", ch);
        }
        buf_add(&text, "", 1);
        fields_add_text(&p->say, buf_head(&text), "there.%d", (int)p->present_count - 1);
        buf_free(&text);
    }
}

/* Asks of each key that was not met before whether it is there. */
static bool look_at_keys(struct tail_play *p, bool mark) {
    struct tail_play_key **asked = xmalloc((p->key_count + 1) * sizeof(struct tail_play_key *));
    struct reply r;
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; i < p->key_count; i++) {
        struct tail_play_key *k = &p->keys[i];
        if (map_get(p->seen, k->p, k->len)) continue;
        map_put(p->seen, k->p, k->len, p);
        asked[n++] = k;
        tail_ask_select(p, atoi(k->p));
        struct bytes words[2] = {BYTES("EXISTS"), {k->p + k->name_at, k->len - k->name_at}};
        replline_request(&p->out, 2, words);
    }
    tail_ask_select(p, 0);
    ok = tail_flush(p);
    for (size_t i = 0; ok && i < n; i++) {
        ok = tail_answer_good(p, &r, NULL) && tail_answer_good(p, &r, NULL);
        if (!ok || r.number == 0) {
            asked[i] = NULL;
            continue;
        }
        note_present(p, asked[i]);
    }
    ok = ok && tail_answer_good(p, &r, NULL);
    size_t marks = 0;
    for (size_t i = 0; ok && mark && i < n; i++) {
        if (!asked[i]) continue;
        struct bytes words[3] = {
            BYTES("SADD"), {p->marked, strlen(p->marked)}, {asked[i]->p, asked[i]->len}};
        replline_request(&p->out, 3, words);
        marks++;
    }
    ok = ok && (!marks || tail_flush(p));
    for (; ok && marks; marks--) ok = tail_answer_good(p, &r, NULL);
    free(asked);
    return ok;
}

static bool look(struct tail_play *p, bool mark) {
    uint64_t commands = 0, fitting = 0;
    struct reply r;
    p->seen = map_new(false);
    tail_ask(p, 2, (const char *const[]){"EXISTS", p->marker});
    if (!tail_flush(p) || !tail_answer_good(p, &r, NULL)) return false;
    bool begun = r.number != 0;
    do {
        if (!tail_next_batch(p) || !look_at_keys(p, mark)) return false;
        commands += (uint64_t)p->count;
        for (int i = 0; i < p->count; i++) {
            p->keyless += !p->batch[i].keys;
            fitting += tail_fits(p, &p->batch[i]);
        }
    } while (p->count);
    fields_add_number(&p->say, begun, "begun");
    fields_add_number(&p->say, (int64_t)commands, "commands");
    fields_add_number(&p->say, (int64_t)fitting, "fitting");
    fields_add_number(&p->say, (int64_t)p->keyless, "without_keys");
    fields_add_number(&p->say, (int64_t)map_count(p->seen), "keys");
    fields_add_number(&p->say, (int64_t)p->present_count, "keys_there");
    return true;
}

/* ---- the whole ---- */

static bool run(struct tail_play *p, const char *step) {
    if (!open_server(p)) return false;
    if (strcmp(step, "look") == 0) return look(p, false);
    if (strcmp(step, "mark") == 0) return look(p, true);
    return tail_apply(p);
}

static void tear_down(struct tail_play *p) {
    clear_batch(p);
    if (p->fd >= 0) close(p->fd);
    tail_source_close(&p->from);
    buf_free(&p->out);
    buf_free(&p->in);
    buf_free(&p->requests);
    if (p->seen) map_free(p->seen, NULL);
    if (p->present) map_free(p->present, NULL);
    fields_free(&p->say);
    free(p->keys);
    free(p);
}

int cli_tail_play(struct cli *c) {
    const char *step = c->argv[1];
    bool known =
        strcmp(step, "look") == 0 || strcmp(step, "mark") == 0 || strcmp(step, "apply") == 0;
    if (!known || !tail_id_valid(c->argv[2])) {
        fprintf(stderr, "hactl: tail play takes look, mark or apply, and an ID\n");
        return CLI_USAGE;
    }
    struct tail_play *p = xcalloc(1, sizeof *p);
    p->c = c;
    p->id = c->argv[2];
    p->instance = c->instance ? (unsigned)strtoul(c->instance, NULL, 10) : 0;
    p->fd = -1;
    snprintf(p->marker, sizeof p->marker, "duet:tail-replay:%.31s", p->id);
    snprintf(p->marked, sizeof p->marked, "%s:there", p->marker);
    tail_source_open(&p->from, STDIN_FILENO);
    bool ok = run(p, step);
    if (ok) {
        struct buf out = BUF_INIT;
        fields_lines(&p->say, &out);
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
        buf_free(&out);
    } else {
        fprintf(stderr, "hactl: %s\n", p->why);
    }
    tear_down(p);
    return ok ? CLI_OK : CLI_NO;
}
