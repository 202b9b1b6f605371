/* link: server/base/tls.c server/base/tls_shake.c server/base/tls_record.c server/base/tls_context.c
 * server/base/tls_verify.c server/base/tls_suites.c server/base/tls_pem.c server/base/tls_cache.c
 * server/base/stream.c server/base/sock.c server/base/buf.c server/base/log.c server/base/clock.c
 * server/base/file.c server/base/hash.c server/base/num.c server/base/rand.c */
/* TLS without a network: certificates and keys from files in every form, lists of suites, two streams
 * over a socketpair that read and write in all sizes, through all suites, and how they end. */
#include "tests/unit/tap.h"
#include "tests/unit/tls_rig.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/rand.h"
#include "server/base/tls_inside.h"

#include <errno.h>
#include <pthread.h>

static char why[1200];

static struct tls *server_of(const char *name, const char *ciphers) {
    struct tls_options o = {.cert_file = rig_path("%s.pem", name),
                            .key_file = rig_path("%s.key", name),
                            .ciphers = ciphers,
                            .caching = true,
                            .cache_size = 100,
                            .cache_time_s = 300};
    return tls_server_new(&o, why, sizeof why);
}

static struct tls *client_of(const char *ca, const char *ciphers) {
    struct tls_options o = {
        .ca_file = ca, .ciphers = ciphers, .verify = ca ? TLS_VERIFY_YES : TLS_VERIFY_NO};
    return tls_client_new(&o, why, sizeof why);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void takes_key(const char *words, const char *what) {
    bool made = rig_shell(words);
    struct tls_options o = {.cert_file = rig_path("t.pem"), .key_file = rig_path("t.key")};
    struct tls *t = made ? tls_server_new(&o, why, sizeof why) : NULL;
    ok(t != NULL, "%s", what);
    if (!t) fprintf(stderr, "# %s\n", made ? why : "openssl failed");
    tls_release(t);
}

static void refuses(const char *words, const char *reason, const char *what) {
    bool made = rig_shell(words);
    struct tls_options o = {.cert_file = rig_path("t.pem"), .key_file = rig_path("t.key")};
    struct tls *t = tls_server_new(&o, why, sizeof why);
    ok(made && !t && strstr(why, reason), "refused: %s", what);
    if (t || !strstr(why, reason)) fprintf(stderr, "# %s\n", t ? "it was taken" : why);
    tls_release(t);
}

#define SELF_SIGNED " && openssl req -x509 -new -key t.key -out t.pem -days 3 -subj /CN=t"

static void test_files(void) {
    takes_key("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out t.key" SELF_SIGNED,
              "an RSA key in PKCS#8");
    takes_key("openssl rsa -in t.key -traditional -out u.key && mv u.key t.key",
              "an RSA key in PKCS#1");
    takes_key("openssl genrsa -traditional -out t.key 4096" SELF_SIGNED, "one of 4096 bits");
    takes_key("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
              "t.key" SELF_SIGNED,
              "a P-256 key in PKCS#8");
    takes_key("openssl ecparam -name prime256v1 -genkey -noout -out t.key" SELF_SIGNED,
              "a P-256 key in SEC1");
    takes_key("openssl ecparam -name prime256v1 -genkey -out t.key" SELF_SIGNED,
              "one with its parameters before it");
    takes_key("openssl ecparam -name secp384r1 -genkey -noout -out t.key" SELF_SIGNED,
              "a P-384 key in SEC1");
    takes_key("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "
              "t.key" SELF_SIGNED,
              "a P-384 key in PKCS#8");
    takes_key("{ echo; echo some words; cat t.pem; cat t.key; } >both && cp both t.pem && mv both "
              "t.key",
              "words before, key and certificate in one file");
    takes_key("openssl x509 -in t.pem -out c.pem && openssl pkey -in t.key -out k.key && sed "
              "'s/$/\\r/' c.pem >t.pem && printf %s \"$(cat k.key)\" >t.key",
              "lines that end in CR LF, a file without a last newline");

    refuses("rm t.key", "No such file", "a file that is not there");
    refuses("true >t.key", "holds no private key", "an empty file");
    refuses("cp t.pem t.key", "holds no private key", "a certificate where a key should be");
    refuses("head -c 5000 /dev/urandom >t.key", "holds no private key", "noise");
    refuses("head -n 3 k.key >t.key", "is damaged", "a key that is cut off");
    refuses("sed '2s/./*/3' k.key >t.key", "is damaged", "a key with a wrong character");
    refuses("sed '2s/^.\\{8\\}/AAAAAAAA/' k.key >t.key", "cannot be used", "a key that is none");
    refuses("openssl pkey -in k.key -aes256 -passout pass:x -out t.key", "is encrypted",
            "an encrypted key in PKCS#8");
    refuses("openssl ec -in k.key -aes256 -passout pass:x -out t.key", "is encrypted",
            "an encrypted key in SEC1");
    refuses("openssl genpkey -algorithm ED25519 -out t.key", "cannot be used", "an Ed25519 key");
    refuses("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out t.key",
            "cannot be used", "a key of a curve that is not there");
    refuses("openssl ecparam -name secp384r1 -genkey -noout -out t.key",
            "not the one that the first certificate", "a key of another certificate");
    refuses("cp rsa.key t.key", "not the one that the first certificate",
            "a key of another certificate and another kind");
    refuses("cp k.key t.key && cp k.key t.pem", "holds no certificate",
            "a key where a certificate should be");
    refuses("head -n 4 c.pem >t.pem", "is damaged", "a certificate that is cut off");
    refuses("sed '3s/^.\\{8\\}/AAAAAAAA/' c.pem >t.pem", "cannot be decoded",
            "a certificate that is none");
    refuses("mkdir t.dir && ln -sfn t.dir t.pem", "cannot be read", "a directory");

    struct tls_anchors a = {0};
    ok(rig_shell("cat ec.pem rsa.pem >cas.pem") &&
           tls_anchors_load(&a, rig_path("cas.pem"), why, sizeof why) && a.count == 2,
       "two authorities in one file");
    ok(!tls_anchors_load(&a, rig_path("k.key"), why, sizeof why) && a.count == 2,
       "none in a file of keys");
    ok(rig_shell("mkdir cas && cp ec.pem cas/a.pem && cp rsa.pem cas/b.crt && cp k.key cas/ && "
                 "head -c 100 /dev/urandom >cas/noise && mkdir cas/more") &&
           tls_anchors_load_dir(&a, rig_path("cas"), why, sizeof why) && a.count == 4,
       "a directory of them, with other things in it");
    ok(!tls_anchors_load_dir(&a, rig_path("t.dir"), why, sizeof why), "not an empty one");
    tls_anchors_free(&a);
}

/* Files that are nearly right: any byte changed, or cut anywhere. */
static void test_damage(void) {
    struct buf good = BUF_INIT;
    struct prng rng;
    uint64_t seed = getenv("DUET_SEED") ? strtoull(getenv("DUET_SEED"), NULL, 0) : 7;
    int taken = 0, count = getenv("DUET_FULL") ? 20000 : 1500;
    struct tls_options o = {.cert_file = rig_path("hurt.pem"), .key_file = rig_path("hurt.pem")};
    printf("# seed %llu\n", (unsigned long long)seed);
    prng_seed(&rng, seed);
    must(rig_shell("cat ec.pem ec.key >whole.pem") &&
             file_read_all(rig_path("whole.pem"), &good, 1 << 20),
         "openssl works");
    for (int i = 0; i < count; i++) {
        struct buf b = BUF_INIT;
        size_t len = buf_len(&good);
        buf_add(&b, buf_head(&good), len);
        if (prng_below(&rng, 2)) len = prng_below(&rng, len) + 1;
        for (uint64_t k = prng_below(&rng, 4); k; k--)
            buf_head(&b)[prng_below(&rng, len)] ^= (char)(1 << prng_below(&rng, 8));
        FILE *hurt = fopen(rig_path("hurt.pem"), "w");
        must(hurt && fwrite(buf_head(&b), 1, len, hurt) == len && !fclose(hurt), "it is written");
        struct tls *t = tls_server_new(&o, why, sizeof why);
        taken += t != NULL;
        must(t || strlen(why) > 10, "a refusal is a sentence");
        tls_release(t);
        buf_free(&b);
    }
    ok(taken < count, "%d damaged files, %d of them harmless", count, taken);
    buf_free(&good);
}

/* ---- suites ---------------------------------------------------------------------------------- */

static int choose(const char *words, int key_type) {
    uint16_t out[TLS_SUITES_MAX];
    size_t count = 0;
    return tls_suites_choose(words, key_type, out, &count, why, sizeof why) ? (int)count : -1;
}

static void test_suites(void) {
    uint16_t out[TLS_SUITES_MAX];
    size_t count;
    is_int(choose("", 0), 6, "nothing said: the six that are good");
    is_int(choose("DEFAULT", BR_KEYTYPE_EC), 3, "three of them for a key");
    is_int(choose("ALL", 0), 28, "all");
    is_int(choose("ALL", BR_KEYTYPE_RSA), 17, "all for an RSA key");
    is_int(choose("ECDHE+AESGCM", 0), 4, "kinds joined by +");
    is_int(choose("ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!MD5", 0), 6, "as configurations have it");
    is_int(choose("HIGH:!kRSA:-SHA1", 0), 14, "some taken out");
    is_int(choose("!AESGCM:DEFAULT", 0), 2, "what is taken out for good does not come back");
    is_int(choose("-AESGCM:DEFAULT:@STRENGTH", 0), 6, "what is taken out may");
    is_int(choose("DEFAULT:NOSUCH", 0), -1, "a word that means nothing");
    ok(strstr(why, "NOSUCH") && strstr(why, "ECDHE-RSA-AES128-GCM-SHA256"),
       "the sentence names it, and what there is");
    is_int(choose("ECDHE-ECDSA-AES128-GCM-SHA256", BR_KEYTYPE_RSA), -1, "nothing for this key");
    is_int(choose("DEFAULT:!ALL", 0), -1, "nothing at all");
    ok(tls_suites_choose("aes128-sha ECDHE-RSA-AES256-GCM-SHA384", 0, out, &count, why,
                         sizeof why) &&
           count == 2 && out[0] == 0x002F && out[1] == 0xC030,
       "the order is the list's, case does not matter");
}

/* ---- streams --------------------------------------------------------------------------------- */

struct duo {
    struct stream *server, *client;
};

static bool duo_open(struct duo *d, struct tls *s, struct tls *c, const char *name, int buffer) {
    int fd[2];
    must(rig_pair(fd, buffer), "sockets are there");
    d->server = stream_tls_server(s, fd[0]);
    d->client = stream_tls_client(c, fd[1], name);
    return rig_shake(d->client, d->server);
}

static void duo_close(struct duo *d) {
    stream_free(d->client);
    stream_free(d->server);
}

static char pattern(uint64_t at) {
    return (char)(at * 31 ^ at >> 8 ^ at >> 16);
}

struct flow {
    struct stream *from, *to;
    uint64_t sent, got;
    size_t offer; /* the last write was offered so much: what follows offers no less */
};

/* Some bytes in, some bytes out, of random sizes. False: what came is wrong. */
static bool flow_step(struct flow *f, uint64_t total, size_t most, struct prng *rng) {
    static __thread char out[300000], in[300000];
    size_t n = prng_below(rng, most) + 1;
    if (n < f->offer) n = f->offer;
    if (n > total - f->sent) n = (size_t)(total - f->sent);
    for (size_t i = 0; i < n; i++) out[i] = pattern(f->sent + i);
    size_t cut = n ? prng_below(rng, n) : 0;
    struct iovec iov[3] = {{out, cut}, {out + cut, 0}, {out + cut, n - cut}};
    if (n) {
        long done = stream_writev(f->from, iov, 3);
        if (done < 0 && done != STREAM_AGAIN) return false;
        f->offer = done == (long)n ? 0 : n - (size_t)(done > 0 ? done : 0);
        if (done > 0) f->sent += (uint64_t)done;
    }
    size_t room = prng_below(rng, most) + 1;
    long got = stream_read(f->to, in, room);
    if (got < 0) return got == STREAM_AGAIN && !stream_pending(f->to);
    if (room >= STREAM_ROOM_BYTES && stream_pending(f->to)) return false;
    for (long i = 0; i < got; i++) {
        if (in[i] != pattern(f->got++)) return false;
    }
    return true;
}

static bool carry(struct duo *d, uint64_t total, size_t most, struct prng *rng) {
    struct flow up = {.from = d->client, .to = d->server},
                down = {.from = d->server, .to = d->client};
    for (int i = 0; i < 10000000 && (up.got < total || down.got < total); i++) {
        if (!flow_step(&up, total, most, rng) || !flow_step(&down, total, most, rng)) return false;
    }
    return up.got == total && down.got == total;
}

static void test_every_suite(void) {
    char names[1200];
    struct prng rng;
    prng_seed(&rng, 1);
    tls_suite_names(names, sizeof names);
    for (char *at = names, *name; (name = strsep(&at, " "));) {
        bool ec = strstr(name, "ECDSA") != NULL;
        struct tls *s = server_of(ec ? "ec" : "rsa", name), *c = client_of(NULL, name);
        struct duo d;
        bool open = s && c && duo_open(&d, s, c, NULL, 0);
        bool right = open && !strcmp(stream_cipher(d.server), name) &&
                     !strcmp(stream_cipher(d.client), name) && carry(&d, 300000, 70000, &rng);
        size_t memory = open ? stream_memory(d.server) : 0;
        ok(right && memory && memory < 1400, "%s: %zu bytes a connection", name, memory);
        if (s && c) duo_close(&d);
        tls_release(s);
        tls_release(c);
    }
}

static void test_sizes(struct tls *s, struct tls *c) {
    static const struct {
        size_t most;
        int buffer;
        uint64_t total;
    } cases[] = {{1, 0, 3000},         {20, 0, 20000},          {1000, 2000, 300000},
                 {20000, 0, 3000000},  {20000, 5000, 3000000},  {290000, 0, 20000000},
                 {290000, 1, 2000000}, {16384, 100000, 3000000}};
    struct prng rng;
    prng_seed(&rng, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct duo d;
        bool right = duo_open(&d, s, c, NULL, cases[i].buffer) &&
                     carry(&d, cases[i].total, cases[i].most, &rng);
        ok(right, "%llu bytes both ways in pieces up to %zu, socket buffers of %d (0: as they are)",
           (unsigned long long)cases[i].total, cases[i].most, cases[i].buffer);
        if (right)
            ok(stream_memory(d.server) < 1400 && stream_memory(d.client) < 1400,
               "and no buffer stays with the connection");
        duo_close(&d);
    }
}

static long read_all(struct stream *s) {
    char p[20000];
    long n;
    while ((n = stream_read(s, p, sizeof p)) > 0) continue;
    return n;
}

static void test_endings(struct tls *s, struct tls *c) {
    struct duo d;
    char p[100];
    ok(duo_open(&d, s, c, NULL, 0), "a handshake");
    is_int(stream_read(d.server, p, sizeof p), STREAM_AGAIN, "nothing to read yet");
    is_int(stream_write(d.client, "last", 4), 4, "last words");
    stream_free(d.client);
    is_int(stream_read(d.server, p, sizeof p), 4, "are read");
    is_int(stream_read(d.server, p, sizeof p), STREAM_CLOSED, "and then the end");
    is_int(stream_write(d.server, "x", 1), STREAM_FAILED, "nothing is written after it");
    stream_free(d.server);

    ok(duo_open(&d, s, c, NULL, 0), "a handshake");
    shutdown(stream_fd(d.client), SHUT_RDWR);
    is_int(read_all(d.server), STREAM_CLOSED, "an end without a farewell is an end");
    duo_close(&d);

    ok(duo_open(&d, s, c, NULL, 0), "a handshake");
    unsigned char bad[40] = {23, 3, 3, 0, 35};
    is_int(send(stream_fd(d.client), bad, 40, 0), 40, "a record that nobody sealed");
    is_int(read_all(d.server), STREAM_FAILED, "ends it");
    is_int(errno, EPROTO, "as an error of the protocol");
    is_int(stream_event(d.server, LOOP_WRITE), LOOP_READ, "which the next event tells");
    is_int(read_all(d.client), STREAM_FAILED, "the other end hears of it");
    duo_close(&d);

    ok(duo_open(&d, s, c, NULL, 0), "a handshake");
    unsigned char big[5] = {23, 3, 3, 0x7f, 0xff};
    is_int(send(stream_fd(d.client), big, 5, 0), 5, "a record that is too long");
    is_int(read_all(d.server), STREAM_FAILED, "ends it too");
    duo_close(&d);

    int fd[2];
    must(rig_pair(fd, 0), "sockets are there");
    struct stream *alone = stream_tls_server(s, fd[0]);
    is_int(stream_watch(alone, LOOP_WRITE), LOOP_READ, "a handshake listens, whatever is wanted");
    is_int(stream_event(alone, LOOP_READ), 0, "nothing came");
    is_int(stream_read(alone, p, sizeof p), STREAM_AGAIN, "there is nothing to read");
    is_int(stream_write(alone, p, sizeof p), STREAM_AGAIN, "nor can anything be written");
    struct tls_counts before, after;
    tls_counts(&before);
    tls_expire_handshakes(3600 * NS_PER_S);
    is_int(stream_event(alone, LOOP_READ), 0, "it has time");
    tls_expire_handshakes(0);
    is_int(stream_event(alone, LOOP_READ), LOOP_READ, "until it is over");
    is_int(read_all(alone), STREAM_FAILED, "then it failed");
    tls_counts(&after);
    ok(before.under_way == 1 && after.under_way == 0 && after.failed == before.failed + 1,
       "and is counted");
    stream_free(alone);
    close(fd[1]);

    must(rig_pair(fd, 0), "sockets are there");
    alone = stream_tls_server(s, fd[0]);
    is_int(send(fd[1], "*1\r\n$4\r\nPING\r\n", 14, 0), 14, "a plain request");
    is_int(stream_event(alone, LOOP_READ), LOOP_READ, "is trouble");
    is_int(read_all(alone), STREAM_FAILED, "and the end");
    stream_free(alone);
    ok(recv(fd[1], p, sizeof p, 0) <= 0, "without an answer");
    close(fd[1]);
}

static void test_trust(struct tls *s) {
    static const struct {
        const char *ca, *name;
        bool good;
        const char *what;
    } cases[] = {{"ec.pem", "localhost", true, "a client believes its authority"},
                 {"ec.pem", NULL, true, "and any name when it asks for none"},
                 {"ec.pem", "elsewhere", false, "but no other name"},
                 {"rsa.pem", "localhost", false, "nor another authority"},
                 {NULL, "elsewhere", true, "and everything when it does not verify"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls *c = client_of(cases[i].ca ? rig_path("%s", cases[i].ca) : NULL, NULL);
        struct duo d;
        ok(c && duo_open(&d, s, c, cases[i].name, 0) == cases[i].good, "%s", cases[i].what);
        if (c) duo_close(&d);
        tls_release(c);
    }
    struct tls_options o = {.cert_file = rig_path("ec.pem"),
                            .key_file = rig_path("ec.key"),
                            .ca_file = rig_path("rsa.pem"),
                            .verify = TLS_VERIFY_YES};
    struct tls *strict = tls_server_new(&o, why, sizeof why), *c;
    struct duo d;
    for (int i = 0; i < 3; i++) {
        struct tls_options mine = {.cert_file = i ? rig_path("%s.pem", i == 1 ? "rsa" : "ec") : "",
                                   .key_file = i ? rig_path("%s.key", i == 1 ? "rsa" : "ec") : ""};
        c = tls_client_new(&mine, why, sizeof why);
        ok(strict && c && duo_open(&d, strict, c, NULL, 0) == (i == 1), "a server that asks %s",
           i == 0   ? "refuses a client without a certificate"
           : i == 1 ? "takes one that it trusts"
                    : "refuses another");
        if (strict && c) duo_close(&d);
        tls_release(c);
    }
    tls_release(strict);
}

/* A context that is replaced lives as long as a handshake needs it, and no longer. */
static void test_lifetime(void) {
    struct tls *s = server_of("ec", NULL), *c = client_of(NULL, NULL);
    int fd[2];
    must(s && c && rig_pair(fd, 0), "all is there");
    struct duo d = {stream_tls_server(s, fd[0]), stream_tls_client(c, fd[1], NULL)};
    tls_release(s);
    tls_release(c);
    struct prng rng;
    prng_seed(&rng, 3);
    ok(rig_shake(d.client, d.server) && carry(&d, 100000, 1000, &rng),
       "a handshake goes on with the context that it began with");
    duo_close(&d);
}

enum { THREADS = 4, SHAKES = 12 };

static void *shakes_on_a_thread(void *arg) {
    struct tls **both = arg;
    intptr_t good = 0;
    struct prng rng;
    prng_seed(&rng, 4);
    for (int i = 0; i < SHAKES; i++) {
        struct duo d;
        good += duo_open(&d, both[0], both[1], NULL, 0) && carry(&d, 50000, 1000, &rng);
        duo_close(&d);
    }
    return (void *)good;
}

static void test_threads(struct tls *s, struct tls *c) {
    struct tls *both[2] = {s, c};
    pthread_t threads[THREADS];
    intptr_t good = 0;
    for (int i = 0; i < THREADS; i++)
        must(!pthread_create(&threads[i], NULL, shakes_on_a_thread, both), "a thread");
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good += (intptr_t)result;
    }
    is_int(good, THREADS * SHAKES, "connections on four threads share a context");
    struct tls_counts counts;
    tls_counts(&counts);
    is_int((int64_t)counts.under_way, 0, "no handshake is left");
}

int main(void) {
    uint64_t key[2] = {1, 2};
    hash_set_key(key);
    if (!ok(rig_open(), "openssl made keys and certificates")) return done();
    test_files();
    test_damage();
    test_suites();
    test_every_suite();
    struct tls *s = server_of("ec", "ALL"), *c = client_of(NULL, NULL);
    must(s && c, "contexts");
    test_sizes(s, c);
    test_endings(s, c);
    test_trust(s);
    test_lifetime();
    test_threads(s, c);
    tls_release(s);
    tls_release(c);
    rig_close();
    return done();
}
