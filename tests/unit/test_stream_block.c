/* link: server/base/stream_block.c server/base/stream.c server/base/crc32c.c server/base/buf.c
 * server/base/rand.c server/base/log.c server/base/clock.c server/base/num.c */
/* Blocks: all that is written comes out however the line cuts it; nothing that was changed on the way
 * does, whichever bit, block or end of the line it was. */
#include "tests/unit/block_rig.h"
#include "tests/unit/tap.h"

#include "server/base/clock.h"
#include "server/base/crc32c.h"
#include "server/base/rand.h"

#include <sys/socket.h>
#include <unistd.h>

enum { OUT = 0x1234567, IN = 0x7654321 };

static struct prng chance;

static size_t some_of(size_t n) {
    uint64_t kind = prng_below(&chance, 8);
    if (kind == 0) return 0;
    if (kind == 1) return n;
    size_t k = 1 + (size_t)prng_below(&chance, kind < 5 ? 20 : 70000);
    return k < n ? k : n;
}

static char *random_bytes(size_t n) {
    char *p = xmalloc(n + 1);
    for (size_t i = 0; i < n; i++) p[i] = (char)prng_u64(&chance);
    return p;
}

/* What a writer makes of data when each call offers at most `most` bytes. */
static struct buf blocks_of(const char *data, size_t len, size_t most, uint64_t word) {
    struct line *l = line_new(line_all);
    struct stream *s = stream_block(&l->base, word, 0, 0);
    rig_write(s, data, len, most);
    struct buf b = l->sent;
    l->sent = (struct buf)BUF_INIT;
    stream_free(s);
    return b;
}

struct outcome {
    struct buf got;
    long end;
    const char *damage;
};

/* Reads to the end; room: how much at a time. */
static struct outcome read_all(const char *wire, size_t len, bool closes, size_t room,
                               size_t (*some)(size_t)) {
    struct outcome o = {BUF_INIT, 0, NULL};
    struct line *l = line_new(some);
    struct stream *s = stream_block(&l->base, 0, OUT, 0);
    l->coming = wire;
    l->left = len;
    l->closes = closes;
    for (;;) {
        o.end = stream_read(s, buf_room(&o.got, room), room);
        if (o.end > 0) buf_added(&o.got, (size_t)o.end);
        if (o.end > 0 || (o.end == STREAM_AGAIN && l->left)) continue;
        break;
    }
    o.damage = stream_block_damage(s);
    stream_free(s);
    return o;
}

static void any_pieces(int rounds) {
    bool same = true, clean = true;
    for (int i = 0; i < rounds; i++) {
        size_t len = 1 + (size_t)prng_below(&chance, i % 4 ? 3000 : 400000);
        char *data = random_bytes(len);
        struct line *l = line_new(some_of);
        struct stream *s = stream_block(&l->base, OUT, IN, 0);
        same = same && rig_write(s, data, len, 1 + (size_t)prng_below(&chance, 200000));
        struct outcome o = read_all(buf_head(&l->sent), buf_len(&l->sent), true,
                                    1 + (size_t)prng_below(&chance, 200000), some_of);
        same = same && buf_len(&o.got) == len && memcmp(buf_head(&o.got), data, len) == 0;
        clean = clean && o.end == STREAM_CLOSED && !o.damage;
        buf_free(&o.got);
        stream_free(s);
        free(data);
    }
    ok(same, "%d texts come out as they went in, through any pieces", rounds);
    ok(clean, "and each ends as its line ended, not as damage");
}

static bool is_prefix(const struct outcome *o, const char *data) {
    return buf_len(&o->got) == 0 || memcmp(buf_head(&o->got), data, buf_len(&o->got)) == 0;
}

static void every_bit(void) {
    enum { LEN = 700, EACH = 150 };
    char *data = random_bytes(LEN);
    struct buf wire = blocks_of(data, LEN, EACH, OUT);
    unsigned long unseen = 0, late = 0, wrong = 0;
    for (size_t bit = 0; bit < 8 * buf_len(&wire); bit++) {
        char *p = buf_head(&wire) + bit / 8;
        *p ^= (char)(1 << bit % 8);
        struct outcome o = read_all(buf_head(&wire), buf_len(&wire), false, 4096, line_all);
        unseen += o.end != STREAM_FAILED || !o.damage;
        late += buf_len(&o.got) > bit / 8 / (EACH + STREAM_BLOCK_HEADER) * EACH;
        wrong += !is_prefix(&o, data);
        buf_free(&o.got);
        *p ^= (char)(1 << bit % 8);
    }
    is_int((int64_t)unseen, 0, "every flipped bit is found, without waiting for more bytes");
    is_int((int64_t)late, 0, "no byte of the block that it is in is handed up");
    is_int((int64_t)wrong, 0, "and all before it is");
    buf_free(&wire);
    free(data);
}

