/* SPDX-License-Identifier: MIT
 *
 * The model against a reference that keeps each connection for itself and goes
 * through all of them for every figure; and single cases by hand.
 */
#include "unit.h"

#include "nat_held.h"
#include "nat_model.h"

#include "egress/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define MS NANOSECONDS_PER_MILLISECOND
#define S NANOSECONDS_PER_SECOND

static struct net_endpoint endpoint(unsigned number) {
  const uint8_t bytes[4] = {198, 51, (uint8_t)(number >> 8), (uint8_t)number};

  return (struct net_endpoint){net_address_from_ipv4(bytes),
                               (uint16_t)(443 + (number >> 16))};
}

static struct nat_model *make(const struct nat_model_settings *settings) {
  struct nat_model *model = NULL;

  assert_int_equal(0, nat_model_new(settings, &model));
  return model;
}

static struct nat_model_settings settings_with(uint32_t limit, nanoseconds time_wait) {
  return (struct nat_model_settings){.time_wait = time_wait,
                                     .reset = 5 * S,
                                     .transitory = 8 * S,
                                     .limit = limit,
                                     .destinations_max = 1000,
                                     .seed = 7};
}

static void tell(struct nat_model *model, const struct flow_remote *remote) {
  const struct nat_live live = {
      .open = remote->open,
      .half_open = remote->half_open,
      .stalled = remote->stalled,
      .idle = remote->idle,
      .drowsy = remote->drowsy,
      .local_ports = remote->open + remote->half_open + remote->time_wait};

  nat_model_live(model, &remote->remote, &live);
}

static struct nat_estimate estimate(struct nat_model *model, nanoseconds begun,
                                    const struct flow_remote *remotes, size_t count) {
  struct nat_estimate result;

  nat_model_begin(model, begun, true);
  for (size_t i = 0; i < count; i++)
    tell(model, &remotes[i]);
  nat_model_finish(model, &result);
  return result;
}

static const struct nat_destination *find(struct nat_model *model, unsigned number) {
  const struct net_endpoint wanted = endpoint(number);
  struct nat_table *table = nat_model_table(model);

  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i))
    if (net_endpoint_equal(&nat_table_at(table, i)->remote, &wanted))
      return nat_table_at(table, i);
  return NULL;
}

/* --- The reference ------------------------------------------------------------- */

#define DESTINATIONS 5
#define CONNECTIONS 6000

enum phase { FREE, CONNECTING, STALLED, OPEN, CLOSED };

struct connection {
  enum phase phase;
  unsigned destination;
  nanoseconds closed;
  enum nat_close kind;
  bool judged, high_only; /* unanswered ones */
};

struct reference {
  struct nat_model_settings settings;
  struct connection connections[CONNECTIONS];
  bool at_limit[DESTINATIONS], exhausted[DESTINATIONS];
};

static nanoseconds timeout_of(const struct reference *reference, enum nat_close kind,
                              unsigned bound) {
  const struct nat_model_settings *settings = &reference->settings;
  nanoseconds most = settings->time_wait ? settings->time_wait : 120 * S;
  nanoseconds least = settings->time_wait ? settings->time_wait : 30 * S;

  if (kind == NAT_CLOSE_ORDERLY)
    return bound == NAT_HIGH ? most : least;
  if (bound == NAT_LOW)
    return 0;
  if (kind == NAT_CLOSE_UNANSWERED)
    return settings->transitory;
  return bound == NAT_BEST || settings->reset > most ? settings->reset : most;
}

static bool holds(const struct reference *reference, const struct connection *connection,
                  nanoseconds now, unsigned bound) {
  if (connection->phase != CLOSED || connection->closed > now ||
      (connection->high_only && bound != NAT_HIGH))
    return false;
  return now - connection->closed < timeout_of(reference, connection->kind, bound);
}

/* The summary that the kernel would give now. */
static struct flow_remote live(const struct reference *reference, unsigned destination) {
  struct flow_remote remote = {.remote = endpoint(destination)};

  for (size_t i = 0; i < CONNECTIONS; i++) {
    const struct connection *connection = &reference->connections[i];

    if (connection->destination != destination)
      continue;
    remote.open += connection->phase == OPEN;
    remote.half_open += connection->phase == CONNECTING || connection->phase == STALLED;
    remote.stalled += connection->phase == STALLED;
  }
  return remote;
}

