/* The arbiters of a pair, as [ha] of duet.conf names them: a witness on a third machine, a fence of the peer. */
#ifndef HACTL_ARBITER_CONF_H
#define HACTL_ARBITER_CONF_H

#include "hactl/witness_wire.h"
#include "server/base/conf.h"

struct arbiter_conf {
    struct {
        char host[64]; /* numeric; "" none */
        uint16_t port;
        uint8_t key[WITNESS_KEY];
    } witness;
    struct {
        char host[64]; /* of the peer's management controller, numeric; "" none */
        char user[32], password[32];
    } fence;
};

/* The lines `witness ADDRESS PORT KEY` and `fence ipmi ADDRESS USER PASSWORD`. False after conf_complain. */
bool arbiter_conf_witness(struct arbiter_conf *out, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err);
bool arbiter_conf_fence(struct arbiter_conf *out, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err);

#endif
