/* SPDX-License-Identifier: MIT
 *
 * A model of the ports with made-up destinations, for its tests.
 */
#ifndef EGRESS_NAT_GIVEN_H
#define EGRESS_NAT_GIVEN_H

#include "nat_model.h"
#include "unit.h"

#include "egress/flow.h"

#include <stdlib.h>
#include <time.h>

#define MS NANOSECONDS_PER_MILLISECOND
#define S NANOSECONDS_PER_SECOND

static inline struct net_endpoint endpoint(unsigned number) {
  const uint8_t bytes[4] = {198, 51, (uint8_t)(number >> 8), (uint8_t)number};

  return (struct net_endpoint){net_address_from_ipv4(bytes),
                               (uint16_t)(443 + (number >> 16))};
}

static inline struct nat_model *make(const struct nat_model_settings *settings) {
  struct nat_model *model = NULL;

  assert_int_equal(0, nat_model_new(settings, &model));
  return model;
}

static inline struct nat_model_settings settings_with(uint32_t limit, nanoseconds time_wait) {
  return (struct nat_model_settings){.time_wait = time_wait,
                                     .reset = 5 * S,
                                     .transitory = 8 * S,
                                     .limit = limit,
                                     .destinations_max = 1000,
                                     .seed = 7};
}

static inline void tell(struct nat_model *model, const struct flow_remote *remote) {
  const struct nat_live live = {
      .open = remote->open,
      .half_open = remote->half_open,
      .stalled = remote->stalled,
      .idle = remote->idle,
      .drowsy = remote->drowsy,
      .local_ports = remote->open + remote->half_open + remote->time_wait};

  nat_model_live(model, &remote->remote, &live);
}

static inline struct nat_estimate estimate(struct nat_model *model, nanoseconds begun,
                                    const struct flow_remote *remotes, size_t count) {
  struct nat_estimate result;

  nat_model_begin(model, begun, true);
  for (size_t i = 0; i < count; i++)
    tell(model, &remotes[i]);
  nat_model_finish(model, &result);
  return result;
}

static inline const struct nat_destination *find(struct nat_model *model, unsigned number) {
  const struct net_endpoint wanted = endpoint(number);
  struct nat_table *table = nat_model_table(model);

  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i))
    if (net_endpoint_equal(&nat_table_at(table, i)->remote, &wanted))
      return nat_table_at(table, i);
  return NULL;
}

/* One that has to be there. */
static inline const struct nat_destination *destination_of(struct nat_model *model,
                                                           unsigned number) {
  const struct nat_destination *found = find(model, number);

  assert_non_null(found);
  if (!found) /* assert_non_null() has not returned; the compiler cannot know */
    abort();
  return found;
}

static inline void seed_random(void) {
  const char *given = getenv("EGRESS_TEST_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

  print_message("EGRESS_TEST_SEED=%u\n", seed);
  srand(seed);
}

#endif
