/* A node's side of the witness: asks, and believes an answer only when it is signed and names an ask of this life
 * that was not answered before. Nothing is sent twice and nothing blocks; when nobody asked for a second, it looks
 * whether the witness is there. */
#ifndef HACTL_WITNESS_CLIENT_H
#define HACTL_WITNESS_CLIENT_H

#include "hactl/witness_wire.h"

struct loop;
struct witness_client;

struct witness_client_conf {
    const char *host; /* numeric */
    uint16_t port;
    const uint8_t *key; /* WITNESS_KEY bytes, copied */
    uint16_t pair;
    uint8_t node;
    uint32_t lease_ms;
};

/* An ask of ours was answered (a look is never granted); sent_at is the caller's, as it was given. */
typedef void witness_client_fn(void *arg, int64_t sent_at, enum witness_kind kind, uint64_t epoch,
                               bool granted, uint64_t holder);

struct witness_client_view {
    int64_t age_ns;          /* since the last answer came; INT64_MAX: none ever */
    uint64_t holder;         /* as it was answered last */
    uint32_t renewed_ms;     /* the holder's age then; WITNESS_AGE_NEVER */
    uint8_t verdict, reason; /* of the last answer to an ask that was no look; 0 none */
    uint64_t sent, answered, disbelieved; /* datagrams */
    const char *why;                      /* the newest failure to send, or of an answer; "" none */
};

struct witness_client *witness_client_new(struct loop *l, const struct witness_client_conf *conf,
                                          witness_client_fn *fn, void *arg);
void witness_client_free(struct witness_client *c); /* NULL is fine */
void witness_client_ask(struct witness_client *c, int64_t sent_at, enum witness_kind kind,
                        uint64_t epoch);
/* Every tick. */
void witness_client_tick(struct witness_client *c);
void witness_client_look(const struct witness_client *c, struct witness_client_view *out);

#endif
