/* SPDX-License-Identifier: MIT
 *
 * Receives close events as egress_nat does, in a thread of its own, up to the model of one
 * gateway. Prints "ready", goes on until its standard input ends, and prints events
 * received, events lost, CPU nanoseconds of the whole process since "ready", and ports
 * held in the end.
 *
 *   take_closes [BYPASS [filter]]
 *
 * The network BYPASS does not take the gateway; with `filter` the kernel keeps such events
 * back.
 */
#include "close_events.h"
#include "nat_engine.h"

#include <errno.h>
#include <error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
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

static void configure(struct nat_config *config, const char *bypass) {
  struct net_prefix prefix;

  if (nat_config_complete(config) < 0)
    error(1, ENOMEM, "configuration");
  if (!bypass)
    return;
  if (net_prefix_parse(bypass, &prefix) < 0)
    error(2, 0, "\"%s\" is no network", bypass);
  if (nat_networks_add(&config->gateways[0].traffic.bypass, &prefix) < 0)
    error(1, ENOMEM, "configuration");
}

int main(int argc, char **argv) {
  static struct nat_config config = NAT_CONFIG_DEFAULTS;
  const struct nat_engine_settings settings = {.seed = 1};
  const struct flow_summary nothing = {.begun = clock_now(CLOCK_MONOTONIC)};
  struct flow_summary end = nothing;
  struct close_events *events = NULL;
  nanoseconds cpu;
  int status;

  if (argc > 3 || (argc == 3 && strcmp(argv[2], "filter") != 0))
    error(2, 0, "usage: take_closes [BYPASS [filter]]");
  configure(&config, argc > 1 ? argv[1] : NULL);
  if (nat_engine_new(&config, &settings, &engine) < 0)
    error(1, ENOMEM, "engine");
  nat_engine_read(engine, &nothing);
  status = close_events_open(take, NULL, argc == 3 ? &config : NULL, &events);
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
