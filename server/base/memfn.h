/* Copying, filling and comparing of bytes, made for small sizes. In the product memcpy, memmove, memset,
 * memcmp, memchr and strlen are these: musl's start string instructions that cost some 30 cycles before
 * the first byte moves, and compare and search byte by byte. The tests call them by these names. */
#ifndef DUET_BASE_MEMFN_H
#define DUET_BASE_MEMFN_H

#include <stddef.h>

/* The two may overlap in any way: it is memcpy and memmove in one. */
void *memfn_copy(void *restrict to, const void *restrict from, size_t n);
void *memfn_move(void *to, const void *from, size_t n);
void *memfn_set(void *to, int byte, size_t n);
int memfn_compare(const void *a, const void *b, size_t n);
void *memfn_find(const void *p, int byte, size_t n);
size_t memfn_length(const char *s);

#endif