static uint32_t held(const struct reference *reference, unsigned destination,
                     nanoseconds now, unsigned bound) {
  uint32_t count = 0;

  for (size_t i = 0; i < CONNECTIONS; i++)
    count += reference->connections[i].destination == destination &&
             holds(reference, &reference->connections[i], now, bound);
  return count;
}

/* Unanswered connects closed since the last look count for the high bound alone
 * where the ports are short; `best` is without them. */
static void judge(struct reference *reference, unsigned destination, nanoseconds now,
                  const struct flow_remote *remote) {
  uint32_t limit = reference->settings.limit, unjudged = 0, firm;
  bool shortage = reference->at_limit[destination] || reference->exhausted[destination];

  for (size_t i = 0; i < CONNECTIONS; i++) {
    const struct connection *one = &reference->connections[i];

    unjudged += one->destination == destination && one->phase == CLOSED &&
                one->kind == NAT_CLOSE_UNANSWERED && !one->judged &&
                holds(reference, one, now, NAT_BEST);
  }
  firm = remote->open + remote->half_open - remote->stalled +
         held(reference, destination, now, NAT_BEST) - unjudged;
  reference->at_limit[destination] =
      limit > 0 && firm + (limit / 16 > 2 ? limit / 16 : 2) >= limit;
  shortage = shortage || reference->at_limit[destination];
  reference->exhausted[destination] = shortage && remote->stalled > 0;
  for (size_t i = 0; i < CONNECTIONS; i++) {
    struct connection *one = &reference->connections[i];

    if (one->destination != destination || one->phase != CLOSED || one->closed > now)
      continue;
    if (one->kind == NAT_CLOSE_UNANSWERED && !one->judged)
      one->high_only = shortage;
    one->judged = true;
  }
}

static void expect(const struct reference *reference, unsigned destination,
                   nanoseconds now, const struct flow_remote *remote,
                   uint32_t ports[NAT_BOUNDS]) {
  uint32_t limit = reference->settings.limit;
  uint32_t stalled = reference->exhausted[destination] ? remote->stalled : 0;

  ports[NAT_LOW] = remote->open + held(reference, destination, now, NAT_LOW);
  ports[NAT_BEST] = remote->open + remote->half_open - stalled +
                    held(reference, destination, now, NAT_BEST);
  ports[NAT_HIGH] =
      remote->open + remote->half_open + held(reference, destination, now, NAT_HIGH);
  for (unsigned bound = 0; bound < NAT_BOUNDS && limit > 0; bound++)
    if (ports[bound] > limit)
      ports[bound] = limit;
}

/* --- Random lives ---------------------------------------------------------------- */

static void close_one(struct nat_model *model, struct connection *connection,
                      nanoseconds now) {
  const struct net_endpoint remote = endpoint(connection->destination);

  if (connection->phase == OPEN)
    connection->kind = rand() % 3 ? NAT_CLOSE_ORDERLY : NAT_CLOSE_RESET;
  else
    connection->kind = rand() % 3 ? NAT_CLOSE_UNANSWERED : NAT_CLOSE_RESET;
  connection->phase = CLOSED;
  connection->closed = now;
  connection->judged = connection->high_only = false;
  nat_model_close(model, now, &remote, NULL, connection->kind);
}

static void live_on(struct reference *reference, struct nat_model *model,
                    nanoseconds now) {
  struct connection *connection = &reference->connections[rand() % CONNECTIONS];
  nanoseconds longest = 130 * S;

  switch (connection->phase) {
  case FREE:
    connection->phase = CONNECTING;
    connection->destination = (unsigned)(rand() % DESTINATIONS * (rand() % 2));
    break;
  case CONNECTING:
  case STALLED:
    if (rand() % 2)
      connection->phase = OPEN;
    else if (rand() % 2)
      connection->phase = STALLED;
    else
      close_one(model, connection, now);
    break;
  case OPEN:
    close_one(model, connection, now);
    break;
  case CLOSED:
    if (now - connection->closed > longest)
      *connection = (struct connection){.phase = FREE};
    break;
  }
}

