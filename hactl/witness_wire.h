/* What a pair and its witness say to each other: one datagram each way, in the same form.
 *
 * Pure codec: bytes in, struct out; no socket, no clock. Every field has a fixed width, big-endian, and an
 * HMAC-SHA-256 under the pair's witness key closes the datagram. An answer is as long as its ask, so that
 * the witness cannot be used to flood others, and its first words differ from an ask's, so that nothing can
 * be sent back to where it came from. Freshness is judged elsewhere: by witness_pair.h on the witness (the
 * asker's life, sequence and nonce), by witness_client.c on the node (an answer names the ask that it answers).
 * To add a field: the structs, one line each in put() and get(); then raise WITNESS_VERSION. */
#ifndef HACTL_WITNESS_WIRE_H
#define HACTL_WITNESS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WITNESS_VERSION 1
#define WITNESS_BYTES   80 /* 48 bytes of fields, 32 of HMAC */
#define WITNESS_KEY     32
#define WITNESS_PORT    7810

/* What is asked. Values stand on the wire. */
enum witness_kind {
    WITNESS_RENEW = 1, /* a master: I serve in `epoch` */
    WITNESS_TAKE = 2,  /* a slave about to promote on silence: may I take `epoch` */
    WITNESS_RESET = 3, /* a slave whose take came to nothing gives it back to its master's epoch */
    WITNESS_LOOK = 4,  /* nothing: do you answer, and whom do you name */
};

/* What is answered. Values stand on the wire. */
enum witness_verdict {
    WITNESS_GRANTED = 129,
    WITNESS_REFUSED = 130,   /* with the reason, and the epoch that holds the lease */
    WITNESS_CHALLENGE = 131, /* prove that you live now: ask again with this nonce */
    WITNESS_SEEN = 132,      /* to WITNESS_LOOK */
};

/* Why something is refused. Values stand on the wire. */
enum witness_reason {
    WITNESS_NO_REASON = 0,
    WITNESS_ABOVE = 1, /* a higher epoch holds the lease */
    WITNESS_HELD = 2,  /* the holder renewed a moment ago */
    WITNESS_YOUNG =
        3, /* the witness has not watched for long enough since it started or stood still */
    WITNESS_LEARNING = 4, /* it has no record of this pair yet, and first finds out who is master */
    WITNESS_REASONS
};

struct witness_ask {
    uint8_t kind;  /* enum witness_kind */
    uint8_t node;  /* 0: a, 1: b */
    uint16_t pair; /* 1 to 65535 */
    uint32_t
        lease_ms; /* the pair's dead-time: so long after its last renewal a holder may be followed */
    uint64_t life;  /* random, one a start of had; not 0 */
    uint64_t seq;   /* counts up from 1 within a life */
    uint64_t nonce; /* of the witness's last challenge; 0 none yet */
    uint64_t
        epoch; /* what is renewed, taken or reset to (number and node, ha_setup.h); 0 with WITNESS_LOOK */
};

struct witness_answer {
    uint8_t verdict; /* enum witness_verdict */
    uint8_t reason;  /* enum witness_reason */
    uint8_t node;    /* the asker's */
    uint16_t pair;
    uint32_t
        age_ms; /* since the holder renewed; WITNESS_AGE_NEVER: not since the witness started */
    uint64_t life, seq; /* the ask's */
    uint64_t nonce;     /* to be sent with the next asks */
    uint64_t holder;    /* the epoch that holds the lease; 0 none */
};

#define WITNESS_AGE_NEVER UINT32_MAX

enum witness_result {
    WITNESS_OK = 0,
    WITNESS_SHORT,   /* not WITNESS_BYTES long */
    WITNESS_ALIEN,   /* not of this protocol, or a version that we do not speak */
    WITNESS_FORGED,  /* HMAC does not fit: another key */
    WITNESS_NONSENSE /* authentic, but a field has a value that nobody sends */
};

/* Sentences for the log. Static storage; any value is fine. */
const char *witness_result_name(enum witness_result r);
const char *witness_reason_name(unsigned reason);
const char *witness_kind_name(unsigned kind);

/* Fields must be in range (asserted). */
void witness_put_ask(const struct witness_ask *a, const uint8_t key[WITNESS_KEY],
                     uint8_t out[WITNESS_BYTES]);
void witness_put_answer(const struct witness_answer *a, const uint8_t key[WITNESS_KEY],
                        uint8_t out[WITNESS_BYTES]);

/* Whose ask this claims to be, before its key is known; 0: it is none. */
uint16_t witness_pair_of(const void *bytes, size_t len);
/* *out is written only when the answer is WITNESS_OK. len may be anything. */
enum witness_result witness_get_ask(const void *bytes, size_t len, const uint8_t key[WITNESS_KEY],
                                    struct witness_ask *out);
enum witness_result witness_get_answer(const void *bytes, size_t len,
                                       const uint8_t key[WITNESS_KEY], struct witness_answer *out);

#endif
