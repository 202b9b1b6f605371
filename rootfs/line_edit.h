/* One line of typing on a terminal in raw mode: bytes in, what to echo and finished lines out. Pure.
 * Knows printable characters, backspace, Ctrl-U (clear), Ctrl-W (word), Ctrl-C (forget the line), Ctrl-D on an
 * empty line (leave), Ctrl-L (redraw), and the arrow keys up and down (lines typed before). */
#ifndef DUET_ROOTFS_LINE_EDIT_H
#define DUET_ROOTFS_LINE_EDIT_H

#include <stddef.h>

#define LINE_CHARS   200
#define LINE_HISTORY 16

enum line_event {
    LINE_NOTHING,
    LINE_DONE,   /* text holds the line; line_take begins the next one */
    LINE_FORGET, /* Ctrl-C */
    LINE_LEAVE,  /* Ctrl-D on an empty line */
    LINE_REDRAW, /* Ctrl-L */
    LINE_SHOW,   /* the whole line must be shown again (history) */
};

struct line_edit {
    char text[LINE_CHARS];
    size_t len;
    int escape; /* how far into an escape sequence: 0, 1 (ESC), 2 (ESC [) */
    char history[LINE_HISTORY][LINE_CHARS];
    size_t history_count, history_at; /* at == count: the line being typed */
};

/* Takes one byte. echo (at least 8 bytes) gets what the terminal should show for it, "" for nothing. */
enum line_event line_byte(struct line_edit *e, unsigned char c, char *echo);
/* Notes the line in the history and begins an empty one. */
void line_take(struct line_edit *e);

#endif
