/* See source.h: attaching, and the stream. The RDB and the questions are in source_copy.c and source_ask.c. */
#include "hactl/import/source_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/num.h"

enum {
    ACK_EACH_MS = 1000,
    SILENT_MS = 60000,             /* a master says something every ten seconds */
    QUEUE_MEMORY_BYTES = 16 << 20, /* more than that goes to the file */
    REFILL_BYTES = 4 << 20,
    ROOM_EACH_BYTES = 16 << 20 /* the disk's room is looked at */
};

void source_init(struct source *s, const struct source_options *o) {
    memset(s, 0, sizeof *s);
    s->o = *o;
    s->spill = -1;
}

static void close_spill(struct source *s) {
    if (s->spill >= 0) close(s->spill);
    s->spill = -1;
    s->spill_read = s->spill_end = 0;
}

void source_close(struct source *s) {
    dial_close(&s->link);
    dial_close(&s->ask);
    buf_free(&s->queue);
    close_spill(s);
    s->streaming = false;
}

enum source_end source_say(struct source *s, enum source_end end, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, ap);
    va_end(ap);
    return end;
}

/* ---- the handshake ---- */

static bool begins(struct bytes text, const char *with) {
    size_t n = strlen(with);
    return text.len >= n && memcmp(text.p, with, n) == 0;
}

/* An error's answer in words; what: "PSYNC", "AUTH". */
enum source_end source_refusal(struct source *s, const char *what, struct bytes text) {
    const char *user = *s->o.url.user ? s->o.url.user : "default";
    int n = (int)(text.len < 160 ? text.len : 160);
    if (text.len && *text.p == '-') text.p++, text.len--, n--;
    if (begins(text, "NOAUTH") || begins(text, "ERR operation not permitted"))
        return source_say(s, SOURCE_REFUSED,
                          "the source asks for a password: give it in the address, by the variable "
                          "DUET_IMPORT_PASSWORD, or with --password -");
    if (begins(text, "WRONGPASS") || begins(text, "ERR invalid password"))
        return source_say(s, SOURCE_REFUSED, "the source refuses the password%s%s",
                          *s->o.url.user ? " of user " : "", s->o.url.user);
    if (begins(text, "NOPERM"))
        return source_say(s, SOURCE_REFUSED,
                          "the source does not permit %s to its user %s; it needs +psync +sync "
                          "+replconf +ping +info (\"%.*s\")",
                          what, user, n, text.p);
    if (strcmp(what, "AUTH") == 0 &&
        (begins(text, "ERR Client sent AUTH") || begins(text, "ERR AUTH <password> called")))
        return source_say(s, SOURCE_REFUSED,
                          "the source has no password, but one was given: leave it out");
    if (begins(text, "LOADING"))
        return source_say(s, SOURCE_LOST, "the source is still loading its data (-LOADING)");
    if (begins(text, "NOMASTERLINK") || begins(text, "MASTERDOWN"))
        return source_say(
            s, SOURCE_LOST,
            "the source is a slave without a link to its own master; name its master");
    if (begins(text, "DENIED"))
        return source_say(
            s, SOURCE_REFUSED,
            "the source is in protected mode and takes no connections from elsewhere");
    return source_say(s, SOURCE_REFUSED, "the source answers %s with \"%.*s\"", what, n, text.p);
}

static enum source_end lost(struct source *s) {
    return source_say(s, SOURCE_LOST, "the source: %s", s->link.why);
}

/* Sends the words and reads one line; it stays in the link's buffer (l->used). */
static bool exchange(struct source *s, struct replline *l, const char *a, const char *b,
                     const char *c, const char *d, const char *e) {
    struct buf out = BUF_INIT;
    replline_words(&out, a, b, c, d, e, NULL);
    bool ok = dial_send(&s->link, buf_head(&out), buf_len(&out), SOURCE_ANSWER_MS);
    buf_free(&out);
    return ok && dial_line(&s->link, l, SOURCE_ANSWER_MS);
}

static void eat(struct source *s, const struct replline *l) {
    buf_eat(&s->link.in, l->used);
}

enum source_end source_login(struct source *s, struct dial *d) {
    const struct url *u = &s->o.url;
    const char *words[3] = {"AUTH", *u->user ? u->user : u->password, u->password};
    struct buf text = BUF_INIT;
    enum source_end end = SOURCE_OK;
    if (!dial_open(d, u, &s->o.tls, SOURCE_CONNECT_MS))
        return source_say(s, SOURCE_LOST, "the source cannot be reached: %s", d->why);
    if (*u->password) {
        enum dial_answer a = dial_ask_text(d, &text, SOURCE_ANSWER_MS, *u->user ? 3 : 2, words);
        if (a == DIAL_LOST) end = source_say(s, SOURCE_LOST, "the source: %s", d->why);
        if (a == DIAL_ERROR)
            end = source_refusal(s, "AUTH", (struct bytes){buf_head(&text), buf_len(&text)});
    }
    buf_free(&text);
    return end;
}

/* +PONG, or why not. */
static enum source_end greet(struct source *s) {
    struct replline l;
    enum source_end end = source_login(s, &s->link);
    if (end != SOURCE_OK) return end;
    if (!exchange(s, &l, "PING", NULL, NULL, NULL, NULL)) return lost(s);
    /* one whose own answers wait (-BUSY, -MISCONF) may still be followed */
    if (l.kind == REPLLINE_ERROR && !begins(l.text, "-BUSY") && !begins(l.text, "-MISCONF"))
        end = source_refusal(s, "PING", l.text);
    eat(s, &l);
    if (end != SOURCE_OK) return end;
    if (s->o.rdb_version) {
        char form[24];
        snprintf(form, sizeof form, "rdb-version-%d", s->o.rdb_version);
        if (!exchange(s, &l, "REPLCONF", "capa", form, NULL, NULL)) return lost(s);
        eat(s, &l);
    }
    if (!exchange(s, &l, "REPLCONF", "capa", "eof", "capa", "psync2")) return lost(s);
    eat(s, &l); /* 2.8 does not know capabilities: an error is fine */
    return SOURCE_OK;
}