static void every_cut(void) {
    enum { LEN = 700, EACH = 150 };
    char *data = random_bytes(LEN);
    struct buf wire = blocks_of(data, LEN, EACH, OUT);
    unsigned long bad = 0, parts = 0;
    for (size_t cut = 0; cut <= buf_len(&wire); cut++) {
        struct outcome o = read_all(buf_head(&wire), cut, true, 4096, line_all);
        bad += o.end != STREAM_CLOSED || o.damage || !is_prefix(&o, data);
        size_t whole = cut / (EACH + STREAM_BLOCK_HEADER) * EACH;
        parts += buf_len(&o.got) != (cut == buf_len(&wire) ? LEN : whole);
        buf_free(&o.got);
        if (cut == 0 || cut == buf_len(&wire)) continue;
        /* a byte that is lost in the middle */
        struct buf hole = BUF_INIT;
        buf_add(&hole, buf_head(&wire), cut - 1);
        buf_add(&hole, buf_head(&wire) + cut, buf_len(&wire) - cut);
        o = read_all(buf_head(&hole), buf_len(&hole), true, 4096, line_all);
        bad += !is_prefix(&o, data) || buf_len(&o.got) == LEN;
        buf_free(&o.got);
        buf_free(&hole);
    }
    is_int((int64_t)bad, 0, "a line that ends anywhere, or loses a byte, gives what came before");
    is_int((int64_t)parts, 0, "in whole blocks");
    buf_free(&wire);
    free(data);
}

enum { BLOCKS = 6, BLOCK = 100 };

/* The blocks in another order: numbers from 0, ended by -1. */
static void order(const struct buf *wire, const char *data, const int *which, int good,
                  const char *reason, const char *shows) {
    struct buf w = BUF_INIT;
    size_t size = BLOCK + STREAM_BLOCK_HEADER;
    for (; *which >= 0; which++) buf_add(&w, buf_head(wire) + (size_t)*which * size, size);
    struct outcome o = read_all(buf_head(&w), buf_len(&w), false, 4096, line_all);
    bool same = is_prefix(&o, data) && buf_len(&o.got) == (size_t)good * BLOCK;
    if (reason)
        ok(same && o.end == STREAM_FAILED && o.damage && !strcmp(o.damage, reason), "%s", shows);
    else
        ok(same && !o.damage, "%s", shows);
    buf_free(&o.got);
    buf_free(&w);
}

static void orders(void) {
    char *data = random_bytes((size_t)BLOCKS * BLOCK);
    struct buf wire = blocks_of(data, (size_t)BLOCKS * BLOCK, BLOCK, OUT);
    struct buf other = blocks_of(data, (size_t)BLOCKS * BLOCK, BLOCK, IN);
    order(&wire, data, (int[]){0, 1, 2, 3, 4, 5, -1}, 6, NULL, "blocks in order are taken");
    order(&wire, data, (int[]){0, 1, 3, -1}, 2, "a block is missing", "a missing block");
    order(&wire, data, (int[]){0, 2, 1, -1}, 1, "a block is missing", "blocks in another order");
    order(&wire, data, (int[]){0, 1, 1, 2, -1}, 2, "a block came twice", "a repeated block");
    order(&wire, data, (int[]){0, 1, 2, 0, -1}, 3, "a block came twice", "an old block");
    order(&other, data, (int[]){0, 1, -1}, 0,
          "a block was damaged on the way: its header does not hold",
          "blocks of another session, or of the other direction");
    buf_free(&wire);
    buf_free(&other);
    free(data);
}

static void lengths(void) {
    static const uint32_t none[] = {0, STREAM_BLOCK_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        uint64_t covered[3] = {OUT, 0, none[i]};
        uint32_t header[4] = {none[i], 0, crc32c(0, covered, sizeof covered), 0};
        header[3] = header[2];
        struct outcome o = read_all((char *)header, sizeof header, false, 4096, line_all);
        ok(o.end == STREAM_FAILED && o.damage, "a block of %u bytes is refused at its header",
           none[i]);
        buf_free(&o.got);
    }
}

static void cost(void) {
    size_t len = 1 << 20;
    char *data = random_bytes(len);
    struct line *l = line_new(line_all);
    struct stream *s = stream_block(&l->base, OUT, IN, 0);
    is_int(stream_write(s, data, len), (int64_t)len, "an open line takes all that is offered");
    is_int((int64_t)l->writes, (int64_t)len / STREAM_BLOCK_MAX, "a call a block");
    size_t before = stream_memory(s);
    l->some = some_of;
    for (int i = 0; i < 50; i++) stream_write(s, data, len);
    is_int((int64_t)stream_memory(s), (int64_t)before, "a line that is full makes nothing grow");
    stream_free(s);
    free(data);
}

