/* Witnesses: the gateway, whoever else may have the VIP, and the carriers of the links.
 * Owns the turning of netcfg's descriptor; what it says comes out as calls. */
#ifndef HACTL_GUARD_H
#define HACTL_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "netcfg/netcfg.h"

struct loop;
struct guard;

struct guard_calls {
    void *arg;
    /* The gateway answered the probe that was sent at sent_ns. */
    void (*gateway)(void *arg, uint64_t sent_ns);
    /* Another machine answers for the VIP, or announces it. */
    void (*vip_foreign)(void *arg, const uint8_t mac[6]);
    /* A carrier came or went: a hint to look harder at once, never a proof. */
    void (*carrier)(void *arg, bool crossover, bool up);
};

/* Takes net's descriptor over; net belongs to the caller and outlives the guard. calls is copied. */
struct guard *guard_new(struct loop *l, struct netcfg *net, bool has_gateway,
                        const struct guard_calls *calls);
void guard_free(struct guard *g);

/* Probes the gateway; an answer is dated by now_ns. A site without a gateway has no answers. */
void guard_ask_gateway(struct guard *g, uint64_t now_ns);
void guard_probe_vip(struct guard *g, uint64_t now_ns);

/* Carriers as last seen, and why the newest probe could not be sent ("" it was). */
bool guard_carrier(const struct guard *g, bool crossover);
const char *guard_trouble(const struct guard *g);

#endif