static bool knows_no_psync(struct bytes text) {
    return begins(text, "-ERR unknown command") || begins(text, "-ERR Unknown command");
}

static enum source_end full(struct source *s, const struct replline *l, bool *copy) {
    memcpy(s->id, l->id, sizeof s->id);
    s->offset = s->received = l->offset;
    s->psync = *copy = true;
    return SOURCE_OK;
}

static enum source_end old_sync(struct source *s, bool *copy) {
    static const char words[] = "*1\r\n$4\r\nSYNC\r\n";
    s->psync = false;
    s->id[0] = '\0';
    s->offset = s->received = 0;
    *copy = true;
    if (!dial_send(&s->link, words, sizeof words - 1, SOURCE_ANSWER_MS)) return lost(s);
    return SOURCE_OK;
}

enum source_end source_attach(struct source *s, const char *id, uint64_t offset, bool *copy) {
    struct replline l;
    char at[NUM_I64_CHARS + 1];
    bool known = *id && strspn(id, "0") != strlen(id);
    enum source_end end = greet(s);
    if (end != SOURCE_OK) return end;
    at[num_format_u64(at, offset + 1)] = '\0';
    if (!exchange(s, &l, "PSYNC", known ? id : "?", known ? at : "-1", NULL, NULL)) return lost(s);
    s->heard_ms = clock_boot_ms();
    s->acked_ms = 0;
    if (l.kind == REPLLINE_FULLRESYNC) {
        end = full(s, &l, copy);
    } else if (l.kind == REPLLINE_CONTINUE && known) {
        snprintf(s->id, sizeof s->id, "%s", l.id[0] ? l.id : id);
        s->offset = s->received = offset;
        s->psync = s->streaming = true;
        *copy = false;
    } else if (l.kind == REPLLINE_ERROR && knows_no_psync(l.text)) {
        eat(s, &l);
        return old_sync(s, copy);
    } else {
        end = source_refusal(s, "PSYNC", l.text);
    }
    eat(s, &l);
    return end;
}

/* ---- the stream ---- */

static bool spill(struct source *s) {
    char path[600];
    if (s->spill < 0) {
        snprintf(path, sizeof path, "%s/source.stream", s->o.dir);
        s->spill = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (s->spill < 0) return false;
        unlink(path);
    }
    size_t n = buf_len(&s->link.in);
    if (s->spill_end / ROOM_EACH_BYTES != (s->spill_end + n) / ROOM_EACH_BYTES &&
        !source_has_room(s)) {
        errno = ENOSPC;
        return false;
    }
    if (!file_pwrite_all(s->spill, buf_head(&s->link.in), n, (off_t)s->spill_end)) return false;
    s->spill_end += n;
    return true;
}

/* What has come goes behind what waits. */
static bool keep(struct source *s) {
    size_t n = buf_len(&s->link.in);
    if (!n) return true;
    bool file = s->spill_read < s->spill_end || buf_len(&s->queue) >= QUEUE_MEMORY_BYTES;
    if (file && !spill(s)) return false;
    if (!file) buf_add(&s->queue, buf_head(&s->link.in), n);
    buf_clear(&s->link.in);
    buf_trim(&s->link.in, 1 << 20);
    s->received += n;
    return true;
}

static bool acknowledge(struct source *s, uint64_t applied, uint64_t now) {
    struct buf out = BUF_INIT;
    char at[NUM_I64_CHARS + 1];
    if (!s->psync || now - s->acked_ms < ACK_EACH_MS) return true;
    s->acked_ms = now;
    at[num_format_u64(at, applied)] = '\0';
    replline_words(&out, "REPLCONF", "ACK", at, NULL);
    bool ok = dial_send(&s->link, buf_head(&out), buf_len(&out), SOURCE_ANSWER_MS);
    buf_free(&out);
    return ok;
}

enum source_end source_pump(struct source *s, uint64_t applied, int wait_ms) {
    uint64_t now = clock_boot_ms();
    if (!acknowledge(s, applied, now)) return lost(s);
    for (int i = 0; i < 8; i++) {
        long n =
            buf_len(&s->link.in) && i == 0 ? 1 : dial_read(&s->link, 256 << 10, i ? 0 : wait_ms);
        if (n < 0) return lost(s);
        if (n == 0) break;
        s->heard_ms = clock_boot_ms();
        if (!keep(s))
            return source_say(s, SOURCE_LOST, "what the source sends cannot be kept in %s: %s",
                              s->o.dir, strerror(errno));
    }
    if (clock_boot_ms() - s->heard_ms > SILENT_MS)
        return source_say(s, SOURCE_LOST, "the source has said nothing for %d s", SILENT_MS / 1000);
    return SOURCE_OK;
}

bool source_refill(struct source *s) {
    uint64_t left = s->spill_end - s->spill_read;
    if (!left) return buf_len(&s->queue) > 0;
    size_t n = left < REFILL_BYTES ? (size_t)left : REFILL_BYTES;
    if (!file_pread_all(s->spill, buf_room(&s->queue, n), n, (off_t)s->spill_read)) return false;
    buf_added(&s->queue, n);
    s->spill_read += n;
    if (s->spill_read == s->spill_end) close_spill(s);
    return true;
}

void source_took(struct source *s, size_t n) {
    buf_eat(&s->queue, n);
    s->offset += n;
}
