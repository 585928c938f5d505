/* SPDX-License-Identifier: MIT
 *
 * Receives close events as egress_nat does, in a thread of its own, up to the model of one
 * gateway. Prints "ready", goes on until its standard input ends, and prints events
 * received, events lost, CPU nanoseconds of the whole process since "ready", and ports
 * held in the end.
 */
#include "close_events.h"
#include "nat_engine.h"

#include <errno.h>
#include <error.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nat_engine *engine;
static uint64_t received, lost;

static void take(const struct sock_diag_record *records, size_t count, uint64_t missed,
                 nanoseconds now, void *data) {
  (void)data;
  pthread_mutex_lock(&mutex);
  for (size_t i = 0; i < count; i++)
    nat_engine_event(engine, now, &records[i]);
  received += count;
  lost += missed;
  pthread_mutex_unlock(&mutex);
}

static void wait_for_end_of_input(void) {
  char byte;

  while (read(STDIN_FILENO, &byte, 1) > 0)
    ;
}

int main(void) {
  static struct nat_config config = NAT_CONFIG_DEFAULTS;
  const struct nat_engine_settings settings = {.seed = 1};
  const struct flow_summary nothing = {.begun = clock_now(CLOCK_MONOTONIC)};
  struct flow_summary end = nothing;
  struct close_events *events = NULL;
  nanoseconds cpu;
  int status;

  if (nat_config_complete(&config) < 0 || nat_engine_new(&config, &settings, &engine) < 0)
    error(1, ENOMEM, "engine");
  nat_engine_read(engine, &nothing);
  status = close_events_open(take, NULL, NULL, &events);
  if (status == 0)
    status = close_events_start(events);
  if (status < 0)
    error(1, -status, "close events");
  puts("ready");
  fflush(stdout);
  cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  wait_for_end_of_input();
  close_events_drain(events);
  cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  close_events_close(events);
  end.begun = clock_now(CLOCK_MONOTONIC);
  nat_engine_read(engine, &end);
  printf("%llu %llu %lld %u\n", (unsigned long long)received, (unsigned long long)lost,
         (long long)cpu,
         nat_engine_report(engine, 0, NAT_TCP)->estimate.ports[NAT_BEST]);
  nat_engine_free(engine);
  nat_config_free(&config);
  return 0;
}
