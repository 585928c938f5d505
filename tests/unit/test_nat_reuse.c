/* SPDX-License-Identifier: MIT
 *
 * Local ports that are used again: the model against a list of all closes, gone through
 * for every figure; and its memory.
 */
#include "unit.h"

#include "nat_huge.h"
#include "nat_model.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MS NANOSECONDS_PER_MILLISECOND
#define S NANOSECONDS_PER_SECOND
#define DESTINATIONS 3
#define PORTS 40
#define CLOSES_MAX 20000

static struct net_endpoint endpoint(unsigned number) {
  const uint8_t bytes[4] = {198, (uint8_t)(51 + (number >> 16)), (uint8_t)(number >> 8),
                            (uint8_t)number};

  return (struct net_endpoint){net_address_from_ipv4(bytes), 443};
}

static struct net_endpoint local(unsigned port) {
  const uint8_t bytes[4] = {10, 0, 0, 2};

  return (struct net_endpoint){net_address_from_ipv4(bytes), (uint16_t)(32768 + port)};
}

struct close {
  unsigned destination, port;
  nanoseconds time, hold;
  bool superseded;
};

struct world {
  struct nat_model *model;
  nanoseconds now;
  size_t count;
  struct close closes[CLOSES_MAX];
  bool open[DESTINATIONS][PORTS];
};

static const struct nat_model_settings settings = {.time_wait = 12 * S,
                                                   .reset = 5 * S,
                                                   .transitory = 8 * S,
                                                   .destinations_max = 100,
                                                   .seed = 5};

static void supersede(struct world *world, unsigned destination, unsigned port) {
  for (size_t i = 0; i < world->count; i++)
    if (world->closes[i].destination == destination && world->closes[i].port == port)
      world->closes[i].superseded = true;
}

static void live_on(struct world *world) {
  unsigned destination = (unsigned)rand() % DESTINATIONS, port = (unsigned)rand() % PORTS;
  const struct net_endpoint from = local(port), to = endpoint(destination);
  bool reset = rand() % 3 == 0;

  if (!world->open[destination][port] && rand() % 2) {
    world->open[destination][port] = true;
    return;
  }
  /* One that was open, or came and went since the last look. */
  world->open[destination][port] = false;
  supersede(world, destination, port);
  assert_true(world->count < CLOSES_MAX);
  world->closes[world->count++] = (struct close){
      destination, port, world->now, reset ? settings.reset : settings.time_wait, false};
  nat_model_close(world->model, world->now, &to, &from,
                  reset ? NAT_CLOSE_RESET : NAT_CLOSE_ORDERLY);
}

static uint32_t held(const struct world *world, unsigned destination, bool high) {
  uint32_t count = 0;

  for (size_t i = 0; i < world->count; i++) {
    const struct close *close = &world->closes[i];
    nanoseconds hold = high ? settings.time_wait : close->hold;

    count += close->destination == destination && world->now - close->time < hold &&
             (high || !close->superseded);
  }
  return count;
}

static void tell_open(struct world *world, unsigned destination) {
  const struct net_endpoint to = endpoint(destination);
  struct nat_live live = {.open = 0};

  for (unsigned port = 0; port < PORTS; port++)
    if (world->open[destination][port]) {
      const struct net_endpoint from = local(port);

      nat_model_reopened(world->model, &to, &from);
      supersede(world, destination, port);
      live.open++;
    }
  nat_model_live(world->model, &to, &live);
}

static void check(struct world *world) {
  struct nat_estimate estimate;
  uint32_t best = 0, high = 0;

  nat_model_begin(world->model, world->now, true);
  for (unsigned destination = 0; destination < DESTINATIONS; destination++) {
    uint32_t open = 0, all;

    tell_open(world, destination);
    for (unsigned port = 0; port < PORTS; port++)
      open += world->open[destination][port];
    all = open + held(world, destination, false);
    assert_true(all <= PORTS); /* a port is one, however often it was used */
    best = all > best ? all : best;
    all = open + held(world, destination, true);
    high = all > high ? all : high;
  }
  nat_model_finish(world->model, &estimate);
  assert_int_equal(best, estimate.ports[NAT_BEST]);
  assert_int_equal(high, estimate.ports[NAT_HIGH]);
}

static void test_a_port_used_again_is_one(void **state) {
  struct world *world = calloc(1, sizeof(*world));

  (void)state;
  assert_non_null(world);
  world->now = (INT64_C(1) << 28) * MS - 30 * S; /* the ring's clock wraps on the way */
  assert_int_equal(0, nat_model_new(&settings, &world->model));
  for (unsigned round = 0; round < 300; round++) {
    for (unsigned i = (unsigned)rand() % 60; i > 0; i--) {
      world->now += rand() % 60 * MS;
      live_on(world);
    }
    check(world);
    if (rand() % 20 == 0)
      world->now += 15 * S;
  }
  nat_model_free(world->model);
  free(world);
}

