/* The inside of a house: what house.c and house_server.c share. */
#ifndef DUET_ROOTFS_HOUSE_INSIDE_H
#define DUET_ROOTFS_HOUSE_INSIDE_H

#include <sys/types.h>

#include "hactl/request_sock.h"
#include "rootfs/house.h"

enum { HOUSE_RANK_HAD, HOUSE_RANK_SERVER };

/* Makes the folder, of that mode and owner (uid 0: it stays as it is). False with a sentence logged. */
bool house_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid);
void house_start_server(struct house *h, const struct node_instance *i);
/* The watch over the VIP looks at the leases of the instances that are configured now. */
void house_watch_vip(struct house *h);
/* The instances of duet.conf as it is now: new servers are started, those that are gone end. False with a sentence:
 * nothing was changed. */
bool house_reload(struct house *h, char *err, size_t err_size);
/* ROOT/run/node.sock: `reload`; `servers` reports each server's process. */
enum request_verdict house_on_request(void *arg, uint32_t id, int argc, char **argv,
                                      struct buf *sentence, struct buf *fields);

#endif
