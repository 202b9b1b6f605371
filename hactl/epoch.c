#include "hactl/epoch.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/state_layout.h"

#define EPOCH_MAGIC   "DUETHAR1"
#define EPOCH_VERSION 1

/* One copy as it stands on disk; numbers are big-endian. The rest of its block is zero. */
struct copy {
    char magic[8];
    uint32_t version;
    uint16_t pair;
    uint8_t node;
    uint8_t was_master;
    uint64_t sequence;
    uint64_t seen;
    uint64_t epoch;
    uint8_t peer_outdated;
    uint8_t outdated;
    uint8_t maintenance;
    uint8_t bench; /* bit 0: benched, bit 1: locked, bits 2 to 7: failures */
    uint32_t crc;  /* over all that stands before it */
};
_Static_assert(sizeof(struct copy) == 48, "the record's copy has no holes");

void epoch_encode(const struct ha_record *r, uint64_t sequence, uint16_t pair, uint8_t node,
                  uint8_t *block) {
    struct copy c = {
        .version = htobe32(EPOCH_VERSION),
        .pair = htobe16(pair),
        .node = node,
        .was_master = r->was_master,
        .sequence = htobe64(sequence),
        .seen = htobe64(r->seen),
        .epoch = htobe64(r->epoch),
        .peer_outdated = r->peer_outdated,
        .outdated = r->outdated,
        .maintenance = r->maintenance,
        .bench = (uint8_t)(r->benched | r->locked << 1 | r->failures << 2),
    };
    memcpy(c.magic, EPOCH_MAGIC, sizeof c.magic);
    c.crc = htobe32(crc32c(0, &c, offsetof(struct copy, crc)));
    memset(block, 0, STATE_BLOCK_BYTES);
    memcpy(block, &c, sizeof c);
}

static bool blank(const uint8_t *block) {
    for (size_t i = 0; i < STATE_BLOCK_BYTES; i++)
        if (block[i]) return false;
    return true;
}

enum epoch_found epoch_decode(const uint8_t *block, uint16_t pair, uint8_t node,
                              struct ha_record *out, uint64_t *sequence) {
    struct copy c;
    memset(out, 0, sizeof *out);
    *sequence = 0;
    if (blank(block)) return EPOCH_NONE;
    memcpy(&c, block, sizeof c);
    if (memcmp(c.magic, EPOCH_MAGIC, sizeof c.magic) != 0 || be32toh(c.version) != EPOCH_VERSION)
        return EPOCH_DAMAGED;
    if (be32toh(c.crc) != crc32c(0, &c, offsetof(struct copy, crc))) return EPOCH_DAMAGED;
    if (c.was_master > 1 || c.peer_outdated > 1 || c.outdated > 1 || c.maintenance > 1)
        return EPOCH_DAMAGED;
    *sequence = be64toh(c.sequence);
    if (be16toh(c.pair) != pair || c.node != node) return EPOCH_OTHER;
    out->seen = be64toh(c.seen);
    out->epoch = be64toh(c.epoch);
    out->was_master = c.was_master;
    out->peer_outdated = c.peer_outdated;
    out->outdated = c.outdated;
    out->maintenance = c.maintenance;
    out->benched = c.bench & 1;
    out->locked = c.bench >> 1 & 1;
    out->failures = c.bench >> 2;
    return EPOCH_RECORD;
}

/* ---- the store ---- */

struct job {
    struct job *next;
    uint32_t id;
    bool ok;
    struct ha_record record;
};

struct job_list {
    struct job *first, **end;
};

struct epoch_store {
    int fd;
    uint16_t pair;
    uint8_t node;
    struct loop_wake *wake;
    epoch_saved_fn *saved;
    void *arg;
    pthread_t thread;
    /* the thread's own after the start */
    uint64_t sequence;
    int older; /* which copy is written first: 0 or 1 */
    uint8_t *block;
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job_list todo, done;
    uint64_t busy_since_ns;
    bool stop;
};

static const off_t copy_at[2] = {STATE_RECORD_A, STATE_RECORD_B};

static void list_add(struct job_list *list, struct job *j) {
    j->next = NULL;
    *list->end = j;
    list->end = &j->next;
}

static struct job *list_take(struct job_list *list) {
    struct job *j = list->first;
    if (!j) return NULL;
    list->first = j->next;
    if (!list->first) list->end = &list->first;
    return j;
}

/* O_DSYNC makes it durable; nothing else of the file needs to be. */
static bool write_copy(struct epoch_store *s, int which) {
    if (file_pwrite_all(s->fd, s->block, STATE_BLOCK_BYTES, copy_at[which])) return true;
    log_error(
        "the record's copy %d in the state partition could not be written: %s; check the disk",
        which + 1, strerror(errno));
    return false;
}

static void is_done(struct epoch_store *s, struct job *j, bool ok) {
    pthread_mutex_lock(&s->lock);
    j->ok = ok;
    list_add(&s->done, j);
    pthread_mutex_unlock(&s->lock);
    loop_wake(s->wake);
}

/* Both copies. One that stands is a record that will be read, whatever becomes of the other: so the answer does not wait
 * for the second one, unless the first one failed. */
