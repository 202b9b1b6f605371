/* See peer_clients.h. */
#include "server/peer_clients.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/tcp_ends.h"
#include "server/client.h"
#include "server/pair.h"
#include "server/server.h"

#include <stdlib.h>

enum {
    BATCH_RECORDS = 256, /* 0.2 ms of the executor, 11 KB at most */
    BATCH_EACH_MS = 200, /* a change may wait so long to be told with others */
    BATCH_MORE_MS = 10,  /* while there is more than one batch */
    GIVE_RECORDS = 8192, /* had takes no answer that is longer than 1 MiB */
    NOWHERE = UINT32_MAX
};

/* A place stands in one of two lists, or in none: free ones, and those of which something is to be told. */
struct place {
    struct client *c; /* NULL: free, or its end is to be told */
    uint32_t next;
    bool told, listed;
};

static struct place *places;
static uint32_t place_count, place_room, first_free = NOWHERE;
static uint32_t first_change = NOWHERE, last_change = NOWHERE;
static uint64_t here, beyond, beyond_told, told_records;
static uint64_t session; /* of the slave that all of this was or is being told */
static bool reset_due;
static struct loop_timer *timer;

/* ---- the master's table */

static void settle_timer(uint64_t ms) {
    if (session && !loop_timer_active(timer)) loop_timer_start(timer, ms * NS_PER_MS, 0);
}

static void list_change(uint32_t i) {
    if (places[i].listed) return;
    places[i].listed = true;
    places[i].next = NOWHERE;
    if (first_change == NOWHERE)
        first_change = i;
    else
        places[last_change].next = i;
    last_change = i;
    settle_timer(BATCH_EACH_MS);
}

static void set_free(uint32_t i) {
    places[i] = (struct place){.next = first_free};
    first_free = i;
}

static uint32_t take_place(void) {
    uint32_t i = first_free;
    if (i != NOWHERE) {
        first_free = places[i].next;
        return i;
    }
    if (place_count == PEER_CLIENTS_MAX) return NOWHERE;
    if (place_count == place_room) {
        place_room = place_room ? place_room * 2 : 64;
        places = xrealloc(places, place_room * sizeof *places);
    }
    return place_count++;
}

static void note_beyond(void) {
    static bool said;
    beyond++;
    if (!said)
        log_warning("more than %d clients are connected: the other node does not know those that "
                    "come now, and cannot tell them of a takeover before they send something",
                    PEER_CLIENTS_MAX);
    said = true;
    settle_timer(BATCH_EACH_MS);
}

void peer_clients_add(struct client *c) {
    if (!pair_on() || c->control || c->unix_socket || c->local) return;
    uint32_t i = take_place();
    c->place = i == NOWHERE ? CLIENT_PLACE_BEYOND : i + 1;
    if (i == NOWHERE) {
        note_beyond();
        return;
    }
    here++;
    places[i] = (struct place){.c = c, .next = NOWHERE};
    if (session) list_change(i);
}

void peer_clients_drop(struct client *c) {
    uint32_t place = c->place;
    c->place = 0;
    if (!place) return;
    if (place == CLIENT_PLACE_BEYOND) {
        beyond--;
        settle_timer(BATCH_EACH_MS);
        return;
    }
    here--;
    struct place *p = &places[place - 1];
    p->c = NULL;
    if (p->listed) return; /* what is told of it will be that it is gone, or nothing */
    if (p->told && session)
        list_change(place - 1);
    else
        set_free(place - 1);
}

/* ---- what is told */

