/* The control socket: the data becomes another server's. See control.h.
 *
 * What is to be remembered is one line of words, the store's note: token, state, id, offset, db, when it began, info. Snapshots
 * carry it with the data; between them the stream does, by marks (proto/cmdstream.h). */
#include "server/control.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "server/server.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TOKEN_CHARS = 64, INFO_CHARS = 600, ID_CHARS = REPLLINE_ID_CHARS };

struct import {
    char token[TOKEN_CHARS + 1]; /* "": none is under way */
    char state[8];               /* copy, follow */
    char id[ID_CHARS + 1];
    unsigned long long offset, begun_us;
    int db;
    char info[INFO_CHARS + 1];
};

static struct import now(void) {
    struct import i = {.token = ""};
    int info_at = 0;
    const char *note = store_note(server.store);
    if (sscanf(note, "%64s %7s %40s %llu %d %llu %n", i.token, i.state, i.id, &i.offset, &i.db,
               &i.begun_us, &info_at) < 6)
        return (struct import){.token = ""};
    snprintf(i.info, sizeof i.info, "%s", note + info_at);
    return i;
}

void control_import_mark(struct bytes text) {
    store_set_note(server.store, text);
    server_refresh();
}

/* Here, in the log and at the slaves. */
static void tell(struct call *c, const char *text) {
    struct bytes note = {text, strlen(text)};
    const struct bytes words[] = {BYTES("REPLCONF"), BYTES("capa"), BYTES(CMDSTREAM_MARK),
                                  BYTES("capa"), note};
    store_set_note(server.store, note);
    repl_feed(server.repl, c->db, 5, words);
}

static void tell_now(struct call *c, const struct import *i) {
    char text[STORE_NOTE_CHARS];
    snprintf(text, sizeof text, "%s %s %s %llu %d %llu %s", i->token, i->state, i->id, i->offset,
             i->db, i->begun_us, i->info);
    tell(c, text);
}

static bool take_word(char *to, size_t most, struct bytes word) {
    if (word.len == 0 || word.len > most) return false;
    for (size_t i = 0; i < word.len; i++)
        if (!isalnum((unsigned char)word.p[i])) return false;
    memcpy(to, word.p, word.len);
    to[word.len] = '\0';
    return true;
}

/* Printable, in one line. */
static bool take_info(char *to, struct bytes info) {
    if (info.len > INFO_CHARS) return false;
    for (size_t i = 0; i < info.len; i++)
        if (!isprint((unsigned char)info.p[i])) return false;
    if (info.len) memcpy(to, info.p, info.len);
    to[info.len] = '\0';
    return true;
}

static void begin(struct call *c) {
    struct import is = now(), i = {.state = "copy", .begun_us = (uint64_t)clock_wall_us()};
    memset(i.id, '0', ID_CHARS);
    if (c->argc != 5 || !take_word(i.token, TOKEN_CHARS, c->argv[3]) ||
        !take_info(i.info, c->argv[4])) {
        reply_error(c, "ERR DUET IMPORT BEGIN takes a token and a line of text");
        return;
    }
    if (*is.token) {
        reply_errorf(c, "ERR an import is under way already: %s", is.info);
        return;
    }
    blocked_end_all(); /* who waits for a key would write when it comes */
    tell_now(c, &i);
    ((struct client *)c->client)->importer = true;
    log_notice("an import begins: %s", i.info);
    server_refresh();
    reply_ok(c);
}

/* Whether argv[3] is the token of the import under way. */
static bool is_ours(struct call *c, const struct import *i) {
    if (c->argc > 3 && *i->token &&
        bytes_equal(c->argv[3], (struct bytes){i->token, strlen(i->token)}))
        return true;
    reply_error(c, *i->token ? "ERR another import is under way" : "ERR no import is under way");
    return false;
}

static void join(struct call *c) {
    struct import i = now();
    if (!is_ours(c, &i)) return;
    ((struct client *)c->client)->importer = true;
    reply_ok(c);
}

static void at(struct call *c) {
    struct import i = now();
    uint64_t offset;
    int64_t db;
    if (!is_ours(c, &i)) return;
    if (c->argc != 7 || !replline_is_id(c->argv[4]) ||
        !num_parse_u64(c->argv[5].p, c->argv[5].len, &offset) ||
        !num_parse_i64(c->argv[6].p, c->argv[6].len, &db) || db < 0 || db > INT32_MAX) {
        reply_error(c, "ERR DUET IMPORT AT takes a token, an id, an offset and a database");
        return;
    }
    memcpy(i.state, "follow", sizeof "follow");
    memcpy(i.id, c->argv[4].p, ID_CHARS);
    i.offset = offset;
    i.db = (int)db;
    tell_now(c, &i);
    reply_ok(c);
}

static void status(struct call *c) {
    struct import i = now();
    struct answer f = {BUF_INIT, 0};
    answer_word(&f, "state", *i.token ? i.state : "none");
    answer_word(&f, "token", i.token);
    answer_word(&f, "id", i.id);
    answer_number(&f, "offset", i.offset);
    answer_number(&f, "db", (uint64_t)i.db);
    answer_word(&f, "info", i.info);
    answer_number(&f, "begun_us", i.begun_us);
    answer_send(&f, c->out);
}

static void over(struct call *c, const char *how) {
    struct import i = now();
    if (*i.token) {
        tell(c, "");
        log_notice("the import %s: %s", how, i.info);
    }
    server_refresh();
    reply_ok(c);
}

void duet_import(struct call *c) {
    struct bytes verb = c->argv[2];
    bool changes = !bytes_is(verb, "status");
    struct import i = now();
    if (!server.repl || (changes && server.role != REPL_MASTER)) {
        reply_error(c, server.repl ? "ERR only a master takes an import"
                                   : "LOADING the log is still being read; ask again");
        return;
    }
    if (c->flags & CALL_IN_EXEC && !bytes_is(verb, "at"))
        reply_error(c, "ERR Command not allowed inside a transaction");
    else if (bytes_is(verb, "begin"))
        begin(c);
    else if (bytes_is(verb, "join"))
        join(c);
    else if (bytes_is(verb, "at"))
        at(c);
    else if (bytes_is(verb, "status"))
        status(c);
    else if (bytes_is(verb, "end") && is_ours(c, &i))
        over(c, "has ended");
    else if (bytes_is(verb, "abort"))
        over(c, "was given up");
    else if (!bytes_is(verb, "end"))
        reply_error(c, "ERR DUET IMPORT takes BEGIN, JOIN, AT, STATUS, END or ABORT");
}
