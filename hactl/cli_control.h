/* A server's control socket in hactl: one command, one answer, blocking (server/control.h says which commands there are). */
#ifndef HACTL_CLI_CONTROL_H
#define HACTL_CLI_CONTROL_H

#include "hactl/cli_fields.h"

enum control_result {
    CONTROL_OK,  /* fields (of an array), or text ("OK") */
    CONTROL_NO,  /* the server refuses: text without its "ERR" */
    CONTROL_DOWN /* it cannot be reached, or does not answer: text says it */
};

struct buf;

struct control_answer {
    struct fields fields;
    char text[400];
};

/* argv: the words after DUET. The answer is to be freed, whatever the result. */
enum control_result control_ask(const char *root, unsigned instance, struct control_answer *out,
                                int argc, const char *const *argv);
/* INFO of that server, as it stands. False: it does not answer. */
bool control_info(const char *root, unsigned instance, struct buf *out);
void control_answer_free(struct control_answer *a);

#endif