static void compare(struct reference *reference, struct nat_model *model,
                    const struct flow_remote *remotes, nanoseconds begun) {
  struct nat_estimate result;
  uint32_t most[NAT_BOUNDS] = {0};

  nat_model_begin(model, begun, true);
  for (unsigned i = 0; i < DESTINATIONS; i++)
    if (remotes[i].open + remotes[i].half_open > 0)
      tell(model, &remotes[i]);
  nat_model_finish(model, &result);
  for (unsigned i = 0; i < DESTINATIONS; i++) {
    const struct nat_destination *destination = find(model, i);
    uint32_t ports[NAT_BOUNDS];

    judge(reference, i, begun, &remotes[i]);
    expect(reference, i, begun, &remotes[i], ports);
    for (unsigned bound = 0; bound < NAT_BOUNDS; bound++) {
      assert_int_equal(ports[bound], destination ? destination->ports[bound] : 0);
      most[bound] = ports[bound] > most[bound] ? ports[bound] : most[bound];
    }
    if (!destination) /* forgotten, and with it what it had been through */
      reference->at_limit[i] = reference->exhausted[i] = false;
  }
  assert_int_equal(most[NAT_LOW], result.ports[NAT_LOW]);
  assert_int_equal(most[NAT_BEST], result.ports[NAT_BEST]);
  assert_true(most[NAT_LOW] <= most[NAT_BEST] && most[NAT_BEST] <= most[NAT_HIGH]);
}

/* The summary is taken at `begun`; what happens between that and the model's
 * estimate must not be in it. The clock starts just before its 28 bits wrap. */
static void live_and_compare(const struct nat_model_settings *settings) {
  struct reference *reference = calloc(1, sizeof(*reference));
  struct nat_model *model = make(settings);
  nanoseconds now = (INT64_C(1) << 28) * MS - 60 * S;

  assert_non_null(reference);
  reference->settings = *settings;
  for (unsigned round = 0; round < 150; round++) {
    struct flow_remote remotes[DESTINATIONS];
    unsigned quiet = rand() % 10 == 0 ? 140000 : 0;

    for (unsigned i = 0; i < 120; i++) {
      now += rand() % 40 * MS;
      live_on(reference, model, now);
    }
    now += quiet * MS;
    for (unsigned i = 0; i < DESTINATIONS; i++)
      remotes[i] = live(reference, i);
    nanoseconds begun = now;

    for (unsigned i = rand() % 50; i > 0; i--) {
      now += (1 + rand() % 5) * MS;
      live_on(reference, model, now);
    }
    compare(reference, model, remotes, begun);
  }
  nat_model_free(model);
  free(reference);
}

