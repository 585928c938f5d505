/* SPDX-License-Identifier: MIT
 *
 * Feeds the model alone: EVENTS closes toward DESTINATIONS from random local ports, at so
 * many a second of its clock that HELD are held at a time, with a read every ten seconds of
 * it. Prints events and CPU nanoseconds.
 *
 *   feed_model EVENTS DESTINATIONS HELD
 */
#include "nat_model.h"

#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 1000000000ul
#define TIME_WAIT (30 * NANOSECONDS_PER_SECOND)

static unsigned long parse_number(const char *text) {
  char *end = NULL;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end != '\0' || number == 0 || number > NUMBER_MAX)
    error(2, 0, "\"%s\": expected a number from 1 to %lu", text, NUMBER_MAX);
  return number;
}

/* xorshift64 (Marsaglia, 2003): a generator that costs next to nothing. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static struct net_endpoint endpoint(uint32_t number, uint16_t port) {
  const uint8_t bytes[4] = {198, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                            (uint8_t)number};

  return (struct net_endpoint){net_address_from_ipv4(bytes), port};
}

static void read_model(struct nat_model *model, nanoseconds now) {
  struct nat_estimate estimate;

  nat_model_begin(model, now, true);
  nat_model_finish(model, &estimate);
}

int main(int argc, char **argv) {
  const struct nat_model_settings settings = {.time_wait = TIME_WAIT,
                                              .reset = TIME_WAIT,
                                              .transitory = TIME_WAIT,
                                              .destinations_max = NAT_DESTINATIONS_MAX,
                                              .seed = 1};
  nanoseconds now = 1000 * NANOSECONDS_PER_SECOND, step, read_at = now, cpu;
  struct nat_model *model = NULL;
  unsigned long events, destinations;
  uint64_t random = 88172645463325252u;

  if (argc != 4)
    error(2, 0, "usage: feed_model EVENTS DESTINATIONS HELD");
  events = parse_number(argv[1]);
  destinations = parse_number(argv[2]);
  step = TIME_WAIT / (nanoseconds)parse_number(argv[3]);
  if (nat_model_new(&settings, &model) < 0)
    error(1, ENOMEM, "model");
  cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  for (unsigned long i = 0; i < events; i++, now += step) {
    uint64_t drawn = next_random(&random);
    const struct net_endpoint remote = endpoint((uint32_t)((drawn >> 32) % destinations), 443);
    const struct net_endpoint local = endpoint(1, (uint16_t)(32768 + drawn % 28232));

    nat_model_close(model, now, &remote, &local,
                    drawn % 5 == 0 ? NAT_CLOSE_RESET : NAT_CLOSE_ORDERLY);
    if (now >= read_at) {
      read_model(model, now);
      read_at += 10 * NANOSECONDS_PER_SECOND;
    }
  }
  printf("%lu %lld\n", events, (long long)(clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu));
  nat_model_free(model);
  return 0;
}