static void number(struct buf *out, char kind, uint32_t v) {
    char b[5] = {kind, (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_add(out, b, sizeof b);
}

static void tell_one(struct buf *out, uint32_t i) {
    struct place *p = &places[i];
    struct tcp_ends e;
    p->listed = false;
    if (!p->c) {
        if (p->told) number(out, 'D', i);
        set_free(i);
        return;
    }
    if (p->told || !tcp_ends_of(p->c->fd, &e)) return; /* a peer that is gone ends soon */
    number(out, 'A', i);
    tcp_ends_put(out, &e);
    p->told = true;
}

/* Another slave listens: it knows nothing. */
static void begin_session(uint64_t now) {
    session = now;
    first_change = last_change = NOWHERE;
    reset_due = true;
    beyond_told = 0;
    for (uint32_t i = 0; i < place_count; i++) {
        struct place *p = &places[i];
        bool was_listed = p->listed;
        p->listed = false;
        if (p->c) {
            p->told = false;
            list_change(i);
        } else if (p->told || was_listed) {
            set_free(i);
        }
    }
    settle_timer(BATCH_MORE_MS);
}

static void tell(struct loop *l, void *arg) {
    static struct buf out;
    uint64_t now;
    (void)l, (void)arg;
    bool ready = server.repl && repl_beside_ready(server.repl, &now);
    if (!server.repl || now != session) {
        peer_clients_look();
        return;
    }
    if (!ready) {
        settle_timer(BATCH_EACH_MS);
        return;
    }
    if (reset_due) buf_add_str(&out, "R");
    reset_due = false;
    for (int n = 0; first_change != NOWHERE && n < BATCH_RECORDS; n++) {
        uint32_t i = first_change;
        first_change = places[i].next;
        tell_one(&out, i);
        told_records++;
    }
    if (beyond != beyond_told) number(&out, 'O', (uint32_t)beyond);
    beyond_told = beyond;
    if (buf_len(&out)) repl_beside_tell(server.repl, buf_head(&out), buf_len(&out));
    buf_clear(&out);
    if (first_change != NOWHERE) settle_timer(BATCH_MORE_MS);
}

void peer_clients_look(void) {
    uint64_t now = 0;
    if (!pair_on() || !server.repl) return;
    if (!timer) timer = loop_timer_new(server.loop, tell, NULL);
    repl_beside_ready(server.repl, &now);
    if (now == session) return;
    if (now)
        begin_session(now);
    else
        session = 0; /* what is told from now on is told to the next one from its begin */
}

/* ---- the slave's list */

static struct tcp_ends *known; /* by place; remote_port 0: nobody */
static uint32_t known_room;
static uint64_t known_count, known_beyond;

static void forget_known(void) {
    free(known);
    known = NULL;
    known_room = 0;
    known_count = known_beyond = 0;
}

static void set_known(uint32_t i, const struct tcp_ends *e) {
    if (i >= PEER_CLIENTS_MAX || (i >= known_room && !e->remote_port)) return;
    if (i >= known_room) {
        uint32_t room = known_room ? known_room : 64;
        while (room <= i) room *= 2;
        known = xrealloc(known, room * sizeof *known);
        memset(known + known_room, 0, (room - known_room) * sizeof *known);
        known_room = room;
    }
    known_count += (e->remote_port != 0) - (known[i].remote_port != 0);
    known[i] = *e;
}

void peer_clients_told(void *arg, const char *p, size_t n) {
    const char *end = p + n;
    (void)arg;
    while (p < end) {
        struct tcp_ends e = {0};
        char kind = *p++;
        if (kind == 'R') {
            forget_known();
            continue;
        }
        if (end - p < 4) return;
        const uint8_t *u = (const uint8_t *)p;
        uint32_t v = (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
        p += 4;
        if (kind == 'O') {
            known_beyond = v;
        } else if (kind == 'D') {
            set_known(v, &e);
        } else if (kind == 'A') {
            size_t used = tcp_ends_get(p, (size_t)(end - p), &e);
            if (!used) return;
            p += used;
            set_known(v, &e);
        } else {
            return; /* of a newer master: what it means is not known here */
        }
    }
}

void peer_clients_give(struct call *c) {
    struct buf list = BUF_INIT;
    for (uint32_t n = 0; known_count && n < GIVE_RECORDS;) {
        const struct tcp_ends *last = &known[--known_room];
        if (!last->remote_port) continue;
        tcp_ends_put(&list, last);
        known_count--;
        n++;
    }
    reply_bulk(c, (struct bytes){buf_len(&list) ? buf_head(&list) : "", buf_len(&list)});
    buf_free(&list);
    if (!known_count) forget_known();
}

void peer_clients_counts(struct peer_clients_counts *n) {
    *n = (struct peer_clients_counts){.here = here,
                                      .beyond = beyond,
                                      .known = known_count,
                                      .known_beyond = known_beyond,
                                      .told = told_records};
}
