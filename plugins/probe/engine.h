/* SPDX-License-Identifier: MIT
 *
 * The prober's own thread: one curl_multi handle on epoll for all chains.
 */
#ifndef EGRESS_ENGINE_H
#define EGRESS_ENGINE_H

#include "budget.h"
#include "probe_config.h"
#include "report.h"

struct engine;

/* Starts the thread. The configuration must be settled, and outlive the engine,
 * as the board must. Returns 0 or -errno. */
int engine_start(const struct probe_config *config, struct board *board,
                 struct engine **engine);

/* What the process's limits allow it, as they were when it was started. */
const struct budget *engine_budget(const struct engine *engine);

/* Ends the thread in well under a second, whatever its probes wait for. */
void engine_stop(struct engine *engine);

#endif
