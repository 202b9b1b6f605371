/* What INFO, ROLE and DUET STATUS show of the slave's link. */
#include "server/base/clock.h"
#include "server/base/stream.h"
#include "server/repl/link_inside.h"

#include <stdio.h>
#include <string.h>

bool link_copy_taken(const struct link *k) {
    return k->copy == COPY_TAKEN;
}

void link_status(const struct link *k, struct repl_status *s) {
    static const enum repl_link_state shown[LINK_STATES] = {[LINK_OFF] = REPL_LINK_OFF,
                                                            [LINK_WAIT] = REPL_LINK_CONNECT,
                                                            [LINK_HEADER] = REPL_LINK_SYNC,
                                                            [LINK_TRANSFER] = REPL_LINK_SYNC,
                                                            [LINK_LOADING] = REPL_LINK_SYNC,
                                                            [LINK_STREAM] = REPL_LINK_CONNECTED,
                                                            [LINK_CONNECT] = REPL_LINK_CONNECTING,
                                                            [LINK_PING] = REPL_LINK_HANDSHAKE,
                                                            [LINK_AUTH] = REPL_LINK_HANDSHAKE,
                                                            [LINK_PORT] = REPL_LINK_HANDSHAKE,
                                                            [LINK_CAPA] = REPL_LINK_HANDSHAKE,
                                                            [LINK_HELLO] = REPL_LINK_HANDSHAKE,
                                                            [LINK_PAIR] = REPL_LINK_HANDSHAKE,
                                                            [LINK_PSYNC] = REPL_LINK_HANDSHAKE};
    uint64_t now = clock_boot_ns();
    snprintf(s->master_host, sizeof s->master_host, "%s", k->host);
    s->master_port = k->port;
    s->link = shown[k->fsm.state];
    s->sync_in_progress = s->link == REPL_LINK_SYNC;
    s->sync_total_bytes = k->copy_total;
    s->sync_read_bytes = k->copy_got;
    s->copy = k->copy == COPY_NONE ? REPL_COPY_NONE
              : k->beside          ? REPL_COPY_BESIDE
                                   : REPL_COPY_INSTEAD;
    s->copy_taken = k->copy == COPY_TAKEN;
    s->sync_last_io_s = k->stream ? (int64_t)((now - k->last_io_ns) / NS_PER_S) : -1;
    s->last_io_s = link_streaming(k) ? s->sync_last_io_s : -1;
    s->down_s = k->down_since_ns ? (int64_t)((now - k->down_since_ns) / NS_PER_S) + 1 : 0;
    if (!k->was_up) s->down_s = -1;
    memcpy(s->last_error, k->error, sizeof s->last_error);
    s->link_fd = -1;
    if (k->stream && link_streaming(k)) {
        s->link_fd = stream_fd(k->stream);
        s->link_number = k->number;
        s->link_since_ns = k->since_ns;
        s->link_heard_ns = k->last_io_ns;
        s->link_in_bytes = buf_len(&k->in);
        s->link_out_bytes = buf_len(&k->out);
    }
    if (!is_slave(k->r)) return;
    s->stalls = k->stalls;
    bool streams = link_streaming(k);
    if (streams) s->read_offset += buf_len(&k->in);
    s->session = streams && k->pair ? k->session : 0;
    s->insync_link = streams && k->pair;
    s->acked = streams ? k->acked : 0;
    s->acked_synced = streams ? k->acked_synced : 0;
}
