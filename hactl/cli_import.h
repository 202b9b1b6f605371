/* What the import verbs share. */
#ifndef HACTL_CLI_IMPORT_H
#define HACTL_CLI_IMPORT_H

#include "hactl/cli.h"
#include "hactl/import/filter.h"
#include "hactl/import/inventory.h"
#include "hactl/import/key_places.h"
#include "hactl/import/target.h"

/* The filter that the options say. False after a complaint. */
bool import_filter(const struct cli *c, struct filter *f);

/* The server that is written to, and what is known of it. */
struct import_target {
    struct target *t;
    bool control;      /* its control socket: it knows DUET IMPORT */
    unsigned instance; /* then its number */
    char name[300];    /* for people: "instance 0", "192.0.2.1:6379" */
    uint64_t keys;     /* in all databases */
    struct inventory_target limits;
    struct key_places places;
};
/* Connects to the instance that --instance names (or the only one), or to --to HOST:PORT. False after a complaint. */
bool import_target_open(const struct cli *c, struct import_target *it);
void import_target_close(struct import_target *it);

/* `DUET IMPORT STATUS`. */
struct import_state {
    bool known; /* the server has it */
    char state[16], token[72], id[48], info[700];
    uint64_t offset;
    int db;
};
bool import_state(struct import_target *it, struct import_state *s);

/* Why the inventory, or what is there, forbids the import as it was asked for; false when it does, after a complaint. */
bool import_allowed(const struct cli *c, const struct import_target *it, const struct inventory *v);
/* What the target answered with errors; their count. */
uint64_t import_complaints(const struct import_target *it);
/* Waits until the pair's slave holds what was written, where there is one in sync. */
void import_settle(struct import_target *it);

#endif
