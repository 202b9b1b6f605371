/* What the files of the source share: source.c, source_ask.c, source_copy.c. */
#ifndef HACTL_IMPORT_SOURCE_INSIDE_H
#define HACTL_IMPORT_SOURCE_INSIDE_H

#include "hactl/import/source.h"

enum { SOURCE_CONNECT_MS = 5000, SOURCE_ANSWER_MS = 20000 };

enum source_end source_say(struct source *s, enum source_end end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum source_end source_refusal(struct source *s, const char *what, struct bytes text);
/* The disk is not about to be full: the instance's log needs it more. */
bool source_has_room(const struct source *s);
/* Connects and authenticates. */
enum source_end source_login(struct source *s, struct dial *d);

#endif
