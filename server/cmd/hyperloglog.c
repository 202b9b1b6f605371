/* HyperLogLogs: strings whose bytes server/proto/hll knows. */
#include "server/proto/hll.h"

#include <math.h>
#include <stdlib.h>

#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

#define ERR_NO_HLL  "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERR_DAMAGED "INVALIDOBJ Corrupted HLL object detected"

static uint64_t sparse_max(const struct call *c) {
    return store_settings(c->store)->hll_sparse_max_bytes;
}

static struct bytes bytes_of(const struct entry *e) {
    struct digits d;
    struct bytes b = string_bytes(e, &d);
    return string_is_int(e, &(int64_t){0}) ? (struct bytes){"", 0} : b;
}

/* e is not NULL. */
static bool is_hll(struct call *c, const struct entry *e) {
    if (!call_is_kind(c, e, KIND_STRING)) return false;
    if (hll_is(bytes_of(e))) return true;
    reply_error(c, ERR_NO_HLL);
    return false;
}

static uint8_t *edit(struct call *c, struct entry **e, size_t len) {
    return (uint8_t *)string_edit(c->store, c->db, e, len);
}

static struct entry *new_hll(struct call *c, struct bytes key) {
    char empty[HLL_EMPTY_BYTES];
    hll_init((uint8_t *)empty);
    struct entry *e = string_put_plain(c->store, c->db, key, (struct bytes){empty, sizeof empty},
                                       NO_EXPIRY, true);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    return e;
}

/* False: its runs are damaged, it stays as it is. */
static bool make_dense(struct call *c, struct entry **e) {
    uint8_t registers[HLL_REGISTERS] = {0};
    if (!hll_merge(registers, bytes_of(*e))) return false;
    hll_pack(edit(c, e, HLL_DENSE_BYTES), registers);
    return true;
}

/* ---- PFADD ---------------------------------------------------------------------------------- */

static enum hll_change raise_dense(struct call *c, struct entry **e, unsigned reg, unsigned rank) {
    if (hll_dense_get((const uint8_t *)bytes_of(*e).p, reg) >= rank) return HLL_SAME;
    hll_dense_set(edit(c, e, HLL_DENSE_BYTES), reg, rank);
    return HLL_RAISED;
}

/* What changes nothing is found out by reading. */
static enum hll_change raise_sparse(struct call *c, struct entry **e, unsigned reg, unsigned rank) {
    struct bytes b = bytes_of(*e);
    enum hll_change change = hll_sparse_look(b, reg, rank);
    if (change != HLL_RAISED) return change;
    size_t len = b.len;
    uint8_t *hll = edit(c, e, len + HLL_ROOM_BYTES);
    change = hll_sparse_raise(hll, &len, reg, rank, sparse_max(c), NULL);
    edit(c, e, len);
    if (change != HLL_TOO_BIG) return change;
    return make_dense(c, e) ? raise_dense(c, e, reg, rank) : HLL_DAMAGED;
}

static enum hll_change add(struct call *c, struct entry **e, struct bytes element) {
    unsigned reg, rank = hll_rank(element, &reg);
    if (hll_is_dense((const uint8_t *)bytes_of(*e).p)) return raise_dense(c, e, reg, rank);
    return raise_sparse(c, e, reg, rank);
}

/* Elements before the one that showed the damage have been added: that must reach the slaves, and the command, which
 * fails, cannot tell them. */
static void reply_damaged(struct call *c, struct entry *e, uint64_t raised) {
    struct bytes words[] = {BYTES("SET"), c->argv[1], bytes_of(e), BYTES("KEEPTTL")};
    if (raised) {
        call_changed(c, c->argv[1]);
        call_propagate_as(c, 4, words);
    }
    reply_error(c, ERR_DAMAGED);
}

void cmd_pfadd(struct call *c) {
    struct bytes key = c->argv[1];
    struct entry *e = call_write(c, key);
    uint64_t raised = 0;
    if (e) {
        if (!is_hll(c, e)) return;
    } else {
        e = new_hll(c, key);
        raised++;
    }
    for (int i = 2; i < c->argc; i++) {
        enum hll_change change = add(c, &e, c->argv[i]);
        raised += change == HLL_RAISED;
        if (change != HLL_DAMAGED) continue;
        reply_damaged(c, e, raised);
        return;
    }
    if (raised) {
        hll_uncache(edit(c, &e, bytes_of(e).len));
        call_changed(c, key);
        call_notify(c, NOTIFY_STRING, "pfadd", key);
        c->dirty += raised - 1;
    }
    reply_int(c, raised > 0);
}

