/* hactl key: the pair's secret, and how it is changed while the pair serves.
 *
 * A node has one secret; while it is being changed, two, of which it believes either:
 *
 *     PLAIN     [pair] secret                       what it signs with
 *     NEXT      ... and secret-next                 agreed upon, not used yet
 *     SWITCHED  secret (the new one) and secret-old
 *
 * `rotate` takes both nodes from PLAIN to NEXT (the other one first; by X25519, so the new secret crosses no
 * wire), to SWITCHED (the other one first), to PLAIN. Each step is on the node's disk before it is taken, each is made under
 * the node's lock, and the lock of who leads is held all the while. What keeps the two from losing each other:
 *   - a node switches only when the other one has the new secret on its disk: the other one is told to first, and does it
 *     only with its next secret the same; who leads then switches what it holds its own lock on;
 *   - a next secret is dropped, or replaced, only while the other node is PLAIN with the former one, under the lock that
 *     a switch would need;
 *   - the old secret is given up only when the other node, its had and all its servers have the new one.
 * So either node may die at any step and come back: it and the other one still believe each other, and the steward's
 * `hactl key tick` goes on from where they stand: both NEXT or beyond, it ends; only one NEXT, it takes that back. */
#ifndef HACTL_CLI_KEY_H
#define HACTL_CLI_KEY_H

#include "hactl/cli.h"
#include "server/base/buf.h"
#include "server/base/pair_key.h"

#define KEY_LOCK_MS 4000 /* two that lead at once give up, both */

enum key_phase { KEY_PLAIN = 0, KEY_NEXT, KEY_SWITCHED };

struct key_state {
    enum key_phase phase;
    char now[PAIR_FINGERPRINT_CHARS + 1];
    char other[PAIR_FINGERPRINT_CHARS + 1]; /* next, or old; "-" none */
    long long since_s;                      /* wall clock: when `now` was made; 0 unknown */
};

/* ---- steps on this node (cli_key_local.c), false after a complaint; the lock is the caller's ---- */

bool key_state_get(const struct cli *c, struct key_state *s);
bool key_state_parse(const char *text, struct key_state *s);
/* next becomes the secret that is not used yet. */
bool key_put_next(const struct cli *c, const uint8_t next[PAIR_SECRET_BYTES]);
/* The next secret, when this is its fingerprint, becomes the one that is used; done already is fine. */
bool key_switch(const struct cli *c, const char *fingerprint);
/* had, the supervisor and every server have what duet.conf says. */
bool key_apply(const struct cli *c);
/* The old secret is believed no more; the next one is forgotten. Done already is fine. */
bool key_retire(const struct cli *c);
bool key_drop(const struct cli *c);
/* `hactl key local WORDS`: a step that the other node asks for, with the lock. */
int cli_key_local(struct cli *c);

/* Tests kill the process behind a step: DUET_KEY_DIES names it ("next-there", "next-here", ...). */
void key_stage(const char *name);

#endif
