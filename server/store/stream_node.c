/* See stream_node.h. */
#include "server/store/stream_node.h"

#include <string.h>

#include "server/base/log.h"

enum { HEADER = 6, MANY = 65535 };

/* ---- Reading --------------------------------------------------------------------------------- */

struct xmaster xnode_master(const uint8_t *pack) {
    const uint8_t *live = pack + HEADER, *marked = xnode_pass(live, 1), *n = xnode_pass(marked, 1);
    struct xmaster m = {xnode_number(live), xnode_number(marked), (size_t)xnode_number(n),
                        xnode_pass(n, 1), NULL};
    m.entries = xnode_pass(m.names, m.fields + 1);
    return m;
}

struct xentry xnode_entry(const uint8_t *at, struct xid node_id, size_t master_fields) {
    struct xentry en = {node_id, xnode_number(at), master_fields, NULL};
    at = xnode_pass(at, 1);
    en.id.ms += (uint64_t)xnode_number(at);
    at = xnode_pass(at, 1);
    en.id.seq += (uint64_t)xnode_number(at);
    at = xnode_pass(at, 1);
    if (!(en.flags & ENTRY_SAME_FIELDS)) {
        en.fields = (size_t)xnode_number(at);
        at = xnode_pass(at, 1);
    }
    en.body = at;
    return en;
}

const uint8_t *xnode_behind(const struct xentry *en) {
    return xnode_pass(en->body, (en->flags & ENTRY_SAME_FIELDS ? 1 : 2) * en->fields + 1);
}

const uint8_t *xnode_before(const uint8_t *pack, const uint8_t *behind) {
    const uint8_t *at = lp_prev(pack, behind);
    size_t n = (size_t)xnode_number(at);
    if (!n) return NULL;
    while (n-- > 0) at = lp_prev(pack, at);
    return at;
}

const uint8_t *xnode_find(const uint8_t *pack, size_t from, struct xid node_id, struct xid id) {
    struct xmaster m = xnode_master(pack);
    for (const uint8_t *at = from ? pack + from : m.entries; !xnode_at_end(at);) {
        struct xentry en = xnode_entry(at, node_id, m.fields);
        int cmp = en.flags & ENTRY_MARKED ? -1 : xid_cmp(en.id, id);
        if (cmp >= 0) return cmp ? NULL : at;
        at = xnode_behind(&en);
    }
    return NULL;
}

struct xid xnode_last_id(const uint8_t *pack, struct xid node_id) {
    const uint8_t *at = xnode_before(pack, pack + lp_total(pack) - 1);
    return at ? xnode_entry(at, node_id, 0).id : node_id;
}

/* ---- Making ---------------------------------------------------------------------------------- */

/* Elements, as the header tells: MANY is "more". */
static size_t told_count(const uint8_t *pack) {
    return pack[4] | (size_t)pack[5] << 8;
}

static void tell(uint8_t *pack, size_t total, size_t more) {
    size_t count = told_count(pack);
    lp_write_header(pack, total, count == MANY ? MANY : count + more);
}

static void resize(size_t *memory, struct xnode *n, size_t bytes) {
    size_t cap = mem_class(bytes);
    if (cap == n->cap) return;
    n->pack = xrealloc(n->pack, cap);
    *memory += cap - n->cap;
    n->cap = (uint32_t)cap;
}

struct writer {
    uint8_t *at;
};

static void put(struct writer *w, const struct lp_value *v) {
    lp_write(w->at, v);
    w->at += v->size;
}

/* Most numbers stand in one byte, with its length behind. */
static bool is_small(int64_t n) {
    return (uint64_t)n < 128;
}

static void put_number(struct writer *w, int64_t n) {
    if (is_small(n)) {
        *w->at++ = (uint8_t)n;
        *w->at++ = 1;
        return;
    }
    struct lp_value v = lp_value_of_int(n);
    lp_write(w->at, &v);
    w->at += v.size;
}

static size_t size_of_number(int64_t n) {
    return is_small(n) ? 2 : lp_value_of_int(n).size;
}

/* Bytes of every second word, from that one on. */
static size_t size_of_words(const struct xwords *w, size_t from) {
    size_t bytes = 0;
    for (size_t i = from; i < 2 * w->fields; i += 2) bytes += w->words[i].size;
    return bytes;
}

static bool has_fields_of(const struct xmaster *m, const struct xwords *w) {
    const uint8_t *at = m->names;
    if (w->fields != m->fields) return false;
    for (size_t i = 0; i < w->fields; i++, at = xnode_pass(at, 1))
        if (!lp_equals(at, &w->words[2 * i])) return false;
    return true;
}