/* ---- PFCOUNT -------------------------------------------------------------------------------- */

/* Merges the keys from argv[first] on; *dense is set when one of them is. False after an error. */
static bool merge_keys(struct call *c, uint8_t max[HLL_REGISTERS], bool *dense) {
    for (int i = 1; i < c->argc; i++) {
        struct entry *e = call_read(c, c->argv[i]);
        if (!e) continue;
        if (!is_hll(c, e)) return false;
        struct bytes b = bytes_of(e);
        *dense |= hll_is_dense((const uint8_t *)b.p);
        if (hll_merge(max, b)) continue;
        reply_error(c, ERR_DAMAGED);
        return false;
    }
    return true;
}

/* Counting one key leaves the estimate in it, which is a change like any other; but a slave's data are its master's. */
static void keep_estimate(struct call *c, struct entry *e, uint64_t estimate) {
    if (c->flags & CALL_ON_SLAVE && !(c->flags & CALL_FROM_MASTER)) return;
    hll_cache(edit(c, &e, bytes_of(e).len), estimate);
    call_changed(c, c->argv[1]);
}

static void count_one(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    uint64_t estimate = 0;
    if (e) {
        if (!is_hll(c, e)) return;
        if (!hll_cached((const uint8_t *)bytes_of(e).p, &estimate)) {
            if (!hll_count(bytes_of(e), &estimate)) {
                reply_error(c, ERR_DAMAGED);
                return;
            }
            keep_estimate(c, e, estimate);
        }
    }
    reply_int(c, (int64_t)estimate);
}

void cmd_pfcount(struct call *c) {
    uint8_t max[HLL_REGISTERS] = {0};
    bool dense = false;
    if (c->argc == 2)
        count_one(c);
    else if (merge_keys(c, max, &dense))
        reply_int(c, (int64_t)hll_count_registers(max));
}

/* ---- PFMERGE -------------------------------------------------------------------------------- */

/* One register after the other, as Redis does: how the runs come to be joined depends on it. */
static void fill_sparse(struct call *c, struct entry **e, const uint8_t max[HLL_REGISTERS]) {
    uint64_t most = sparse_max(c);
    struct hll_place place = {0};
    size_t len = bytes_of(*e).len, room = len;
    uint8_t *hll = (uint8_t *)(uintptr_t)bytes_of(*e).p;
    for (unsigned reg = 0; reg < HLL_REGISTERS; reg++) {
        if (!max[reg]) continue;
        if (len + HLL_ROOM_BYTES > room) hll = edit(c, e, room = len + 256);
        if (hll_sparse_raise(hll, &len, reg, max[reg], most, &place) != HLL_TOO_BIG) continue;
        hll_pack(edit(c, e, HLL_DENSE_BYTES), max);
        return;
    }
    edit(c, e, len);
}

void cmd_pfmerge(struct call *c) {
    uint8_t max[HLL_REGISTERS] = {0};
    struct bytes key = c->argv[1];
    bool dense = false;
    if (!merge_keys(c, max, &dense)) return;
    struct entry *e = call_write(c, key);
    if (!e) e = new_hll(c, key);
    if (dense)
        hll_pack(edit(c, &e, HLL_DENSE_BYTES), max);
    else
        fill_sparse(c, &e, max);
    hll_uncache(edit(c, &e, bytes_of(e).len));
    call_changed(c, key);
    call_notify(c, NOTIFY_STRING, "pfadd", key);
    reply_ok(c);
}

/* ---- PFDEBUG -------------------------------------------------------------------------------- */

/* False after the error. *was_sparse: it has been changed. */
static bool debug_dense(struct call *c, struct entry **e, bool *was_sparse) {
    *was_sparse = !hll_is_dense((const uint8_t *)bytes_of(*e).p);
    if (!*was_sparse) return true;
    if (!make_dense(c, e)) {
        reply_error(c, ERR_DAMAGED);
        return false;
    }
    c->dirty++;
    return true;
}

static void debug_registers(struct call *c, struct entry *e) {
    bool was_sparse;
    if (!debug_dense(c, &e, &was_sparse)) return;
    const uint8_t *hll = (const uint8_t *)bytes_of(e).p;
    reply_array(c, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) reply_int(c, hll_dense_get(hll, i));
}

