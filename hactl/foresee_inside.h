/* The inside of foresee: foresee.c turns the world, foresee_node.c is one machine in it. */
#ifndef HACTL_FORESEE_INSIDE_H
#define HACTL_FORESEE_INSIDE_H

#include "hactl/foresee.h"

#define POSTS 256

enum post_kind {
    POST_BEAT,
    POST_GATEWAY,
    POST_TOLD,
    POST_SAVED,
    POST_VIP,
    POST_SERVER_BACK,
    POST_HAD_BACK,
    POST_LINKED,
    POST_FENCED,
    POST_WITNESS
};

struct post {
    int64_t at; /* the world's time; 0 free */
    uint64_t order;
    enum post_kind kind;
    int node;
    enum ha_path path;
    uint32_t id;
    bool ok;
    int64_t sent_at; /* of the node's clock */
    uint64_t offset;
    struct heartbeat hb;
    struct ha_action ask; /* POST_WITNESS */
};

struct machine {
    struct ha_fsm f;
    int64_t base; /* its clock is base + world's time */
    bool up, had_up, disk_bad, vip;
    int64_t lease; /* its clock */
    struct ha_record record;
    /* server */
    bool server_up;
    struct ha_server s; /* as its status says */
    enum ha_path route;
    bool linked; /* as slave: streams from the other one */
    int64_t paused_until, loading_until, linking_until;
};

struct world {
    struct machine m[2];
    int64_t t, last_ack, gap, held_since;
    uint64_t order, lives, boots, tells,
        acked;             /* acked: highest offset that a client has a reply for */
    bool cut[HA_PATHS][2]; /* by path and sender */
    bool service[2], gateway, async, two_writers, acked_any;
    uint64_t lag_bytes;
    struct {
        bool there;
        uint64_t holder;
        int64_t renewed_at;
    } witness;
    bool fence[2];
    int64_t soonest; /* no post is due before */
    struct post posts[POSTS];
};

static inline int64_t machine_now(const struct world *w, int i) {
    return w->m[i].base + w->t;
}
/* Something that happens to a node in_ns from now. NULL: too much at once, it is lost. */
struct post *world_post(struct world *w, int64_t in_ns, enum post_kind kind, int node);
bool world_reaches(const struct world *w, int from, enum ha_path path);

/* foresee_node.c */
void machine_begin(struct world *w, int i, const struct foresee_start *s);
void machine_tick(struct world *w, int i);
void machine_take(struct world *w, const struct post *p);
void machine_event(struct world *w, int i, const struct ha_event *ev);
void machine_kill_server(struct world *w, int i);
void machine_kill_had(struct world *w, int i);
bool machine_writes(const struct world *w, int i);

#endif
