/* link: server/config.c server/config_file.c server/config_table.c server/config_value.c server/config_words.c
   server/config_rewrite.c server/notify_words.c server/proto/resp_write.c server/base/glob.c server/base/buf.c
   server/base/decimal.c server/base/conf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* Any bytes as CONFIG SET's names and values (words apart by NULs; the first byte says how many pairs), and as options: a
 * value that is refused changes nothing, one that is taken is shown in words that are taken again and mean the same. */
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/conf.h"
#include "server/base/log.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { WORDS = 16 };

static void show_all(const struct config *c, struct buf *out) {
    buf_clear(out);
    for (size_t i = 0; i < config_row_count; i++) {
        config_show(c, &config_rows[i], out);
        buf_add(out, "\0", 1);
    }
}

static bool same(const struct buf *a, const struct buf *b) {
    return buf_len(a) == buf_len(b) && !memcmp(buf_head(a), buf_head(b), buf_len(a));
}

/* Numbers stand for names, so that rows are met often. */
static struct bytes name_of(struct bytes word) {
    if (word.len != 1) return word;
    const char *name = config_rows[(uint8_t)*word.p % config_row_count].name;
    return (struct bytes){name, strlen(name)};
}

static int split(const char *data, size_t len, struct bytes *words) {
    int n = 0;
    while (len && n < WORDS) {
        size_t word = strnlen(data, len);
        words[n] = (struct bytes){data, word};
        if (n % 2 == 0) words[n] = name_of(words[n]);
        n++;
        size_t taken = word < len ? word + 1 : word;
        data += taken;
        len -= taken;
    }
    return n;
}

/* What is shown can be set, and shows the same. */
static void set_what_is_shown(struct config *c, struct bytes name, struct buf *before,
                              struct buf *after) {
    const struct config_row *row = config_find(name.p, name.len);
    struct buf value = BUF_INIT, reply = BUF_INIT;
    if (!row || row->flags & CONFIG_FIXED) return;
    config_show(c, row, &value);
    struct bytes pair[2] = {name, {buf_len(&value) ? buf_head(&value) : "", buf_len(&value)}};
    show_all(c, before);
    config_set(c, pair, 2, true, &reply);
    show_all(c, after);
    must(same(before, after), "what is shown means what it was shown for");
    buf_free(&value);
    buf_free(&reply);
}

static void as_changes(struct config *c, const char *data, size_t len) {
    struct bytes words[WORDS];
    struct buf before = BUF_INIT, after = BUF_INIT, reply = BUF_INIT;
    int n = split(data, len, words) & ~1;
    show_all(c, &before);
    bool taken = n && config_set(c, words, n, true, &reply);
    show_all(c, &after);
    must(taken || same(&before, &after), "a refused value changes nothing");
    must(!n || (buf_len(&reply) > 2 && *buf_head(&reply) == (taken ? '+' : '-')), "one reply");
    for (int i = 0; taken && i < n; i += 2) set_what_is_shown(c, words[i], &before, &after);
    buf_free(&before);
    buf_free(&after);
    buf_free(&reply);
}

static void as_patterns(const struct config *c, const char *data, size_t len) {
    struct bytes words[WORDS];
    struct buf reply = BUF_INIT;
    int n = split(data, len, words);
    config_get(c, words, n, &reply, 3);
    buf_free(&reply);
}

static void as_options(const char *data, size_t len) {
    struct bytes words[WORDS];
    struct config c;
    struct conf_error err;
    char *argv[WORDS];
    int n = split(data, len, words);
    for (int i = 0; i < n; i++) {
        argv[i] = xmalloc(words[i].len + 3);
        memcpy(argv[i], "--", 2); /* no files, no standard input */
        memcpy(argv[i] + (i % 2 ? 0 : 2), words[i].p, words[i].len);
        argv[i][words[i].len + (i % 2 ? 0 : 2)] = '\0';
        if (i % 2 && !strcmp(argv[i], "-")) *argv[i] = '_';
        if (strstr(argv[i], "include")) *argv[i] = '_';
    }
    if (n) config_load(&c, n, argv, &err);
    if (n) config_free(&c);
    for (int i = 0; i < n; i++) free(argv[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct config c;
    static bool made;
    if (!made) config_presets(&c);
    made = true;
    if (!len) return 0;
    const char *text = (const char *)data + 1;
    switch (*data % 4) {
    case 0: as_patterns(&c, text, len - 1); break;
    case 1: as_options(text, len - 1); break;
    default: as_changes(&c, text, len - 1);
    }
    return 0;
}
