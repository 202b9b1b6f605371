/* The inside of the set: what instance_set.c (status and commands) and instance_living.c (who is in it) share. */
#ifndef HACTL_INSTANCE_INSIDE_H
#define HACTL_INSTANCE_INSIDE_H

#include "hactl/instance_set.h"

struct told;

/* One server. Kept in the order of the numbers, so that both nodes fold in the same order. */
struct member {
    struct instance *i;
    struct instance_join join;
    bool fresh;      /* answered since the last combined status */
    uint64_t boot;   /* of the one that counts, as last seen; 0: never */
    uint64_t lag_ns; /* it lags beyond the limit since; 0: it does not */
    uint64_t told_ns;
};

struct instance_set {
    struct loop *loop;
    char root[256];
    struct instance_set_calls calls;
    struct instance_wish wish;
    struct member members[2 * INSTANCE_LIMIT]; /* those that leave beside those that are there */
    int count;
    uint64_t boot; /* the node's, as the core sees it */
    uint64_t now_ns;
    bool up;
    struct told *first;        /* under way */
    struct loop_timer *answer; /* delivers what is complete, outside of _tell */
};

struct member *instance_member_of(struct instance_set *s, const struct instance *i);
uint64_t instance_bit_of(const struct member *m);
/* The words of a command for the server at that port; scratch holds the numbers. Returns their count. */
int instance_words_of(const struct instance_tell *t, uint16_t port, const char *argv[5],
                      char scratch[2][24]);

/* instance_set.c: the calls of each server */
void instance_set_on_status(void *arg, struct instance *i);
void instance_set_on_died(void *arg, struct instance *i);

/* instance_living.c */
bool instance_add(struct instance_set *s, const struct instance_conf *conf, bool counts, char *err,
                  size_t err_size);
/* The next step of one that does not count, or does not any more. */
void instance_go_on(struct instance_set *s, struct member *m);
/* Forgets those that have left. */
void instance_drop_gone(struct instance_set *s);

#endif
