/* SPDX-License-Identifier: MIT
 *
 * The model of the ports against a reference that keeps each connection for itself and
 * goes through all of them for every figure.
 */
#include "nat_given.h"

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

static void test_agrees_with_the_reference(void **state) {
  static const uint32_t limits[] = {0, 16, 64, 4096};
  static const nanoseconds time_waits[] = {0, 2 * S, 12 * S, 120 * S};

  (void)state;
  for (size_t i = 0; i < 4; i++)
    for (size_t j = 0; j < 4; j++) {
      const struct nat_model_settings settings = settings_with(limits[i], time_waits[j]);

      live_and_compare(&settings);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_agrees_with_the_reference),
  };

  seed_random();
  return cmocka_run_group_tests_name("nat_reference", tests, NULL, NULL);
}