/* --- Many of them --------------------------------------------------------------------- */

/* So many that the table of local ports grows again and again, and many find the place
 * where they belong taken. Each port is closed at a random time, several times or never. */
static void test_many_ports_used_again(void **state) {
  enum { TO = 40, FROM = 5000, CLOSES = 400000, TIME_WAIT_MS = 12000 };
  nanoseconds(*last)[FROM] = calloc(TO, sizeof(*last));
  struct nat_model *model = NULL;
  nanoseconds now = 1000 * S;

  (void)state;
  assert_non_null(last);
  assert_int_equal(0, nat_model_new(&settings, &model));
  for (unsigned i = 1; i <= CLOSES; i++) {
    unsigned to = (unsigned)rand() % TO, from = (unsigned)rand() % FROM;
    const struct net_endpoint remote = endpoint(to), own = local(from);
    struct nat_estimate estimate;
    uint32_t most = 0;

    now += rand() % 2 * MS / 8;
    nat_model_close(model, now, &remote, &own, NAT_CLOSE_ORDERLY);
    last[to][from] = now / MS * MS;
    if (i % (CLOSES / 10) != 0)
      continue;
    for (to = 0; to < TO; to++) {
      uint32_t held = 0;

      for (from = 0; from < FROM; from++)
        held += last[to][from] != 0 && now / MS - last[to][from] / MS < TIME_WAIT_MS;
      most = held > most ? held : most;
    }
    nat_model_begin(model, now, true);
    nat_model_finish(model, &estimate);
    assert_int_equal(most, estimate.ports[NAT_BEST]);
  }
  nat_model_free(model);
  free(last);
}

/* --- Memory ----------------------------------------------------------------------------- */

static size_t in_use(void) {
  const struct mallinfo2 info = mallinfo2();

  return info.uordblks + info.hblkhd;
}

/* Bytes of memory that this process has; what it has but as addresses left out. */
static size_t resident(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  unsigned long pages = 0;

  assert_non_null(file);
  assert_int_equal(1, fscanf(file, "%*u %lu", &pages));
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A million closes within one TIME_WAIT, toward a hundred thousand destinations, each
 * from a local port of its own. What calloc() has not touched costs nothing: the rows are
 * counted by what is in them. */
static void test_memory_of_a_million_held_ports(void **state) {
  enum { HELD = 1000000, PLACES = 100000, BYTES_A_ROW = 112 };
  struct nat_model_settings large = settings;
  struct nat_model *model = NULL;
  struct nat_estimate estimate;
  size_t empty, before, grown, first = resident();
  bool counted; /* not by a sanitizer's malloc() */

  (void)state;
  large.destinations_max = NAT_DESTINATIONS_MAX;
  before = in_use();
  assert_int_equal(0, nat_model_new(&large, &model));
  empty = in_use();
  counted = empty != before;
  for (unsigned i = 0; i < HELD; i++) {
    const struct net_endpoint to = endpoint(i % PLACES), from = local(i / PLACES);

    nat_model_close(model, 100 * S + i * (nanoseconds)1000, &to, &from, NAT_CLOSE_ORDERLY);
  }
  grown = in_use() - empty;
  nat_model_begin(model, 102 * S, true);
  nat_model_finish(model, &estimate);
  assert_int_equal(HELD / PLACES, estimate.ports[NAT_BEST]);
  assert_int_equal(0, estimate.merged);
  assert_true(sizeof(struct nat_destination) + sizeof(struct nat_closed) <= BYTES_A_ROW);
  if (counted) {
    print_message("%.1f bytes for each of %d closes; %.1f MiB, of which the table of "
                  "destinations can have %.1f\n",
                  (double)grown / HELD, HELD,
                  (double)(grown + (empty - before)) / (1 << 20),
                  (double)(empty - before) / (1 << 20));
    print_message("%.1f MiB of memory in truth\n", (double)(resident() - first) / (1 << 20));
    assert_true((double)grown <= 16.0 * HELD + NAT_HUGE_PAGE); /* see nat_huge_alloc() */
    assert_true(resident() - first < 32u << 20);
    assert_true(grown + (empty - before) < 32u << 20);
  }
  nat_model_free(model);
  assert_true(in_use() < before + (1 << 20));
}

int main(void) {
  const char *given = getenv("EGRESS_TEST_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_port_used_again_is_one),
      cmocka_unit_test(test_many_ports_used_again),
      cmocka_unit_test(test_memory_of_a_million_held_ports),
  };

  print_message("EGRESS_TEST_SEED=%u\n", seed);
  srand(seed);
  return cmocka_run_group_tests_name("nat_reuse", tests, NULL, NULL);
}
