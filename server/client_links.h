/* The connections of replication as CLIENT shows them: slaves' (flag S) and the one to the master (flag M). They are server/repl's;
 * here they have an id as clients have, a line in CLIENT LIST, and can be killed. */
#ifndef DUET_SERVER_CLIENT_LINKS_H
#define DUET_SERVER_CLIENT_LINKS_H

#include "server/repl/repl.h"

struct buf;

struct client_link {
    uint64_t id, since_ns, heard_ns;
    size_t in_bytes, out_bytes;
    int fd;
    bool master, writing;
};

enum { CLIENT_LINKS_MAX = 257 };

/* All of them, by id; returns how many. */
size_t client_links(struct client_link links[CLIENT_LINKS_MAX]);
/* A line of CLIENT LIST. */
void client_link_describe(const struct client_link *l, struct buf *out);
void client_link_kill(const struct client_link *l);

#endif
