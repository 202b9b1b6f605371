/* The kernel's side of a plan: taking the picture, taking the steps. */
#ifndef DUET_NETCFG_APPLY_H
#define DUET_NETCFG_APPLY_H

#include "netcfg/netcfg.h"
#include "netcfg/plan.h"

/* The kernel as it is now in this network namespace. */
bool apply_picture(const struct netcfg_conf *conf, struct plan_picture *out,
                   struct netcfg_error *err);
/* Takes the steps in order; stops at the first that fails and says which. *done counts those taken. */
bool apply_plan(const struct plan *p, size_t *done, struct netcfg_error *err);

#endif
