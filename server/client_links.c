/* See client_links.h. */
#include "server/client_links.h"

#include "server/base/clock.h"
#include "server/base/sock.h"
#include "server/server.h"

#include <stdlib.h>

enum { PIECE_BYTES = 16384 }; /* what Redis keeps the stream for its slaves in: oll counts these */

/* The connection to the master is the link's: it has an id from when it is first asked for. */
static uint64_t master_id(uint64_t number) {
    static uint64_t of_number, id;
    if (of_number != number) id = ++server.next_client_id;
    of_number = number;
    return id;
}

static int by_id(const void *a, const void *b) {
    uint64_t x = ((const struct client_link *)a)->id, y = ((const struct client_link *)b)->id;
    return (x > y) - (x < y);
}

size_t client_links(struct client_link links[CLIENT_LINKS_MAX]) {
    struct repl_slave_info slaves[CLIENT_LINKS_MAX - 1];
    struct repl_status s;
    size_t n = 0, most = CLIENT_LINKS_MAX - 1;
    if (!server.repl) return 0;
    size_t count = repl_slaves(server.repl, slaves, most);
    for (size_t i = 0; i < count && i < most; i++)
        links[n++] = (struct client_link){.id = slaves[i].id,
                                          .since_ns = slaves[i].created_ns,
                                          .heard_ns = slaves[i].heard_ns,
                                          .in_bytes = slaves[i].in_bytes,
                                          .out_bytes = slaves[i].out_bytes,
                                          .fd = slaves[i].fd,
                                          .writing = slaves[i].writing};
    if (server.role == REPL_SLAVE) {
        repl_status(server.repl, &s);
        if (s.link_number)
            links[n++] = (struct client_link){.id = master_id(s.link_number),
                                              .since_ns = s.link_since_ns,
                                              .heard_ns = s.link_heard_ns,
                                              .in_bytes = s.link_in_bytes,
                                              .out_bytes = s.link_out_bytes,
                                              .fd = s.link_fd,
                                              .master = true};
    }
    qsort(links, n, sizeof *links, by_id);
    return n;
}

static unsigned long long seconds_since(uint64_t ns) {
    uint64_t now = clock_boot_ns();
    return now > ns ? (now - ns) / NS_PER_S : 0;
}

void client_link_describe(const struct client_link *l, struct buf *out) {
    char peer[128] = "?:0", local[128] = "?:0";
    sock_peer_name(l->fd, peer, sizeof peer);
    sock_local_name(l->fd, local, sizeof local);
    buf_printf(out,
               "id=%llu addr=%s laddr=%s fd=%d name= age=%llu idle=%llu flags=%s db=0 sub=0 psub=0 "
               "ssub=0 multi=-1 qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
               "oll=%zu omem=%zu tot-mem=%zu events=r%s cmd=%s user=%s redir=-1 resp=2\n",
               (unsigned long long)l->id, peer, local, l->fd, seconds_since(l->since_ns),
               seconds_since(l->heard_ns), l->master ? "M" : "S", l->in_bytes,
               (l->out_bytes + PIECE_BYTES - 1) / PIECE_BYTES, l->out_bytes,
               l->in_bytes + l->out_bytes, l->writing ? "w" : "", l->master ? "NULL" : "replconf",
               l->master ? "(superuser)" : "default");
}

void client_link_kill(const struct client_link *l) {
    if (l->master)
        repl_drop_master(server.repl, "CLIENT KILL");
    else
        repl_drop_slave(server.repl, l->id, "CLIENT KILL");
}
