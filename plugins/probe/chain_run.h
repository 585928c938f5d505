/* SPDX-License-Identifier: MIT
 *
 * One chain on the engine's thread: its rounds one after the other, each the
 * whole chain's legs and then, if called for, the ladder's.
 */
#ifndef EGRESS_CHAIN_RUN_H
#define EGRESS_CHAIN_RUN_H

#include "transfer.h"

struct chain_run;

struct chain_run_place {
  const struct probe_config *config;
  size_t chain; /* index in the configuration */
  struct board *board;
  /* Sends one attempt; its end is told by chain_run_ended. Returns 0; -EAGAIN if as
   * many are under way as may be: one that ends may make room, and chain_run_advance is
   * called then; or -errno, and the attempt was not made, -EBUSY for want of
   * a resolver. */
  int (*send)(void *data, struct chain_run *run, const struct transfer_order *order,
              nanoseconds now);
  void *data;
};

/* `random`, from 0 to 1, chooses when the first round begins within the first
 * interval. Returns 0 or -ENOMEM. */
int chain_run_new(const struct chain_run_place *place, double random, nanoseconds now,
                  struct chain_run **run);
void chain_run_free(struct chain_run *run);

/* Does what is due; returns when it wants to be called next. */
nanoseconds chain_run_advance(struct chain_run *run, nanoseconds now);

/* Attempts under way. */
size_t chain_run_active(const struct chain_run *run);

/* An attempt has ended. The transfer stays the caller's. chain_run_advance should
 * follow. */
void chain_run_ended(struct chain_run *run, const struct transfer *transfer,
                     nanoseconds now);

#endif