static void write_record(struct epoch_store *s, struct job *j) {
    epoch_encode(&j->record, ++s->sequence, s->pair, s->node, s->block);
    bool first = write_copy(s, s->older);
    if (first) is_done(s, j, true);
    bool second = write_copy(s, !s->older);
    if (!first) is_done(s, j, second);
}

static void *writer(void *arg) {
    struct epoch_store *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct job *j = list_take(&s->todo);
        if (!j && s->stop) break;
        if (!j) {
            pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        s->busy_since_ns = clock_boot_ns();
        pthread_mutex_unlock(&s->lock);
        write_record(s, j);
        pthread_mutex_lock(&s->lock);
        s->busy_since_ns = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void on_wake(struct loop *l, void *arg) {
    struct epoch_store *s = arg;
    (void)l;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct job *j = list_take(&s->done);
        pthread_mutex_unlock(&s->lock);
        if (!j) return;
        s->saved(s->arg, j->id, j->ok);
        free(j);
    }
}

/* O_DIRECT so that no page cache lies between us and the disk; not every file system has it. */
static int open_state(const char *path, bool make) {
    int flags = O_RDWR | O_DSYNC | O_CLOEXEC | (make ? O_CREAT : 0);
    int fd = open(path, flags | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) fd = open(path, flags, 0600);
    if (fd < 0) return -1;
    struct stat st;
    if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size >= STATE_SIZE_BYTES)) return fd;
    if (make && ftruncate(fd, STATE_SIZE_BYTES) == 0) return fd;
    int saved = make ? errno : EINVAL;
    close(fd);
    errno = saved;
    return -1;
}

/* The better of the two copies; leaves sequence and older for the next write. */
static enum epoch_found read_record(struct epoch_store *s, struct ha_record *out) {
    struct ha_record copy[2];
    enum epoch_found found[2];
    uint64_t sequence[2];
    for (int i = 0; i < 2; i++) {
        found[i] = EPOCH_DAMAGED;
        sequence[i] = 0;
        memset(&copy[i], 0, sizeof copy[i]);
        if (file_pread_all(s->fd, s->block, STATE_BLOCK_BYTES, copy_at[i]))
            found[i] = epoch_decode(s->block, s->pair, s->node, &copy[i], &sequence[i]);
    }
    int best = sequence[1] > sequence[0];
    s->sequence = sequence[best];
    s->older = !best;
    *out = copy[best];
    if (sequence[best]) return found[best];
    return found[0] == EPOCH_NONE && found[1] == EPOCH_NONE ? EPOCH_NONE : EPOCH_DAMAGED;
}

static bool start_thread(struct epoch_store *s) {
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&s->thread, &attr, writer, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    errno = failed;
    return !failed;
}

static void store_free(struct epoch_store *s) {
    loop_wake_free(s->wake);
    if (s->fd >= 0) close(s->fd);
    free(s->block);
    free(s);
}

struct epoch_store *epoch_open(struct loop *l, const char *path, bool make, uint16_t pair,
                               uint8_t node, struct ha_record *out, enum epoch_found *found,
                               epoch_saved_fn *saved, void *arg, struct epoch_error *err) {
    struct epoch_store *s = xcalloc(1, sizeof *s);
    void *block = NULL;
    s->pair = pair;
    s->node = node;
    s->saved = saved;
    s->arg = arg;
    s->todo.end = &s->todo.first;
    s->done.end = &s->done.first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    must(posix_memalign(&block, STATE_BLOCK_BYTES, STATE_BLOCK_BYTES) == 0,
         "there is memory for one block");
    s->block = block;
    s->fd = open_state(path, make);
    if (s->fd < 0) {
        snprintf(err->text, sizeof err->text,
                 "%s: the state partition cannot be opened: %s; it must be a device or a file of "
                 "%d bytes",
                 path, strerror(errno), STATE_SIZE_BYTES);
        store_free(s);
        return NULL;
    }
    *found = read_record(s, out);
    s->wake = loop_wake_new(l, on_wake, s);
    if (!start_thread(s)) {
        snprintf(err->text, sizeof err->text, "the thread that writes the record cannot start: %s",
                 strerror(errno));
        store_free(s);
        return NULL;
    }
    return s;
}

void epoch_save(struct epoch_store *s, uint32_t id, const struct ha_record *r) {
    struct job *j = xcalloc(1, sizeof *j);
    j->id = id;
    j->record = *r;
    pthread_mutex_lock(&s->lock);
    list_add(&s->todo, j);
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

uint64_t epoch_busy_ns(struct epoch_store *s) {
    pthread_mutex_lock(&s->lock);
    uint64_t since = s->busy_since_ns;
    pthread_mutex_unlock(&s->lock);
    uint64_t now = clock_boot_ns();
    return since && now > since ? now - since : 0;
}

void epoch_close(struct epoch_store *s) {
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    bool hangs = s->busy_since_ns && clock_boot_ns() - s->busy_since_ns > NS_PER_S;
    s->stop = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (hangs) return;
    pthread_join(s->thread, NULL);
    for (struct job *j; (j = list_take(&s->done));) free(j);
    store_free(s);
}
