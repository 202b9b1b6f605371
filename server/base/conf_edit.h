/* Changes of a file with sections that leave all the rest as it stands: comments, order, spacing. Text in, text out:
 * nothing is read or written here. The text must be one that conf_parse takes; false with a sentence when it is not. */
#ifndef DUET_BASE_CONF_EDIT_H
#define DUET_BASE_CONF_EDIT_H

#include "server/base/buf.h"
#include "server/base/conf.h"

/* Replaces *text by one where [section arg] says `directive value` (value NULL: no longer says it). A line that is there
 * keeps its place, its indentation and its comment; a new one comes behind the section's last. False also when there is
 * no such section. */
bool conf_edit_set(struct buf *text, const char *section, const char *arg, const char *directive,
                   const char *value, struct conf_error *err);
/* Takes every [section arg] out, with what stands in it; what stands above its head stays. */
bool conf_edit_drop(struct buf *text, const char *section, const char *arg, struct conf_error *err);
/* Puts [section arg] and its lines (whole ones, each with its end) at the end. */
void conf_edit_add(struct buf *text, const char *section, const char *arg, const char *lines);
/* Appends all sections of the name as they stand, comments too, to out. */
bool conf_edit_take(const struct buf *text, const char *section, struct buf *out,
                    struct conf_error *err);

#endif
