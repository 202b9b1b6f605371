/* Patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET take them: * ? [abc] [^a-z] and \x. */
#ifndef DUET_BASE_GLOB_H
#define DUET_BASE_GLOB_H

#include "server/base/bytes.h"

/* True when the whole of text matches; an empty text matches an empty pattern only. An unclosed [ takes the rest of the pattern as its set.
 * Takes at most pattern length times text length steps. */
bool glob_match(struct bytes pattern, struct bytes text, bool nocase);

#endif
