/* link: server/proto/hll.c server/proto/hll_wide.c server/base/rand.c server/base/log.c server/base/clock.c server/base/buf.c server/base/num.c */
/* HyperLogLogs: known bytes, the wide and the plain way of registers, estimates, damage. (That the bytes are Redis's is compared in
 * tests/compat over generated commands.) */
#include "server/proto/hll.h"

#include "tests/unit/tap.h"

#include "server/base/rand.h"
#include "server/proto/hll_wide.h"

static struct bytes bytes_at(const uint8_t *p, size_t n) {
    return (struct bytes){(const char *)p, n};
}

static void test_rank(void) {
    unsigned reg, rank = hll_rank(BYTES("hello"), &reg);
    is_int(rank, 1, "the rank of \"hello\"");
    is_int(reg, 9216, "and its register");
}

static void test_sparse(void) {
    static const uint8_t one[] = {0x7f, 0xff}, two[] = {0x40, 0x63, 0x88, 0x7f, 0x9a};
    uint8_t hll[64];
    size_t len = HLL_EMPTY_BYTES;
    hll_init(hll);
    is_mem(hll + HLL_HEADER_BYTES, len - HLL_HEADER_BYTES, one, sizeof one, "an empty one");
    is_int(hll_sparse_raise(hll, &len, 100, 3, 3000, NULL), HLL_RAISED, "a register is raised");
    is_mem(hll + HLL_HEADER_BYTES, len - HLL_HEADER_BYTES, two, sizeof two,
           "it stands between two runs of zeros");
    is_int(hll_sparse_raise(hll, &len, 100, 2, 3000, NULL), HLL_SAME, "it is not lowered");
    is_int(hll_sparse_raise(hll, &len, 200, 33, 3000, NULL), HLL_TOO_BIG,
           "more than 32 does not fit");
    is_int(hll_sparse_raise(hll, &len, 9000, 1, len, NULL), HLL_TOO_BIG,
           "nor does more than the limit");
    hll_sparse_raise(hll, &len, 101, 3, 3000, NULL);
    is_int((int)len, HLL_HEADER_BYTES + 5, "equal neighbours are one run");
    hll[HLL_HEADER_BYTES + 4] = 0;
    uint64_t estimate;
    ok(!hll_count(bytes_at(hll, len), &estimate), "registers that are too few are damage");
    is_int(hll_sparse_raise(hll, &len, 16383, 1, 3000, NULL), HLL_DAMAGED, "and are found missing");
}

/* Registers by chance, dense, through every function; way: of the wide ones. */
static void test_dense(const char *way) {
    static uint8_t registers[HLL_REGISTERS], other[HLL_REGISTERS], max[HLL_REGISTERS];
    uint8_t *hll = malloc(HLL_DENSE_BYTES); /* for the sanitizer: nothing behind it is touched */
    unsigned wrong = 0, histogram[64], counted[64] = {0};
    struct prng r;
    prng_seed(&r, 7);
    hll_init(hll);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        registers[i] = (uint8_t)(prng_u64(&r) & 63);
        other[i] = max[i] = (uint8_t)(prng_u64(&r) & 63);
        counted[registers[i]]++;
    }
    hll_pack(hll, registers);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) wrong += hll_dense_get(hll, i) != registers[i];
    ok(!wrong, "%s: what is packed is read one by one", way);
    hll_merge(max, bytes_at(hll, HLL_DENSE_BYTES));
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        wrong += max[i] != (registers[i] > other[i] ? registers[i] : other[i]);
    ok(!wrong, "%s: merging takes the higher ones", way);
    hll_wide_histogram(histogram, registers);
    ok(!memcmp(histogram, counted, sizeof counted), "%s: the histogram is that of counting", way);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) hll_dense_set(hll, i, other[i]);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) wrong += hll_dense_get(hll, i) != other[i];
    ok(!wrong, "%s: what is set one by one is read", way);
    free(hll);
}

static void test_estimates(void) {
    static uint8_t registers[HLL_REGISTERS];
    unsigned reg, rank, wrong = 0;
    for (uint64_t n = 1, next = 10; n <= 1000000; n++) {
        rank = hll_rank(bytes_at((const uint8_t *)&n, sizeof n), &reg);
        if (rank > registers[reg]) registers[reg] = (uint8_t)rank;
        if (n != next) continue;
        double estimate = (double)hll_count_registers(registers), error = estimate / (double)n - 1;
        wrong += error > 0.04 || error < -0.04;
        next *= 10;
    }
    is_int(wrong, 0, "estimates of 10 to a million are within five standard errors");
}

int main(void) {
    test_rank();
    test_sparse();
    test_dense("wide");
    test_estimates();
    hll_wide_plain();
    test_dense("plain");
    return done();
}
