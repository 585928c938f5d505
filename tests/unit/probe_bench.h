/* SPDX-License-Identifier: MIT
 *
 * For tests: the engine with a configuration from text, and waiting for what its
 * first chain reports.
 */
#ifndef EGRESS_PROBE_BENCH_H
#define EGRESS_PROBE_BENCH_H

#include "unit.h"

#include "engine.h"

#define WAIT_SECONDS 20

struct bench {
  struct probe_config config;
  struct board *board;
  struct engine *engine;
  struct chain_report report; /* of the first chain, as wait_for last saw it */
};

/* The interval of collectd is 1 s. */
__attribute__((format(printf, 2, 3))) void start(struct bench *bench, const char *format,
                                                 ...);
void stop(struct bench *bench);

const struct target_report *target_of(const struct bench *bench, size_t target);

typedef bool condition(const struct bench *bench, int argument);

/* Fails the test after WAIT_SECONDS. */
void wait_for(struct bench *bench, const char *what, condition *met, int argument);

/* Conditions of the first target, and of the chain. */
bool is_known(const struct bench *bench, int argument);
bool has_result(const struct bench *bench, int result);
bool is_judged_at(const struct bench *bench, int location);

void assert_adds_up(const struct attempt_report *last);

/* -1: the phase was not reached. */
nanoseconds length_of(const struct attempt_report *last, enum phase phase, unsigned hop);

/* A probe that listened to any of these variables would reach nothing. */
void poison_environment(void);

#endif
