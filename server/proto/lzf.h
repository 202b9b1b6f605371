/* The LZF compression that RDB files use: runs of literals (first byte 0..31: that many + 1
 * follow) and copies from at most 8 KiB back (first byte's upper three bits: length - 2, 7 means
 * another byte of length follows; its lower five and the next byte: distance - 1). */
#ifndef DUET_PROTO_LZF_H
#define DUET_PROTO_LZF_H

#include <stddef.h>

/* Bytes written to out, or 0 when it does not fit into out_len. */
size_t lzf_compress(const void *in, size_t in_len, void *out, size_t out_len);
/* Bytes written to out, or 0 when the input is damaged or does not fit. Never reads or writes
 * outside. */
size_t lzf_decompress(const void *in, size_t in_len, void *out, size_t out_len);
/* No input of in_len bytes expands to more than this. */
static inline size_t lzf_expansion_max(size_t in_len) {
    return in_len * 88 + 32;
}

#endif
