/* A running node, whichever way it runs: its folders below ROOT, its children, the watch over its VIP.
 * init (PID 1, ROOT "") and `duet node --root DIR` are the two owners. */
#ifndef DUET_ROOTFS_HOUSE_H
#define DUET_ROOTFS_HOUSE_H

#include "netcfg/netcfg.h"
#include "rootfs/node_conf.h"

struct loop;
struct logs;
struct request_sock;
struct supervisor;
struct vip_watch;

struct house {
    char root[256];  /* "" on the appliance */
    bool appliance;  /* PID 1: servers get a user of their own */
    bool configured; /* conf and net are filled in */
    bool with_data;  /* servers were started */
    struct node_conf conf;
    struct netcfg_conf net;
    struct loop *loop;
    struct logs *logs;
    struct buf early; /* own lines from before there were logs */
    struct supervisor *children;
    struct vip_watch *watch;
    struct request_sock *sock; /* ROOT/run/node.sock */
};

/* Loop and supervisor; root is copied. */
void house_open(struct house *h, const char *root, bool appliance);
/* "ROOT/sub"; in a buffer that lives until the 4th next call. */
const char *house_path(const struct house *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Reads ROOT/etc/duet.conf into conf and net. */
bool house_read_conf(struct house *h, struct conf_error *err);
/* ROOT/data, data/log, run, and what an earlier life left in run. False with a sentence logged. */
bool house_make_dirs(struct house *h);
/* Own lines are kept from now on, under own_name ("init"); house_open_logs writes them. */
void house_keep_lines(struct house *h, const char *own_name);
/* Logs go to ROOT/data/log, or to ROOT/run/log when there is no data partition. */
void house_open_logs(struct house *h, bool on_data);
/* `netcfg apply`; what fails is logged and the node goes on. */
bool house_apply_network(struct house *h);
/* Servers (only with data), had, and the watch over the VIP. */
void house_start(struct house *h, bool with_data);
/* Ends all children in order, takes the VIP off and removes its guard, then stops the loop. */
void house_stop(struct house *h);
void house_close(struct house *h);

/* The users of rootfs/etc/passwd. */
#define HOUSE_SERVER_UID 900
#define HOUSE_SERVER_GID 900

#endif
