/* SPDX-License-Identifier: MIT
 *
 * Edge: how many probes the process can have under way at once, by its limit of open
 * files; and whether its resolver's threads pile up.
 */
#ifndef EGRESS_BUDGET_H
#define EGRESS_BUDGET_H

#include "probe_config.h"

struct budget {
  size_t transfers; /* at once, at least 1 */
  size_t files;     /* RLIMIT_NOFILE */
  size_t threads;   /* of the process: with more of them no name is asked for */
};

/* Of the process as it is now. */
struct budget budget_of(const struct probe_config *config);

/* libcurl resolves each name on a thread of its own, and one that waits for a dead
 * DNS server cannot be ended. `coming`: threads that it is going to start. */
bool budget_has_thread(const struct budget *budget, size_t coming);

/* The most that can be under way at once: all targets of all chains. */
size_t budget_wanted(const struct probe_config *config);

#endif
