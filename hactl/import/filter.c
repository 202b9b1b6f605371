#include "hactl/import/filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/glob.h"
#include "server/base/num.h"

void filter_init(struct filter *f) {
    memset(f, 0, sizeof *f);
    f->only_db = -1;
}

__attribute__((format(printf, 3, 4))) static bool says(char *why, size_t why_size, const char *text,
                                                       ...) {
    va_list ap;
    va_start(ap, text);
    vsnprintf(why, why_size, text, ap);
    va_end(ap);
    return false;
}

bool filter_add_rename(struct filter *f, const char *word, char *why, size_t why_size) {
    const char *sign = strchr(word, '=');
    int64_t from, to;
    if (!sign || !num_parse_i64(word, (size_t)(sign - word), &from) ||
        !num_parse_i64(sign + 1, strlen(sign + 1), &to) || from < 0 || to < 0 ||
        from > FILTER_DB_MAX || to > FILTER_DB_MAX)
        return says(why, why_size, "--rename-db is FROM=TO, two database numbers, not '%s'", word);
    if (f->renames == FILTER_RENAMES)
        return says(why, why_size, "too many of --rename-db: '%s'", word);
    for (int i = 0; i < f->renames; i++)
        if (f->rename[i].from == (int)from)
            return says(why, why_size, "--rename-db '%s': that database has a new number already",
                        word);
    f->rename[f->renames++] = (struct filter_rename){(int)from, (int)to};
    return true;
}

bool filter_is_plain(const struct filter *f) {
    return f->only_db < 0 && !f->renames && !f->patterns;
}

static int new_number(const struct filter *f, int db) {
    for (int i = 0; i < f->renames; i++)
        if (f->rename[i].from == db) return f->rename[i].to;
    return db;
}

int filter_db(const struct filter *f, int db) {
    return f->only_db >= 0 && db != f->only_db ? -1 : new_number(f, db);
}

bool filter_joins(const struct filter *f, int to) {
    int sources = new_number(f, to) == to;
    for (int i = 0; i < f->renames; i++)
        sources += f->rename[i].to == to && f->rename[i].from != to;
    return f->only_db < 0 && sources > 1;
}

bool filter_name(const struct filter *f, struct bytes key) {
    for (int i = 0; i < f->patterns; i++)
        if (glob_match(f->pattern[i], key, false)) return true;
    return !f->patterns;
}

int filter_key(const struct filter *f, int db, struct bytes key) {
    int to = filter_db(f, db);
    return to >= 0 && filter_name(f, key) ? to : -1;
}
