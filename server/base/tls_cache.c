/* Sessions that may be resumed, one cache for all threads behind a mutex that only handshakes take:
 * the one least used goes when it is full, and none lives longer than the time that was set, which
 * BearSSL's own cache does not know. */
#include "server/base/tls_inside.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/hash.h"

enum { ID_BYTES = 32, UNLIMITED = 1 << 20 };

struct session {
    struct session *newer, *older;
    uint64_t made_ns;
    br_ssl_session_parameters params;
};

struct tls_sessions {
    pthread_mutex_t lock;
    size_t most;
    uint64_t time_ns;
    struct map *by_id;
    struct session *newest, *oldest; /* by last use */
};

static void unlink_session(struct tls_sessions *t, struct session *s) {
    *(s->newer ? &s->newer->older : &t->newest) = s->older;
    *(s->older ? &s->older->newer : &t->oldest) = s->newer;
}

static void link_newest(struct tls_sessions *t, struct session *s) {
    s->newer = NULL;
    s->older = t->newest;
    *(t->newest ? &t->newest->newer : &t->oldest) = s;
    t->newest = s;
}

static void forget(struct tls_sessions *t, struct session *s) {
    map_take(t->by_id, s->params.session_id, ID_BYTES);
    unlink_session(t, s);
    explicit_bzero(s, sizeof *s);
    free(s);
}

static bool too_old(const struct tls_sessions *t, const struct session *s) {
    return clock_boot_ns() - s->made_ns >= t->time_ns;
}

static void save(const br_ssl_session_cache_class **self, br_ssl_server_context *cc,
                 const br_ssl_session_parameters *params) {
    struct tls_sessions *t = ((const struct tls_cache *)(const void *)self)->sessions;
    struct session *s = xcalloc(1, sizeof *s);
    s->params = *params;
    s->made_ns = clock_boot_ns();
    tls_session_saved(cc);
    pthread_mutex_lock(&t->lock);
    while (t->oldest && (map_count(t->by_id) >= t->most || too_old(t, t->oldest)))
        forget(t, t->oldest);
    struct session *same = map_get(t->by_id, params->session_id, ID_BYTES);
    if (same) forget(t, same);
    map_put(t->by_id, params->session_id, ID_BYTES, s);
    link_newest(t, s);
    pthread_mutex_unlock(&t->lock);
}

static int load(const br_ssl_session_cache_class **self, br_ssl_server_context *cc,
                br_ssl_session_parameters *params) {
    struct tls_sessions *t = ((const struct tls_cache *)(const void *)self)->sessions;
    bool found = false;
    pthread_mutex_lock(&t->lock);
    struct session *s = map_get(t->by_id, params->session_id, ID_BYTES);
    if (s && too_old(t, s)) {
        forget(t, s);
    } else if (s) {
        *params = s->params;
        unlink_session(t, s);
        link_newest(t, s);
        found = true;
    }
    pthread_mutex_unlock(&t->lock);
    if (found) tls_session_found(cc);
    return found;
}

static const br_ssl_session_cache_class cache_class = {sizeof(struct tls_cache), save, load};

bool tls_cache_init(struct tls_cache *c, size_t size, unsigned time_s) {
    struct tls_sessions *t = xcalloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->most = size ? size : UNLIMITED;
    t->time_ns = (uint64_t)time_s * NS_PER_S;
    t->by_id = map_new(false);
    *c = (struct tls_cache){&cache_class, t};
    return true;
}

void tls_cache_free(struct tls_cache *c) {
    struct tls_sessions *t = c->sessions;
    if (!t) return;
    while (t->oldest) forget(t, t->oldest);
    map_free(t->by_id, NULL);
    pthread_mutex_destroy(&t->lock);
    free(t);
    c->sessions = NULL;
}