/* An entry's elements. */
struct entry_form {
    int64_t flags, ms, seq;
    size_t elements, bytes; /* the last one, which tells the number of the others, included */
};

static struct entry_form form_of(struct xid node_id, struct xid id, const struct xwords *w,
                                 bool same) {
    struct entry_form f = {same ? ENTRY_SAME_FIELDS : 0, (int64_t)(id.ms - node_id.ms),
                           (int64_t)(id.seq - node_id.seq), 0, 0};
    f.elements = same ? w->fields + 4 : 2 * w->fields + 5;
    f.bytes = size_of_number(f.flags) + size_of_number(f.ms) + size_of_number(f.seq) +
              size_of_words(w, 1) + size_of_number((int64_t)f.elements - 1);
    if (!same) f.bytes += size_of_number((int64_t)w->fields) + size_of_words(w, 0);
    return f;
}

static void write_entry(uint8_t *at, const struct entry_form *f, const struct xwords *w) {
    struct writer to = {at};
    bool same = f->flags & ENTRY_SAME_FIELDS;
    put_number(&to, f->flags);
    put_number(&to, f->ms);
    put_number(&to, f->seq);
    if (!same) put_number(&to, (int64_t)w->fields);
    for (size_t i = same; i < 2 * w->fields; i += same ? 2 : 1) put(&to, &w->words[i]);
    put_number(&to, (int64_t)f->elements - 1);
    must(to.at == at + f->bytes, "an entry has the size that was reckoned");
}

struct xnode xnode_new(size_t *memory, const struct xwords *w, size_t expected) {
    struct entry_form f = form_of(XID_MIN, XID_MIN, w, true);
    size_t total = LP_EMPTY_BYTES + 3 * size_of_number(0) - size_of_number(0) +
                   size_of_number((int64_t)w->fields) + size_of_words(w, 0) + size_of_number(0) +
                   f.bytes;
    struct xnode n = {NULL, 0, 1};
    resize(memory, &n, total > expected ? total : expected);
    lp_init(n.pack);
    struct writer to = {n.pack + HEADER};
    put_number(&to, 1);
    put_number(&to, 0);
    put_number(&to, (int64_t)w->fields);
    for (size_t i = 0; i < 2 * w->fields; i += 2) put(&to, &w->words[i]);
    put_number(&to, 0);
    write_entry(to.at, &f, w);
    must(to.at + f.bytes + 1 == n.pack + total, "a node has the size that was reckoned");
    tell(n.pack, total, 4 + w->fields + f.elements);
    return n;
}

/* Writes another number in the place of that one; there must be room for 8 bytes more. */
static void set_number(struct xnode *n, const uint8_t *at, int64_t v) {
    if (*at < 128 && is_small(v)) {
        n->pack[at - n->pack] = (uint8_t)v;
        return;
    }
    struct lp_value value = lp_value_of_int(v);
    size_t offset = (size_t)(at - n->pack), old = lp_size(at), total = lp_total(n->pack);
    if (value.size != old) {
        memmove(n->pack + offset + value.size, at + old, total - offset - old);
        tell(n->pack, total - old + value.size, 0);
    }
    lp_write(n->pack + offset, &value);
}

enum { NUMBER_GROWS = 16 }; /* two numbers that grow */

bool xnode_append(size_t *memory, struct xnode *n, struct xid node_id, struct xid id,
                  const struct xwords *w, size_t most) {
    struct xmaster m = xnode_master(n->pack);
    struct entry_form f = form_of(node_id, id, w, has_fields_of(&m, w));
    size_t total = lp_total(n->pack), need = total + f.bytes + NUMBER_GROWS;
    if (need > n->cap) {
        size_t more = 2 * need < most ? 2 * need : most;
        resize(memory, n, more > need ? more : need);
    }
    set_number(n, n->pack + HEADER, m.live + 1);
    n->live++;
    size_t now = lp_total(n->pack);
    write_entry(n->pack + now - 1, &f, w);
    tell(n->pack, now + f.bytes, f.elements);
    return now != total;
}

void xnode_close(size_t *memory, struct xnode *n) {
    resize(memory, n, lp_total(n->pack));
}

struct xnode xnode_of(size_t *memory, struct bytes listpack) {
    struct xnode n = {NULL, 0, 0};
    resize(memory, &n, listpack.len);
    memcpy(n.pack, listpack.p, listpack.len);
    n.live = (uint32_t)xnode_master(n.pack).live;
    return n;
}

