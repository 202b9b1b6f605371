/* Talks to a management controller (BMC) through ipmitool, as a child that is given a time: over the network to the
 * peer's (RMCP+), or through the kernel's /dev/ipmi0 to the own one. The child is an ordinary process, not
 * of the real time that its parent has; over the network it is nobody's. Nothing here blocks. */
#ifndef HACTL_IPMI_H
#define HACTL_IPMI_H

#include <stdbool.h>

struct loop;
struct ipmi_run;

struct ipmi_target {
    const char *host, *user, *password; /* host NULL: this machine's own controller */
    int suite;                          /* cipher suite of RMCP+: 17 (SHA-256) or 3 (SHA-1) */
};

/* ok: it ended by itself, in time, with status 0. output: what it said, or what went wrong; the caller's during the call
 * only. The run is gone when this is called. */
typedef void ipmi_done_fn(void *arg, bool ok, const char *output);

/* words: "power status", split at spaces. Never NULL; what fails is told through done, from the loop. */
struct ipmi_run *ipmi_start(struct loop *l, const struct ipmi_target *to, const char *words,
                            int limit_ms, ipmi_done_fn *done, void *arg);
/* Ends the child; done is not called. NULL is fine. */
void ipmi_cancel(struct ipmi_run *r);
/* Where ipmitool is: DUET_IPMITOOL, or the usual places. NULL: there is none. */
const char *ipmi_program(void);
/* This machine has a controller that the kernel knows. */
bool ipmi_own(void);

#endif