/* What was said before the blocks goes as it is; a number that wraps at 32 bits is tests' own. */
static void plain_first(void) {
    const char text[] = "+OK session 1 fork none\r\n";
    char *data = random_bytes(5000);
    size_t n = strlen(text);
    memcpy(data, text, n);
    struct line *l = line_new(some_of);
    struct stream *s = stream_block(&l->base, OUT, IN, n);
    bool went = rig_write(s, data, 5000, 1000);
    ok(went && memcmp(buf_head(&l->sent), text, n) == 0,
       "the bytes before the blocks go as they are");
    struct outcome o =
        read_all(buf_head(&l->sent) + n, buf_len(&l->sent) - n, true, 4096, line_all);
    ok(buf_len(&o.got) == 5000 - n && memcmp(buf_head(&o.got), data + n, 5000 - n) == 0 &&
           !o.damage,
       "and all others in blocks");
    buf_free(&o.got);
    stream_free(s);
    free(data);
}

static void pending(void) {
    char *data = random_bytes(3000), room[STREAM_BLOCK_ROOM];
    struct buf wire = blocks_of(data, 3000, 1000, OUT);
    struct line *l = line_new(line_all);
    struct stream *s = stream_block(&l->base, 0, OUT, 0);
    l->coming = buf_head(&wire);
    l->left = buf_len(&wire);
    is_int(stream_read(s, room, 10), 10, "a small read takes part of a block");
    ok(stream_pending(s) > 0, "and the rest is said to be pending");
    is_int(stream_read(s, room, 990), 990, "a read up to a block's end");
    ok(stream_pending(s) > 0, "leaves the next one pending");
    is_int(stream_read(s, room, sizeof room), 2000, "one with room takes all");
    is_int((int64_t)stream_pending(s), 0, "and leaves nothing");
    is_int(stream_read(s, room, sizeof room), STREAM_AGAIN, "then there is nothing to read");
    stream_free(s);
    buf_free(&wire);
    free(data);
}

static void nothing_behind(void) {
    enum { LEN = 900000 };
    char *data = random_bytes(LEN), *room = xmalloc(4 * STREAM_BLOCK_ROOM);
    bool left = false, same = true;
    for (int i = 0; i < 40; i++) {
        struct buf wire =
            blocks_of(data, LEN, 1 + (size_t)prng_below(&chance, i % 2 ? 3000 : 90000), OUT);
        struct line *l = line_new(i % 4 < 2 ? line_all : some_of);
        struct stream *s = stream_block(&l->base, 0, OUT, 0);
        l->coming = buf_head(&wire);
        l->left = buf_len(&wire);
        size_t n = STREAM_BLOCK_MAX + (size_t)prng_below(&chance, i % 3 ? 1 : 200000), at = 0;
        for (long got = 0; l->left || got > 0;) {
            got = stream_read(s, room, n);
            if (got > 0) same = same && memcmp(room, data + at, (size_t)got) == 0;
            if (got > 0) at += (size_t)got;
            left = left || stream_pending(s) > 0;
        }
        same = same && at == LEN;
        stream_free(s);
        buf_free(&wire);
    }
    ok(same && !left,
       "reads with room for a block leave nothing behind that no readiness tells of");
    free(data);
    free(room);
}

/* Over real sockets; damage wakes the reader's loop. */
static void sockets(void) {
    int fd[2], raw[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, raw))
        exit(1);
    struct stream *a = stream_block(stream_plain(fd[0]), OUT, IN, 0);
    struct stream *b = stream_block(stream_plain(fd[1]), IN, OUT, 0);
    size_t len = 3 << 20, sent = 0, got = 0;
    char *data = random_bytes(len), *back = xmalloc(len + STREAM_BLOCK_ROOM);
    for (int idle = 0; got < len && idle < 3; idle++) {
        long n = stream_write(a, data + sent, len - sent);
        if (n > 0) sent += (size_t)n, idle = 0;
        while ((n = stream_read(b, back + got, STREAM_BLOCK_ROOM)) > 0) got += (size_t)n, idle = 0;
    }
    ok(got == len && memcmp(data, back, len) == 0, "3 MB through a socket");
    ok(stream_write(b, "ack", 3) == 3 && stream_read(a, back, 100) == 3 && !memcmp(back, "ack", 3),
       "and an answer the other way");
    struct stream *c = stream_block(stream_plain(raw[0]), OUT, IN, 0);
    if (send(raw[1], "this is no block at all", 23, 0) != 23) exit(1);
    errno = 0;
    ok(stream_read(c, back, 100) == STREAM_FAILED && errno == EBADMSG, "nonsense is an error");
    char one;
    ok(recv(raw[0], &one, 1, 0) == 0, "and the socket stays readable, so that it is noticed");
    ok(stream_block_damage(b) == NULL && stream_block_damage(c) != NULL, "the sentence says which");
    stream_free(a);
    stream_free(b);
    stream_free(c);
    close(raw[1]);
    free(data);
    free(back);
}

int main(void) {
    const char *given = getenv("DUET_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : clock_boot_ns();
    bool full = getenv("DUET_FULL") && *getenv("DUET_FULL") == '1';
    printf("# seed %llu\n", (unsigned long long)seed);
    prng_seed(&chance, seed);
    any_pieces(full ? 4000 : 200);
    every_bit();
    every_cut();
    orders();
    lengths();
    cost();
    plain_first();
    pending();
    nothing_behind();
    sockets();
    return done();
}