void xnode_free(size_t *memory, struct xnode *n) {
    mem_free(memory, n->pack, n->cap);
}

/* ---- Marking --------------------------------------------------------------------------------- */

static void count_marked(size_t *memory, struct xnode *n, int64_t more) {
    if (n->cap < lp_total(n->pack) + NUMBER_GROWS)
        resize(memory, n, lp_total(n->pack) + NUMBER_GROWS);
    struct xmaster m = xnode_master(n->pack);
    set_number(n, n->pack + HEADER, m.live - more);
    n->live -= (uint32_t)more;
    set_number(n, xnode_pass(n->pack + HEADER, 1), m.marked + more);
}

/* Flags in a file may be of any size; ours are of one, so this moves nothing. */
static void set_flags(struct xnode *n, const uint8_t *at) {
    set_number(n, at, xnode_number(at) | ENTRY_MARKED);
}

bool xnode_mark(size_t *memory, struct xnode *n, const uint8_t *at) {
    size_t total = lp_total(n->pack);
    must(!(xnode_number(at) & ENTRY_MARKED), "an entry is deleted once");
    set_flags(n, at);
    count_marked(memory, n, 1);
    return lp_total(n->pack) != total;
}

size_t xnode_mark_some(size_t *memory, struct xnode *n, size_t from, struct xid node_id,
                       size_t most, struct xid below, bool *moved) {
    struct xmaster m = xnode_master(n->pack);
    size_t done = 0, total = lp_total(n->pack);
    const uint8_t *at = from ? n->pack + from : m.entries;
    while (done < most && !xnode_at_end(at)) {
        struct xentry en = xnode_entry(at, node_id, m.fields);
        if (xid_cmp(en.id, below) >= 0) break;
        if (!(en.flags & ENTRY_MARKED)) {
            set_flags(n, at);
            en = xnode_entry(at, node_id, m.fields);
            done++;
        }
        at = xnode_behind(&en);
    }
    if (done) count_marked(memory, n, (int64_t)done);
    *moved = lp_total(n->pack) != total;
    return done;
}

/* ---- Bytes from outside ---------------------------------------------------------------------- */

/* Reads elements one after the other; the first that is not as it must be makes all the rest fail. */
struct checker {
    const uint8_t *at;
    bool bad;
};

static int64_t check_number(struct checker *c) {
    int64_t v = 0;
    c->bad = c->bad || xnode_at_end(c->at) || !lp_get_int(c->at, &v);
    if (!c->bad) c->at += lp_size(c->at);
    return v;
}

static void check_some(struct checker *c, int64_t n) {
    for (; n > 0 && !c->bad; n--) {
        c->bad = xnode_at_end(c->at);
        if (!c->bad) c->at += lp_size(c->at);
    }
}

/* A number of fields: there cannot be more than elements are left, so anything else ends soon. */
static int64_t check_fields(struct checker *c) {
    int64_t n = check_number(c);
    c->bad = c->bad || n < 0 || n > INT32_MAX;
    return n;
}

static struct xid check_entry(struct checker *c, struct xid id, int64_t master_fields,
                              int64_t *flags) {
    *flags = check_number(c);
    id.ms += (uint64_t)check_number(c);
    id.seq += (uint64_t)check_number(c);
    bool same = *flags & ENTRY_SAME_FIELDS;
    int64_t fields = same ? master_fields : check_fields(c);
    check_some(c, same ? fields : 2 * fields);
    if (check_number(c) != (same ? fields + 3 : 2 * fields + 4)) c->bad = true;
    return id;
}

const char *xnode_fault(const uint8_t *pack, struct xid node_id, struct xid *last) {
    struct checker c = {pack + HEADER, false};
    int64_t live = check_number(&c), marked = check_number(&c), fields = check_fields(&c), flags;
    check_some(&c, fields);
    if (check_number(&c) != 0 || c.bad) return "holds a node without a sound master entry";
    if (xnode_at_end(c.at)) return "holds an empty node";
    while (!xnode_at_end(c.at)) {
        struct xid id = check_entry(&c, node_id, fields, &flags);
        if (c.bad) return "holds a broken entry";
        if (flags & ~(ENTRY_MARKED | ENTRY_SAME_FIELDS)) return "holds an entry of unknown flags";
        if (flags & ENTRY_MARKED) {
            marked--;
            continue;
        }
        if (xid_cmp(id, *last) <= 0) return "holds entries that are out of order";
        *last = id;
        live--;
    }
    if (live || marked) return "holds a node that counts its entries wrongly";
    return NULL;
}
