/* Ranges of sorted sets as words: of scores, of names, of indices; and the ranks that they mean. */
#include <math.h>
#include <stdlib.h>

#include "server/base/decimal.h"
#include "server/cmd/zsets.h"

/* ---- Words ----------------------------------------------------------------------------------- */

bool loose_double(struct bytes b, double *v) {
    if (decimal_parse(b.p, b.len, v)) return true;
    char text[64], *end;
    size_t len = strnlen(b.p, b.len);
    char *copy = len < sizeof text ? text : xmalloc(len + 1);
    memcpy(copy, b.p, len);
    copy[len] = '\0';
    *v = strtod(copy, &end);
    bool number = *end == '\0' && !isnan(*v);
    if (copy != text) free(copy);
    return number;
}

static bool parse_bound(struct bytes b, double *v, bool *excluded) {
    *excluded = b.len && b.p[0] == '(';
    return loose_double((struct bytes){b.p + *excluded, b.len - *excluded}, v);
}

bool arg_score_range(struct call *c, int min, int max, struct score_range *r) {
    if (parse_bound(c->argv[min], &r->min, &r->above_min) &&
        parse_bound(c->argv[max], &r->max, &r->below_max))
        return true;
    reply_error(c, "ERR min or max is not a float");
    return false;
}

static bool parse_name(struct bytes b, struct name_bound *n) {
    if (!b.len) return false;
    char first = b.p[0];
    *n = (struct name_bound){{b.p + 1, b.len - 1}, first != '[', 0};
    if (first == '(' || first == '[') return true;
    n->end = first == '-' ? -1 : 1;
    return (first == '-' || first == '+') && (b.len == 1 || b.p[1] == '\0');
}

bool arg_name_range(struct call *c, int min, int max, struct name_range *r) {
    if (parse_name(c->argv[min], &r->min) && parse_name(c->argv[max], &r->max)) return true;
    reply_error(c, "ERR min or max not valid string range item");
    return false;
}

/* ---- Ranks ----------------------------------------------------------------------------------- */

struct rank_range ranks_by_index(size_t len, int64_t start, int64_t end) {
    int64_t n = (int64_t)len;
    if (start < 0) start += n;
    if (end < 0) end += n;
    if (start < 0) start = 0;
    if (end >= n) end = n - 1;
    if (start > end) return (struct rank_range){0, 0};
    return (struct rank_range){(size_t)start, (size_t)(end - start) + 1};
}

static struct rank_range between(size_t first, size_t end) {
    return (struct rank_range){first, end > first ? end - first : 0};
}

struct rank_range ranks_by_score(const struct entry *e, const struct score_range *r) {
    return between(zset_count_below(e, r->min, r->above_min),
                   zset_count_below(e, r->max, !r->below_max));
}

/* ---- Ranks by name --------------------------------------------------------------------------- */

static int compare_names(struct bytes a, struct bytes b) {
    int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool behind_min(struct bytes name, const struct name_range *r) {
    if (r->min.end) return r->min.end < 0;
    return compare_names(name, r->min.name) >= r->min.excluded;
}

static bool before_max(struct bytes name, const struct name_range *r) {
    if (r->max.end) return r->max.end > 0;
    return compare_names(name, r->max.name) <= -(int)r->max.excluded;
}

static bool is_empty(const struct name_range *r) {
    int order = r->min.end - r->max.end;
    if (!r->min.end && !r->max.end) order = compare_names(r->min.name, r->max.name);
    return order > 0 || (order == 0 && (r->min.excluded || r->max.excluded));
}

/* Whether the range can lie in a sorted set of these ends, were it in the order of names. */
static bool touches(const struct entry *e, const struct name_range *r) {
    struct zset_cursor c;
    struct bytes name;
    double score;
    zset_seek(e, 0, &c);
    if (!zset_next(&c, &name, &score) || !before_max(name, r)) return false;
    zset_seek(e, zset_len(e), &c);
    return zset_prev(&c, &name, &score) && behind_min(name, r);
}

/* One by one, as a listpack is read: from the first name inside the range, without the next `offset`, to the first
 * outside. */
static struct rank_range walk(const struct entry *e, const struct name_range *r, bool from_end,
                              uint64_t offset) {
    struct zset_cursor c;
    struct bytes name;
    double score;
    size_t passed = 0, count = 0, len = zset_len(e);
    bool inside = false;
    zset_seek(e, from_end ? len : 0, &c);
    while (from_end ? zset_prev(&c, &name, &score) : zset_next(&c, &name, &score)) {
        bool entered = from_end ? before_max(name, r) : behind_min(name, r);
        bool left = from_end ? !behind_min(name, r) : !before_max(name, r);
        if (!inside && entered && left) break;
        inside |= entered;
        if (inside && !offset && left) break;
        if (inside && !offset)
            count++;
        else
            passed++;
        if (inside && offset) offset--;
    }
    return (struct rank_range){from_end ? len - passed - count : passed, count};
}

struct rank_range ranks_without(struct rank_range r, bool from_end, int64_t offset) {
    if (offset < 0 || (uint64_t)offset >= r.count) return (struct rank_range){r.first, 0};
    size_t n = (size_t)offset;
    return (struct rank_range){from_end ? r.first : r.first + n, r.count - n};
}

struct rank_range ranks_by_name(const struct entry *e, const struct name_range *r, bool from_end,
                                int64_t offset) {
    if (is_empty(r) || offset < 0) return (struct rank_range){0, 0};
    if (zset_packed(e).p)
        return touches(e, r) ? walk(e, r, from_end, (uint64_t)offset) : (struct rank_range){0, 0};
    size_t len = zset_len(e), first = 0, end = len;
    if (!r->min.end) first = zset_count_before(e, r->min.name, r->min.excluded);
    if (!r->max.end) end = zset_count_before(e, r->max.name, !r->max.excluded);
    return ranks_without(between(first, end), from_end, offset);
}