static void seed_random(void) {
  const char *given = getenv("EGRESS_TEST_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

  print_message("EGRESS_TEST_SEED=%u\n", seed);
  srand(seed);
}

static void test_agrees_with_the_reference(void **state) {
  static const uint32_t limits[] = {0, 16, 64, 4096};
  static const nanoseconds time_waits[] = {0, 2 * S, 12 * S, 120 * S};

  (void)state;
  seed_random();
  for (size_t i = 0; i < 4; i++)
    for (size_t j = 0; j < 4; j++) {
      const struct nat_model_settings settings = settings_with(limits[i], time_waits[j]);

      live_and_compare(&settings);
    }
}

/* --- By hand ----------------------------------------------------------------------- */

static void test_holds_a_closed_one_for_time_wait(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint remote = endpoint(1);

  (void)state;
  nat_model_close(model, 100 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  assert_int_equal(0, estimate(model, 99 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(1, estimate(model, 100 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(1, estimate(model, 112 * S - MS, NULL, 0).ports[NAT_LOW]);
  assert_int_equal(0, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, nat_table_count(nat_model_table(model)));
  nat_model_free(model);
}

static void test_bounds_an_unknown_time_wait(void **state) {
  const struct nat_model_settings settings = settings_with(0, 0);
  struct nat_model *model = make(&settings);
  const struct net_endpoint remote = endpoint(1);
  struct nat_estimate result;

  (void)state;
  nat_model_close(model, 100 * S, &remote, NULL, NAT_CLOSE_ORDERLY);
  result = estimate(model, 129 * S, NULL, 0);
  assert_int_equal(1, result.ports[NAT_LOW]);
  result = estimate(model, 130 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_LOW]);
  assert_int_equal(0, result.ports[NAT_BEST]);
  assert_int_equal(1, result.ports[NAT_HIGH]);
  assert_true(result.high_known);
  assert_int_equal(0, estimate(model, 220 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_is_wide_at_first(void **state) {
  struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model;
  struct nat_estimate result;

  (void)state;
  settings.covered_since = 100 * S;
  model = make(&settings);
  assert_int_equal(64, estimate(model, 111 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
  settings.limit = 0;
  settings.covered_since = NAT_NEVER;
  model = make(&settings);
  result = estimate(model, 10000 * S, NULL, 0);
  assert_false(result.high_known);
  nat_model_free(model);
}

static void test_recalls_what_closed_before(void **state) {
  const struct nat_model_settings settings = settings_with(64, 120 * S);
  struct nat_past_close closes[] = {{30 * S, endpoint(1)},
                                    {-50 * S, endpoint(1)},
                                    {-10 * S, endpoint(2)}};
  struct nat_model *model = make(&settings);
  struct nat_estimate result;

  (void)state;
  nat_model_recall(model, closes, 3);
  result = estimate(model, 40 * S, NULL, 0);
  assert_int_equal(2, result.ports[NAT_BEST]);
  assert_int_equal(443, nat_table_at(nat_model_table(model), result.busiest)->remote.port);
  assert_int_equal(1, estimate(model, 70 * S, NULL, 0).ports[NAT_BEST]);
  assert_null(find(model, 3));
  nat_model_free(model);
}

static void test_dropped_syns_hold_nothing(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {
      .remote = endpoint(1), .open = 64, .half_open = 5, .stalled = 5};

  (void)state;
  assert_int_equal(64, estimate(model, 100 * S, &remote, 1).ports[NAT_BEST]);
  /* Ports come free, but the next SYN of those five is not sent yet. */
  remote.open = 50;
  assert_int_equal(50, estimate(model, 101 * S, &remote, 1).ports[NAT_BEST]);
  /* They give up. */
  for (unsigned i = 0; i < 5; i++)
    nat_model_close(model, 102 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  remote.half_open = remote.stalled = 0;
  assert_int_equal(50, estimate(model, 102 * S, &remote, 1).ports[NAT_BEST]);
  assert_int_equal(55, find(model, 1)->ports[NAT_HIGH]);
  nat_model_free(model);
}

/* Ports were short when those connects failed, though they are not any more. */
static void test_a_past_shortage_counts(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .open = 64};

  (void)state;
  estimate(model, 100 * S, &remote, 1);
  nat_model_close(model, 104 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  remote.open = 40;
  assert_int_equal(40, estimate(model, 105 * S, &remote, 1).ports[NAT_BEST]);
  nat_model_close(model, 109 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  assert_int_equal(41, estimate(model, 110 * S, &remote, 1).ports[NAT_BEST]);
  nat_model_free(model);
}

static void test_unanswered_syns_hold_a_port(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .half_open = 5, .stalled = 5};
  struct nat_estimate result = estimate(model, 100 * S, &remote, 1);

  (void)state;
  assert_int_equal(5, result.ports[NAT_BEST]);
  assert_int_equal(0, result.ports[NAT_LOW]);
  assert_int_equal(5, result.stalled);
  nat_model_close(model, 101 * S, &remote.remote, NULL, NAT_CLOSE_UNANSWERED);
  assert_int_equal(1, estimate(model, 108 * S, NULL, 0).ports[NAT_BEST]);
  assert_int_equal(0, estimate(model, 109 * S, NULL, 0).ports[NAT_BEST]);
  nat_model_free(model);
}

static void test_places_aborts_by_their_address(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint known = endpoint(1), unknown = endpoint(2);
  struct net_endpoint shared = endpoint(1);
  struct flow_remote remote = {.remote = known, .open = 1};
  struct nat_estimate result;

  (void)state;
  estimate(model, 100 * S, &remote, 1);
  nat_model_close_portless(model, 101 * S, &known.address, NAT_CLOSE_RESET);
  nat_model_close_portless(model, 101 * S, &unknown.address, NAT_CLOSE_RESET);
  nat_model_close_portless(model, 101 * S, &unknown.address, NAT_CLOSE_RESET);
  result = estimate(model, 101 * S, NULL, 0);
  assert_int_equal(1, find(model, 1)->ports[NAT_BEST]);
  assert_int_equal(2, result.ports[NAT_BEST]);
  assert_int_equal(0, nat_table_at(nat_model_table(model), result.busiest)->remote.port);
  assert_int_equal(3, result.ports[NAT_HIGH]);
  assert_int_equal(0, result.ports[NAT_LOW]);
  /* Another port of the address, which three in four use: aborts have the same shares,
     and could be toward either. */
  shared.port = 80;
  for (unsigned i = 0; i < 8; i++)
    nat_model_close(model, 102 * S, i % 4 ? &shared : &known, NULL, NAT_CLOSE_ORDERLY);
  for (unsigned i = 0; i < 8; i++)
    nat_model_close_portless(model, 102 * S, &known.address, NAT_CLOSE_RESET);
  result = estimate(model, 102 * S, NULL, 0);
  assert_in_range(result.ports[NAT_BEST], 6 + 5, 6 + 6);
  assert_int_equal(80, nat_table_at(nat_model_table(model), result.busiest)->remote.port);
  assert_int_equal(6 + 8 + 3, result.ports[NAT_BEST] + find(model, 1)->ports[NAT_BEST]);
  assert_int_equal(result.ports[NAT_BEST] + 2 + 8, result.ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_lost_events_widen_the_bounds(void **state) {
  const struct nat_model_settings settings = settings_with(4096, 12 * S);
  struct nat_model *model = make(&settings);
  struct nat_estimate result;

  (void)state;
  nat_model_lost(model, 100 * S, 30);
  nat_model_lost(model, 100 * S, 7);
  nat_model_lost(model, 103 * S, 5);
  result = estimate(model, 102 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_BEST]);
  assert_int_equal(37, result.ports[NAT_HIGH]);
  assert_int_equal(42, estimate(model, 104 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(5, estimate(model, 112 * S, NULL, 0).ports[NAT_HIGH]);
  assert_int_equal(0, estimate(model, 115 * S, NULL, 0).ports[NAT_HIGH]);
  nat_model_free(model);
}

static void test_counts_new_connections(void **state) {
  const struct nat_model_settings settings = settings_with(64, 12 * S);
  struct nat_model *model = make(&settings);
  struct flow_remote remote = {.remote = endpoint(1), .open = 4, .time_wait = 3};
  struct nat_estimate result;

  (void)state;
  assert_int_equal(0, estimate(model, 100 * S, &remote, 1).elapsed);
  nat_model_close(model, 101 * S, &remote.remote, NULL, NAT_CLOSE_ORDERLY);
  nat_model_close(model, 102 * S, &remote.remote, NULL, NAT_CLOSE_RESET);
  remote.half_open = 1; /* two have closed, four are open: two are new, and this */
  result = estimate(model, 110 * S, &remote, 1);
  assert_true(result.elapsed == 10 * S);
  assert_int_equal(3, find(model, 1)->opened);
  assert_int_equal(8, result.local_ports);
  nat_model_free(model);
}

/* Twenty times as many destinations as there are places, one of them busy. */
static void test_merges_the_least(void **state) {
  const struct nat_model_settings settings = settings_with(0, 12 * S);
  struct nat_model *model = make(&settings);
  const struct net_endpoint busy = endpoint(0);
  struct nat_table *table = nat_model_table(model);
  struct nat_estimate result;
  uint32_t sum = 0;

  (void)state;
  for (unsigned i = 0; i < 50; i++)
    nat_model_close(model, 100 * S, &busy, NULL, NAT_CLOSE_ORDERLY);
  for (unsigned i = 1; i < 20000; i++) {
    const struct net_endpoint remote = endpoint(i);

    nat_model_close(model, 100 * S + i * MS / 10, &remote, NULL, NAT_CLOSE_ORDERLY);
    if (i % 400 == 0)
      result = estimate(model, 100 * S + i * MS / 10, NULL, 0);
    assert_true(nat_table_count(table) <= settings.destinations_max);
  }
  result = estimate(model, 103 * S, NULL, 0);
  assert_true(result.merged > 0);
  assert_int_equal(50, result.ports[NAT_BEST]);
  sum = nat_table_closed(table, NAT_OTHER)->held[NAT_BEST];
  for (uint32_t i = nat_table_next(table, NAT_OTHER); i; i = nat_table_next(table, i))
    sum += nat_table_closed(table, i)->held[NAT_BEST];
  assert_int_equal(50 + 19999, sum);
  result = estimate(model, 130 * S, NULL, 0);
  assert_int_equal(0, result.ports[NAT_HIGH]);
  assert_int_equal(0, nat_table_closed(table, NAT_OTHER)->held[NAT_HIGH]);
  assert_int_equal(0, nat_table_count(table));
  result = estimate(model, 131 * S, NULL, 0);
  assert_int_equal(0, result.merged);
  nat_model_free(model);
}

/* --- Its parts ------------------------------------------------------------------------ */

static void test_ring_keeps_order_and_bound(void **state) {
  struct nat_ring *ring = calloc(1, sizeof(*ring));

  (void)state;
  assert_non_null(ring);
  for (uint64_t i = 0; i < NAT_RING_ENTRIES_MAX; i++)
    assert_int_equal(0, nat_ring_push(ring, nat_ring_entry((uint32_t)i % 1000, 0, 0)));
  assert_int_equal(-ENOSPC, nat_ring_push(ring, nat_ring_entry(0, 0, 0)));
  nat_ring_release(ring, NAT_RING_ENTRIES_MAX - 1);
  assert_int_equal((NAT_RING_ENTRIES_MAX - 1) % 1000,
                   nat_ring_at(ring, NAT_RING_ENTRIES_MAX - 1)->index);
  for (uint64_t i = 0; i < 3 * NAT_RING_BLOCK; i++) {
    assert_int_equal(0, nat_ring_push(ring, nat_ring_entry(7, 0, 0)));
    nat_ring_release(ring, ring->head - 1);
  }
  size_t blocks = 0;

  for (size_t i = 0; i < NAT_RING_BLOCKS_MAX; i++)
    blocks += ring->blocks[i] != NULL;
  assert_true(blocks <= 2);
  nat_ring_free(ring);
  free(ring);
}

/* Random insertions and removals against a plain row of flags. */
static void test_table_finds_what_is_in_it(void **state) {
  enum { ENDPOINTS = 300, PLACES = 200 };
  struct nat_table *table = NULL;
  uint32_t indexes[ENDPOINTS] = {0}, count = 0;
  bool shared;

  (void)state;
  assert_int_equal(0, nat_table_new(PLACES, (uint64_t)rand(), &table));
  for (unsigned i = 0; i < 20000; i++) {
    unsigned number = (unsigned)rand() % ENDPOINTS;
    const struct net_endpoint remote = endpoint(number);

    if (indexes[number] && rand() % 2) {
      nat_table_remove(table, indexes[number]);
      indexes[number] = 0;
      count--;
    } else if (indexes[number]) {
      assert_int_equal(indexes[number], nat_table_get(table, &remote, nat_table_hash(table, &remote)));
      nat_table_note_use(table, indexes[number]);
      assert_int_equal(indexes[number],
                       nat_table_by_address(table, &remote.address, &shared));
    } else {
      indexes[number] = nat_table_get(table, &remote, nat_table_hash(table, &remote));
      assert_true((indexes[number] == NAT_OTHER) == (count == PLACES));
      count += indexes[number] != NAT_OTHER;
    }
    assert_int_equal(count, nat_table_count(table));
  }
  nat_table_free(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_agrees_with_the_reference),
      cmocka_unit_test(test_holds_a_closed_one_for_time_wait),
      cmocka_unit_test(test_bounds_an_unknown_time_wait),
      cmocka_unit_test(test_is_wide_at_first),
      cmocka_unit_test(test_recalls_what_closed_before),
      cmocka_unit_test(test_dropped_syns_hold_nothing),
      cmocka_unit_test(test_a_past_shortage_counts),
      cmocka_unit_test(test_unanswered_syns_hold_a_port),
      cmocka_unit_test(test_places_aborts_by_their_address),
      cmocka_unit_test(test_lost_events_widen_the_bounds),
      cmocka_unit_test(test_counts_new_connections),
      cmocka_unit_test(test_merges_the_least),
      cmocka_unit_test(test_ring_keeps_order_and_bound),
      cmocka_unit_test(test_table_finds_what_is_in_it),
  };

  return cmocka_run_group_tests_name("nat_model", tests, NULL, NULL);
}
