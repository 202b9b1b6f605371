#include "rootfs/line_edit.h"

#include <stdio.h>
#include <string.h>

static enum line_event recall(struct line_edit *e, int step) {
    if (step < 0 && e->history_at == 0) return LINE_NOTHING;
    if (step > 0 && e->history_at == e->history_count) return LINE_NOTHING;
    e->history_at = step < 0 ? e->history_at - 1 : e->history_at + 1;
    const char *line = e->history_at == e->history_count ? "" : e->history[e->history_at];
    snprintf(e->text, sizeof e->text, "%s", line);
    e->len = strlen(e->text);
    return LINE_SHOW;
}

static enum line_event in_escape(struct line_edit *e, unsigned char c) {
    if (e->escape == 1) {
        e->escape = c == '[' || c == 'O' ? 2 : 0;
        return LINE_NOTHING;
    }
    if (c >= '0' && c <= '9') return LINE_NOTHING; /* parameters: the final byte follows */
    if (c == ';') return LINE_NOTHING;
    e->escape = 0;
    if (c == 'A') return recall(e, -1);
    if (c == 'B') return recall(e, 1);
    return LINE_NOTHING;
}

static enum line_event set_length(struct line_edit *e, size_t len) {
    e->len = len;
    e->text[len] = 0;
    return LINE_SHOW;
}

static enum line_event erase_word(struct line_edit *e) {
    size_t n = e->len;
    while (n > 0 && e->text[n - 1] == ' ') n--;
    while (n > 0 && e->text[n - 1] != ' ') n--;
    return set_length(e, n);
}

enum line_event line_byte(struct line_edit *e, unsigned char c, char *echo) {
    *echo = 0;
    if (e->escape) return in_escape(e, c);
    switch (c) {
    case 27: e->escape = 1; return LINE_NOTHING;
    case '\r':
    case '\n': strcpy(echo, "\r\n"); return LINE_DONE;
    case 3: return LINE_FORGET;
    case 4: return e->len == 0 ? LINE_LEAVE : LINE_NOTHING;
    case 12: return LINE_REDRAW;
    case 21: return set_length(e, 0);
    case 23: return erase_word(e);
    case 8:
    case 127:
        if (e->len == 0) return LINE_NOTHING;
        strcpy(echo, "\b \b");
        e->text[--e->len] = 0;
        return LINE_NOTHING;
    default: break;
    }
    if (c < ' ' || c >= 127 || e->len + 1 >= sizeof e->text) return LINE_NOTHING;
    e->text[e->len++] = (char)c;
    e->text[e->len] = 0;
    echo[0] = (char)c;
    echo[1] = 0;
    return LINE_NOTHING;
}

void line_take(struct line_edit *e) {
    if (e->len > 0) {
        if (e->history_count == LINE_HISTORY) {
            memmove(e->history[0], e->history[1], sizeof e->history - sizeof e->history[0]);
            e->history_count--;
        }
        memcpy(e->history[e->history_count++], e->text, e->len + 1);
    }
    e->history_at = e->history_count;
    e->len = 0;
    e->text[0] = 0;
}
