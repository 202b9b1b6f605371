#include "server/proto/append_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/conf.h"
#include "server/base/num.h"

static bool bad(struct append_dir *d, int line, const char *what) {
    snprintf(d->error, sizeof d->error, "line %d of the manifest %s", line, what);
    return false;
}

static bool is_plain_name(const char *name) {
    return *name && !strchr(name, '/') && strcmp(name, "..") != 0 && strcmp(name, ".") != 0;
}

/* file NAME seq N type b|i|h */
static bool take_line(struct append_dir *d, int line, int n, char **words) {
    const char *name = NULL, *type = NULL;
    uint64_t seq = 0;
    for (int i = 0; i + 1 < n; i += 2) {
        if (strcmp(words[i], "file") == 0) name = words[i + 1];
        if (strcmp(words[i], "type") == 0) type = words[i + 1];
        if (strcmp(words[i], "seq") == 0 &&
            !num_parse_u64(words[i + 1], strlen(words[i + 1]), &seq))
            return bad(d, line, "has a number that is none");
    }
    if (!name || !type || !seq || n % 2) return bad(d, line, "names no file with seq and type");
    if (!is_plain_name(name)) return bad(d, line, "names a file outside of the directory");
    if (strcmp(type, "h") == 0) return true;
    bool base = strcmp(type, "b") == 0;
    if (!base && strcmp(type, "i") != 0) return bad(d, line, "has a type that is not known");
    if (base && d->count) return bad(d, line, "has a base that does not come first");
    if (d->count && !d->files[d->count - 1].base && seq <= d->files[d->count - 1].seq)
        return bad(d, line, "is out of order");
    if (d->count == APPEND_FILES) return bad(d, line, "is one too many");
    d->files = xrealloc(d->files, (d->count + 1) * sizeof *d->files);
    d->files[d->count++] = (struct append_file){xstrdup(name), seq, base};
    return true;
}

bool append_dir_read(struct append_dir *d, const char *text, size_t len) {
    const char *end = text + len;
    int line = 0;
    bool well = true;
    memset(d, 0, sizeof *d);
    for (const char *p = text; p < end && well;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        char **words;
        size_t *lens;
        line++;
        int n = *p == '#' ? 0 : conf_split(p, (size_t)(stop - p), &words, &lens);
        if (n < 0) well = bad(d, line, "has quotes without an end");
        if (n > 0) well = take_line(d, line, n, words);
        if (n >= 0 && *p != '#') conf_words_free(words, lens, n);
        p = nl ? nl + 1 : end;
    }
    if (well && !d->count) well = bad(d, line, "is its last, and it names no file");
    return well;
}

void append_dir_free(struct append_dir *d) {
    for (size_t i = 0; i < d->count; i++) free(d->files[i].name);
    free(d->files);
    memset(d, 0, sizeof *d);
}