static void debug_decode(struct call *c, const struct entry *e) {
    struct bytes b = bytes_of(e);
    const uint8_t *p = (const uint8_t *)b.p, *end = p + b.len;
    struct buf text = BUF_INIT;
    if (hll_is_dense(p)) {
        reply_error(c, "ERR HLL encoding is not sparse");
        return;
    }
    for (p += HLL_HEADER_BYTES; p < end;) {
        struct hll_run run = hll_run_at(p, end);
        const char *gap = buf_len(&text) ? " " : "";
        if (run.value)
            buf_printf(&text, "%sv:%u,%u", gap, run.value, run.registers);
        else
            buf_printf(&text, "%s%c:%u", gap, run.bytes == 1 ? 'z' : 'Z', run.registers);
        p += run.bytes;
    }
    reply_bulk(c, (struct bytes){buf_len(&text) ? buf_head(&text) : "", buf_len(&text)});
    buf_free(&text);
}

void cmd_pfdebug(struct call *c) {
    struct bytes word = c->argv[1];
    struct entry *e = call_write(c, c->argv[2]);
    bool was_sparse;
    if (!e) {
        reply_error(c, "ERR The specified key does not exist");
        return;
    }
    if (!is_hll(c, e)) return;
    if (bytes_is(word, "getreg")) {
        debug_registers(c, e);
    } else if (bytes_is(word, "decode")) {
        debug_decode(c, e);
    } else if (bytes_is(word, "encoding")) {
        reply_status(c, hll_is_dense((const uint8_t *)bytes_of(e).p) ? "dense" : "sparse");
    } else if (bytes_is(word, "todense")) {
        if (debug_dense(c, &e, &was_sparse)) reply_int(c, was_sparse);
    } else {
        reply_errorf(c, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)strnlen(word.p, word.len),
                     word.p);
    }
}

/* ---- PFSELFTEST ----------------------------------------------------------------------------- */

/* Registers written and read again; then dense and sparse must agree, and the estimate be within six standard errors.
 * Fewer rounds than Redis: nobody is to wait for seconds. */
enum { TEST_ROUNDS = 4, TEST_ELEMENTS = 100000 };

static bool test_registers(struct call *c, uint8_t *hll) {
    uint8_t registers[HLL_REGISTERS];
    for (int round = 0; round < TEST_ROUNDS; round++) {
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            registers[i] = (uint8_t)(store_chance(c->store) & 63);
            hll_dense_set(hll, i, registers[i]);
        }
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            if (hll_dense_get(hll, i) == registers[i]) continue;
            reply_errorf(c, "ERR TESTFAILED Register %u should be %u but is %u", i, registers[i],
                         hll_dense_get(hll, i));
            return false;
        }
    }
    return true;
}

/* Adds to a sparse one as long as it is one. */
static void test_add(uint8_t *dense, uint8_t *sparse, size_t *len, bool *is_sparse,
                     uint64_t element) {
    unsigned reg, rank = hll_rank((struct bytes){(const char *)&element, sizeof element}, &reg);
    if (hll_dense_get(dense, reg) < rank) hll_dense_set(dense, reg, rank);
    if (*is_sparse && hll_sparse_raise(sparse, len, reg, rank, 3000, NULL) == HLL_TOO_BIG)
        *is_sparse = false;
}

static bool test_estimates(struct call *c, uint8_t *dense) {
    uint8_t sparse[3000 + HLL_ROOM_BYTES];
    size_t len = HLL_EMPTY_BYTES;
    bool is_sparse = true;
    uint64_t seed = store_chance(c->store), checkpoint = 1, one, other;
    hll_init(sparse);
    for (uint64_t j = 1; j <= TEST_ELEMENTS; j++) {
        test_add(dense, sparse, &len, &is_sparse, j ^ seed);
        if (j != checkpoint) continue;
        hll_count((struct bytes){(const char *)dense, HLL_DENSE_BYTES}, &one);
        bool counted = hll_count((struct bytes){(const char *)sparse, len}, &other);
        if (is_sparse && (!counted || one != other)) {
            reply_error(c, "ERR TESTFAILED dense/sparse disagree");
            return false;
        }
        uint64_t error = one > checkpoint ? one - checkpoint : checkpoint - one;
        uint64_t most = j == 10 ? 1 : (uint64_t)ceil(1.04 / 128 * 6 * (double)checkpoint);
        if (error > most) {
            reply_errorf(c, "ERR TESTFAILED Too big error. card:%llu abserr:%llu",
                         (unsigned long long)checkpoint, (unsigned long long)error);
            return false;
        }
        checkpoint *= 10;
    }
    return true;
}

void cmd_pfselftest(struct call *c) {
    uint8_t *dense = xcalloc(1, HLL_DENSE_BYTES);
    bool well = test_registers(c, dense);
    memset(dense, 0, HLL_DENSE_BYTES);
    if (well && test_estimates(c, dense)) reply_ok(c);
    free(dense);
}
