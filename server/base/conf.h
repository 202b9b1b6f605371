/* Configuration files: lines of words, read into memory with their places, so that every complaint
 * can name file and line. Quotes as in redis.conf: "with \n \xff escapes" and 'plain with \''. A
 * check-only mode is the reader's default: nothing here has an effect outside the struct. */
#ifndef DUET_BASE_CONF_H
#define DUET_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct conf_line {
    const char *section;     /* "" before the first [section] */
    const char *section_arg; /* the 0 of [instance 0], or "" */
    int number;              /* 1 for the first line of the file */
    int argc;
    char **argv;  /* argv[0] is the directive */
    size_t *lens; /* byte length of each word (they may hold NULs) */
};

struct conf {
    char *path; /* as named in messages */
    struct conf_line *lines;
    size_t count;
    bool sections; /* duet.conf has sections, a server's file has none */
};

struct conf_error {
    char text[512]; /* "FILE:LINE: what is wrong; what to do" */
};

/* The whole of duet.conf uses these section names and no other:
 * node, pair, network, ha, instance N, access, log, metrics, witness. */
bool conf_section_known(const char *name);

/* Reads a file. With sections, [name arg] lines switch the section and unknown names are refused.
 */
bool conf_read(struct conf *c, const char *path, bool sections, struct conf_error *err);
bool conf_parse(struct conf *c, const char *name, const char *text, size_t len, bool sections,
                struct conf_error *err);
void conf_free(struct conf *c);

/* Sets err to "FILE:LINE: " and the sentence; returns false, so that a reader can `return` it. */
bool conf_complain(const struct conf *c, const struct conf_line *line, struct conf_error *err,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A reader's own directives: a row each, ended by a row without a name. min and max count the words
 * after the directive; max -1: any number. set returns false after conf_complain. */
struct conf_row {
    const char *name;
    int min, max;
    bool (*set)(void *target, const struct conf *c, const struct conf_line *l,
                struct conf_error *err);
    const char *help; /* "service IFACE ADDRESS/PREFIX peer ADDRESS" */
};
/* Runs the lines of one section (and, when section_arg is not NULL, of that argument only) through
 * the rows; an unknown directive or a wrong number of words is refused by name. */
bool conf_apply(const struct conf *c, const char *section, const char *section_arg,
                const struct conf_row *rows, void *target, struct conf_error *err);

/* Splits one line into words by the same rules (inline commands too). Returns the count, or -1 when
 * quotes are unbalanced. words and lens are malloc'ed; free with conf_words_free. */
int conf_split(const char *line, size_t len, char ***words, size_t **lens);
void conf_words_free(char **words, size_t *lens, int count);
/* The length of a line of a file with sections up to its comment. */
size_t conf_without_comment(const char *line, size_t len);
/* Appends a word to a line, quoted when it needs it. */
struct buf;
void conf_quote(struct buf *out, const char *word, size_t len);

#endif
