/* Requests from a pattern: words with numbers in braces, rendered as RESP.
 *
 *   {i}            the request's number, counted from --first over all connections
 *   {r}            a random number below --range
 *   {i*7919%100+5:12}  multiplied, reduced, added to, and padded with zeros to 12 digits
 *
 * A word whose numbers are all padded has a fixed length; a pattern of such words is copied, not
 * formatted. */
#ifndef BENCH_TEMPLATE_H
#define BENCH_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

struct pattern;

/* Compiles `count` words. Exits with a sentence when a brace is malformed. Never freed. */
struct pattern *pattern_make(char **words, int count);

/* Upper bound of one request's bytes. */
size_t pattern_bytes_max(const struct pattern *p);

/* Writes one request, returns the end. `random` is the state of the generator, not 0. */
char *pattern_render(const struct pattern *p, char *out, uint64_t number, uint64_t range,
                     uint64_t *random);

#endif
