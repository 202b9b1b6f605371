/* An element of a big sorted set: its score, then the member's length and bytes, one allocation. The index
 * (table.h) finds it by its member, the tree (tree.h) keeps it in order. Inside server/store only. */
#ifndef DUET_STORE_SCORED_H
#define DUET_STORE_SCORED_H

#include "server/store/table.h"

static inline double scored_score(const void *elem) {
    double score;
    memcpy(&score, elem, sizeof score);
    return score;
}
static inline void scored_set(void *elem, double score) {
    memcpy(elem, &score, sizeof score);
}
static inline struct bytes scored_member(const void *elem) {
    size_t len;
    const unsigned char *p = elem_get_len((const unsigned char *)elem + sizeof(double), &len);
    return (struct bytes){(const char *)p, len};
}
static inline size_t scored_size_of(size_t member_len) {
    return sizeof(double) + elem_len_width(member_len) + member_len;
}

/* Scores as unsigned numbers in the same order; -0 counts as 0. */
static inline uint64_t score_key(double score) {
    uint64_t bits;
    score += 0.0;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* A mark stands between elements: behind those that are less than (score, member), or_equal: or equal. Without a
 * member (p is NULL) it is the scores alone that count. */
struct mark {
    uint64_t key;
    struct bytes member;
    bool or_equal;
};
static inline int member_compare(struct bytes a, struct bytes b) {
    int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}
/* Whether one of that member, whose score is the mark's, stands before the mark. */
static inline bool mark_is_behind_equal(const struct mark *m, struct bytes member) {
    if (!m->member.p) return m->or_equal;
    int order = member_compare(member, m->member);
    return order < 0 || (order == 0 && m->or_equal);
}

#endif
