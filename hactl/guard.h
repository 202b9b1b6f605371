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
    /* Witness `which` (netcfg_witnesses: the gateway, a reference) answered the probe that was sent at
     * sent_ns. */
    void (*gateway)(void *arg, unsigned which, uint64_t sent_ns);
    /* Another machine answers for address `which` of a group of VIPs, or announces it. */
    void (*vip_foreign)(void *arg, enum netcfg_group group, unsigned which, const uint8_t mac[6]);
    /* On every change, and once a second: a port's carrier, and whether its receive counter moved since
     * the last such call. */
    void (*link)(void *arg, bool crossover, bool carrier, bool receives);
    /* Something that only people need to know, once: a sentence. */
    void (*remark)(void *arg, const char *text);
    /* A carrier came or went: a hint to look harder at once, never a proof. */
    void (*carrier)(void *arg, bool crossover, bool up);
};

/* Takes net's descriptor over; net belongs to the caller and outlives the guard. conf and calls are
 * copied. */
struct guard *guard_new(struct loop *l, struct netcfg *net, const struct netcfg_conf *conf,
                        const struct guard_calls *calls);
void guard_free(struct guard *g);

/* Probes the gateway and the references; an answer is dated by now_ns. A site without any has no
 * answers. */
void guard_ask_gateway(struct guard *g, uint64_t now_ns);

/* Every tick. What is remarked: a witness that fell silent or answers again. That a port with a carrier
 * receives nothing (half a card, a cable with a broken pair) is told to the core by `link`; what it does
 * rests on the witnesses' answers alone: a card that receives nothing brings none. */
void guard_tick(struct guard *g, uint64_t now_ns);
struct guard_witness {
    struct netcfg_addr addr;
    bool gateway;       /* or a reference */
    uint64_t answer_ns; /* when the newest probe that it answered was sent; 0 never */
};
size_t guard_witness_count(const struct guard *g);
const struct guard_witness *guard_witness(const struct guard *g, size_t i);
/* For how long the service interface has received nothing, with a carrier; 0: it does, or has none. */
uint64_t guard_deaf_ns(const struct guard *g);

/* Carriers as last seen, and why the newest probe could not be sent ("" it was). */
bool guard_carrier(const struct guard *g, bool crossover);
const char *guard_trouble(const struct guard *g);

#endif
