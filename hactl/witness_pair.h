/* What a witness knows of one pair, and how it answers. A pure core: no socket, no disk, no clock of its own.
 *
 *     ask -> witness_pair_ask -> WITNESS_SILENT   say nothing (it will be asked again)
 *                                WITNESS_REPLY    send the answer
 *                                WITNESS_SAVE     write pair->next to the disk and fsync, then
 *                                                 witness_pair_saved, which gives the answer
 *
 * The rules. `holder` is the epoch that holds the lease, and it is on disk before anybody is told. Its master
 * renews it; nobody else may take it until it was not renewed for lease_ms on this machine's clock (with a margin
 * for drift), all of which time this machine has been watching. A master told "granted" counts that from when it
 * *asked*, for a shorter time (demote-time); so it has stopped before another one may begin.
 *
 * Replay. Asks of one life count up, and none is believed twice. A life that is new to us must first prove that it
 * lives now: it gets a nonce that is made of our secret, its life and the number of lives of that node we have
 * believed, and is believed when it asks with it. So an ask recorded in an earlier life proves nothing: neither the
 * sequence nor the nonce in it fits any more. */
#ifndef HACTL_WITNESS_PAIR_H
#define HACTL_WITNESS_PAIR_H

#include "hactl/witness_wire.h"

#define WITNESS_LEARN_MS                                                                           \
    5000 /* a pair without a record is watched for so long before its master is believed */
#define WITNESS_SECRET 32

struct witness_asker {
    uint64_t life, seq;    /* believed; 0 none yet */
    uint64_t lives;        /* how many were believed since the witness started */
    uint64_t asks;         /* believed asks */
    uint64_t told;         /* epoch of the last refusal that was logged (the driver's) */
    int64_t at;            /* when the last one came */
    uint8_t kind, verdict; /* of the last one */
};

struct witness_pair {
    uint16_t number;
    uint8_t key[WITNESS_KEY];
    char name[64];       /* for people; "" none */
    uint64_t holder;     /* is on disk; 0: no record */
    uint64_t next;       /* is being written */
    bool begun;          /* witness_pair_begin was called */
    bool damaged;        /* the disk's record is: no answers (the driver's) */
    bool saving, unsure; /* a write is under way; one failed: what the disk holds is not known */
    int64_t renewed_at;  /* WITNESS_NEVER: not since we started */
    uint32_t lease_ms;   /* the longest that was asked with */
    int64_t learning_since;
    uint64_t learnt; /* highest epoch that was renewed while learning */
    struct witness_asker askers[2];
    struct witness_ask flight;                               /* the ask that waits for the disk */
    uint64_t granted, refused, challenged, repeated, forged; /* counts, for the status */
};

#define WITNESS_NEVER INT64_MIN

/* Times in ns of CLOCK_BOOTTIME. */
struct witness_now {
    int64_t now;
    int64_t watching_since; /* this machine has been listening without a gap since then */
    const uint8_t *secret;  /* WITNESS_SECRET random bytes of this start */
};

enum witness_do { WITNESS_SILENT, WITNESS_REPLY, WITNESS_SAVE };

/* All zero but for number, key and name, then this. holder is what the disk says, 0 nothing. */
void witness_pair_begin(struct witness_pair *p, uint64_t holder);
/* An authentic ask of this pair. */
enum witness_do witness_pair_ask(struct witness_pair *p, const struct witness_ask *ask,
                                 const struct witness_now *t, struct witness_answer *out);
/* pair->next is on disk, or could not be written: never WITNESS_SAVE. */
enum witness_do witness_pair_saved(struct witness_pair *p, bool ok, const struct witness_now *t,
                                   struct witness_answer *out);

#endif
