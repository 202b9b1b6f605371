/* From a configuration and a picture of the kernel to the steps that make the kernel so. Pure: the
 * caller took the picture (snapshot.h) and takes the steps (apply.h), or prints them.
 *
 * What is planned: loopback, service and crossover up; their addresses; the default route by the
 * gateway; the settings that keep other interfaces from answering for an address. What netcfg put
 * there earlier and the configuration no longer names is removed; what others put there stays. The
 * VIP is never planned: had adds it. A plan of a kernel that is as it should be is empty. The way back
 * (confirm or revert) is the plan of the old configuration on the new picture. */
#ifndef DUET_NETCFG_PLAN_H
#define DUET_NETCFG_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netcfg/conf.h"

struct buf;

#define PLAN_ROWS     64
#define PLAN_ERRORS   4
#define PLAN_SETTINGS 8

/* Who put an address or a route there, as the kernel keeps it (IFA_PROTO, rtm_protocol). */
enum {
    PLAN_BY_NETCFG = 0xd0,
    PLAN_BY_VIP = 0xd1,
};

struct plan_link {
    int index;
    char name[16];
    uint8_t mac[NETCFG_MAC_BYTES];
    bool up;
    bool loopback;
};
struct plan_addr {
    int index;
    struct netcfg_addr addr;
    unsigned by;
};
struct plan_route { /* default routes of the main table only */
    int index;
    struct netcfg_addr gateway;
    unsigned by;
};
struct plan_setting { /* a file below /proc/sys/net, as "ipv4/conf/eth0/arp_ignore" */
    char name[64];
    int value; /* -1: there is no such file */
};

/* The kernel at one moment. Rows beyond the limits are dropped and `more` is set. */
struct plan_picture {
    struct plan_link links[PLAN_ROWS];
    size_t link_count;
    struct plan_addr addrs[PLAN_ROWS];
    size_t addr_count;
    struct plan_route routes[PLAN_ROWS];
    size_t route_count;
    struct plan_setting settings[PLAN_SETTINGS];
    size_t setting_count;
    bool more;
};

enum plan_kind {
    PLAN_SETTING,
    PLAN_LINK_UP,
    PLAN_ADDR_DEL,
    PLAN_ADDR_ADD,
    PLAN_ROUTE_DEL,
    PLAN_ROUTE_ADD,
};

struct plan_step {
    enum plan_kind kind;
    int index;               /* of the interface */
    char iface[16];          /* and its name */
    struct netcfg_addr addr; /* the address, or the route's gateway */
    struct plan_setting setting;
};

struct plan {
    struct plan_step steps[2 * PLAN_ROWS];
    size_t count;
    char errors[PLAN_ERRORS]
               [200]; /* sentences: what cannot be done now (an interface that is not there) */
    size_t error_count;
};

/* The links of the picture that the configuration means; NULL: not there. */
const struct plan_link *plan_find_link(const struct plan_picture *p, const char *name);
/* Which settings a picture should hold, with the values wanted; returns their count. Interfaces that the picture
 * does not have are left out. */
size_t plan_settings_wanted(const struct netcfg_conf *conf, const struct plan_picture *p,
                            struct plan_setting out[PLAN_SETTINGS]);

void plan_make(const struct netcfg_conf *conf, const struct plan_picture *p, struct plan *out);

/* One line a step: "address add 192.0.2.11/24 dev eth0". */
void plan_step_text(const struct plan_step *s, struct buf *out);
/* {"steps":[{...}],"errors":[...]} and a newline. */
void plan_json(const struct plan *p, struct buf *out);

#endif
