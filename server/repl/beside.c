/* What floor 4 of the pair's master tells floor 4 of its slave beside the stream: between two commands, in order, no part of
 * the data, neither logged nor counted in offsets. A slave that wants it says so by REPLCONF duet-beside, which older masters
 * do not know and pass over. */
#include "server/repl/inside.h"

#include "server/base/log.h"

bool repl_beside_ready(const struct repl *r, uint64_t *session) {
    const struct feed *f = r->pair;
    bool listens = f && !f->dead && f->listens && f->state == FEED_ONLINE;
    *session = listens ? f->conf.session : 0;
    return listens && buf_len(&f->beside) == 0;
}

void repl_beside_tell(struct repl *r, const void *p, size_t n) {
    struct feed *f = r->pair;
    must(n > 0 && n <= REPL_BESIDE_BYTES, "what is told beside the stream is short");
    if (!f || f->dead) return;
    buf_add(&f->beside, (char[]){ASIDE_TOLD, (char)(n >> 8), (char)(n & 0xff)}, ASIDE_TOLD_HEAD);
    buf_add(&f->beside, p, n);
    feed_flush(f);
}

void feed_beside(struct feed *f) {
    if (!buf_len(&f->beside) || f->dead || f->state != FEED_ONLINE) return;
    if (f->sent != f->r->logged || buf_len(&f->out)) return; /* not between commands */
    buf_add(&f->out, buf_head(&f->beside), buf_len(&f->beside));
    buf_clear(&f->beside);
}
