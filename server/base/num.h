/* Numbers to and from text, strict as Redis is: no spaces, no leading '+' or zeros, no overflow. */
#ifndef DUET_BASE_NUM_H
#define DUET_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUM_I64_CHARS 21 /* sign, 19 digits, NUL */

/* The whole of s must be one canonical decimal integer ("-0", "01", "+1" are not). */
bool num_parse_i64(const char *s, size_t len, int64_t *out);
bool num_parse_u64(const char *s, size_t len, uint64_t *out);
/* An integer in [min, max] from a NUL-terminated word. */
bool num_parse_range(const char *s, int64_t min, int64_t max, int64_t *out);
/* Writes the digits without a NUL; returns their count (at most 20). */
size_t num_format_i64(char *out, int64_t v);
size_t num_format_u64(char *out, uint64_t v);
size_t num_digits_u64(uint64_t v);
/* "64", "1k" (1000), "1kb" (1024), "1m", "1mb", "1g", "1gb", any case; bytes. */
bool num_parse_bytes(const char *s, uint64_t *bytes);
/* "500ms", "10s", "5m", "2h", a bare number is in unit_ms. */
bool num_parse_duration_ms(const char *s, int64_t unit_ms, int64_t *ms);
/* "1.50G", "312.00K", "17B": for people. out holds at least 16 bytes. */
void num_format_bytes_human(char *out, size_t out_size, uint64_t bytes);
/* Lower-case hexadecimal; out holds 2 * n + 1 bytes. */
void num_to_hex(char *out, const void *bytes, size_t n);
/* Exactly 2 * n hexadecimal digits. */
bool num_from_hex(const char *hex, size_t hex_len, void *bytes, size_t n);

#endif
