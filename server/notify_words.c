/* See notify.h: the classes as letters. */
#include "server/notify.h"

#include "server/base/buf.h"

/* In the order of the normal form. A stands for all of the first group. */
static const struct {
    char letter;
    bool in_all;
    unsigned bit;
} letters[] = {
    {'g', true, NOTIFY_GENERIC},   {'$', true, NOTIFY_STRING},  {'l', true, NOTIFY_LIST},
    {'s', true, NOTIFY_SET},       {'h', true, NOTIFY_HASH},    {'z', true, NOTIFY_ZSET},
    {'x', true, NOTIFY_EXPIRED},   {'e', true, NOTIFY_EVICTED}, {'t', true, NOTIFY_STREAM},
    {'d', true, NOTIFY_MODULE},    {'n', false, NOTIFY_NEW},    {'K', false, NOTIFY_KEYSPACE},
    {'E', false, NOTIFY_KEYEVENT}, {'m', false, NOTIFY_MISS}};
enum { LETTERS = sizeof letters / sizeof letters[0] };

static unsigned all(void) {
    unsigned bits = 0;
    for (int i = 0; i < LETTERS; i++)
        if (letters[i].in_all) bits |= letters[i].bit;
    return bits;
}

bool notify_parse(const char *text, unsigned *classes) {
    *classes = 0;
    for (; *text; text++) {
        int i = 0;
        while (i < LETTERS && letters[i].letter != *text) i++;
        if (i == LETTERS && *text != 'A') return false;
        *classes |= *text == 'A' ? all() : letters[i].bit;
    }
    return true;
}

/* With A, n is not told of: so it is in Redis 7.0. */
void notify_show(unsigned classes, struct buf *out) {
    bool whole = (classes & all()) == all();
    if (whole) buf_add_str(out, "A");
    for (int i = 0; i < LETTERS; i++) {
        if (whole && (letters[i].in_all || letters[i].letter == 'n')) continue;
        if (classes & letters[i].bit) buf_add(out, &letters[i].letter, 1);
    }
}
