/* See sort.h. Where Redis looks for a sign in a C string, a NUL ends the search here too. */
#include "server/cmd/sort.h"

#include "server/store/hash.h"

struct pattern pattern_parse(struct bytes word) {
    struct pattern p = {.before = word};
    size_t len = strnlen(word.p, word.len);
    const char *end = word.p + word.len, *star = len ? memchr(word.p, '*', len) : NULL;
    p.itself = len == 1 && word.p[0] == '#';
    if (!star) return p;
    p.varies = true;
    p.before.len = (size_t)(star - word.p);
    const char *arrow = memmem(star + 1, (size_t)(word.p + len - star - 1), "->", 2);
    if (arrow && (arrow + 2 == end || arrow[2] == '\0')) arrow = NULL;
    p.after = (struct bytes){star + 1, (size_t)((arrow ? arrow : end) - star - 1)};
    if (arrow) p.field = (struct bytes){arrow + 2, (size_t)(end - arrow - 2)};
    return p;
}

bool pattern_find(struct call *c, const struct pattern *p, struct bytes member, struct buf *key,
                  struct bytes *value, struct digits *d) {
    if (p->itself) *value = member;
    if (p->itself || !p->varies) return p->itself;
    buf_clear(key);
    buf_add(key, p->before.p, p->before.len);
    buf_add(key, member.p, member.len);
    buf_add(key, p->after.p, p->after.len);
    size_t len = buf_len(key);
    struct entry *e = call_read(c, (struct bytes){len ? buf_head(key) : "", len});
    if (!e || entry_kind(e) != (p->field.len ? KIND_HASH : KIND_STRING)) return false;
    if (p->field.len) return hash_get(e, p->field, value, d);
    *value = string_bytes(e, d);
    return true;
}
