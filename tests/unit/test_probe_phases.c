/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "histogram.h"
#include "phases.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static nanoseconds length_of(const struct phases *phases, enum phase phase) {
  for (size_t i = 0; i < phases->count; i++)
    if (phases->lengths[i].phase == phase)
      return phases->lengths[i].length;
  return -1;
}

static void test_tunnel_through_a_tls_proxy(void **state) {
  const struct phase_plan plan = {.proxy_tls = true, .tunnel = true, .target_tls = true};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &plan, 0, 1000);
  phases_on_socket(&phases, 1001);        /* dns 1 */
  phases_on_tls(&phases, 1003);           /* connect 2 */
  phases_on_request(&phases, true, 1007); /* proxy_tls 4 */
  phases_on_answer(&phases, 200, 1013);
  phases_on_answer_read(&phases, 1015); /* tunnel 8 */
  phases_on_tls(&phases, 1015);
  phases_on_request(&phases, false, 1031); /* tls 16 */
  phases_on_answer(&phases, 200, 1063);    /* ttfb 32 */
  phases_end(&phases, 1127);               /* transfer 64 */
  assert_int_equal(PHASE_COUNT, phases.count);
  for (int phase = 0; phase < PHASE_COUNT; phase++)
    assert_int_equal(1 << phase, length_of(&phases, (enum phase)phase));
  assert_int_equal(127, phases_total(&phases));
}

static void test_refused_connect_reaches_no_tls(void **state) {
  const struct phase_plan plan = {.tunnel = true, .target_tls = true};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &plan, 0, 0);
  phases_on_socket(&phases, 1);
  phases_on_request(&phases, true, 3);
  phases_on_answer(&phases, 403, 10);
  phases_on_answer_read(&phases, 11);
  phases_end(&phases, 12);
  assert_int_equal(PHASE_TUNNEL, phases_current(&phases));
  assert_int_equal(9, length_of(&phases, PHASE_TUNNEL));
  assert_int_equal(-1, length_of(&phases, PHASE_TLS));
  assert_int_equal(-1, length_of(&phases, PHASE_PROXY_TLS));
}

static void test_a_tunnel_stands_when_its_headers_end(void **state) {
  const struct phase_plan plan = {.tunnel = true, .target_tls = true};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &plan, 0, 0);
  phases_on_socket(&phases, 1);
  phases_on_request(&phases, true, 3);
  phases_on_answer(&phases, 200, 10);
  phases_end(&phases, 40);
  assert_int_equal(PHASE_TUNNEL, phases_current(&phases));
  assert_int_equal(37, length_of(&phases, PHASE_TUNNEL));
  assert_int_equal(-1, length_of(&phases, PHASE_TLS));
}

/* What the first hop has granted is not the second one's answer, if that is none. */
static void test_each_hop_grants_its_own_tunnel(void **state) {
  const struct phase_plan first = {.tunnel = true};
  const struct phase_plan last = {.tunnel = true, .target_tls = true};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &first, 0, 0);
  phases_on_socket(&phases, 1);
  phases_on_request(&phases, true, 2);
  phases_on_answer(&phases, 200, 3);
  phases_on_answer_read(&phases, 3);
  phases_next_hop(&phases, &last, 1, 4);
  phases_on_request(&phases, true, 4);
  phases_on_answer_read(&phases, 6);
  phases_end(&phases, 7);
  assert_int_equal(PHASE_TUNNEL, phases_current(&phases));
  assert_int_equal(-1, length_of(&phases, PHASE_TLS));
}

static void test_failure_ends_the_phase_it_is_in(void **state) {
  const struct phase_plan plan = {0};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &plan, 0, 5);
  phases_end(&phases, 8);
  assert_int_equal(1, phases.count);
  assert_int_equal(3, length_of(&phases, PHASE_DNS));

  phases_begin(&phases, &plan, 0, 5);
  phases_on_socket(&phases, 6);
  phases_on_socket(&phases, 7); /* the other address family */
  phases_end(&phases, 26);
  assert_int_equal(20, length_of(&phases, PHASE_CONNECT));
}

static void test_redirect_adds_to_the_same_phases(void **state) {
  const struct phase_plan plan = {0};
  struct phases phases;

  (void)state;
  phases_begin(&phases, &plan, 0, 0);
  for (int i = 0; i < 3; i++) {
    phases_on_socket(&phases, 10 * i + 1);
    phases_on_request(&phases, false, 10 * i + 3);
    phases_on_answer(&phases, 302, 10 * i + 6);
  }
  phases_end(&phases, 30);
  assert_int_equal(6, length_of(&phases, PHASE_CONNECT));
  assert_int_equal(9, length_of(&phases, PHASE_TTFB));
  assert_int_equal(30, phases_total(&phases));
}

/* Whatever happens in whatever order, also with a clock that stands still. */
static void test_lengths_always_add_up(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  print_message("seed %u\n", seed);
  for (int run = 0; run < 2000; run++) {
    const struct phase_plan plan = {.proxy_tls = rand_r(&seed) % 2,
                                    .tunnel = rand_r(&seed) % 2,
                                    .target_tls = rand_r(&seed) % 2};
    nanoseconds now = rand_r(&seed), begun = now;
    struct phases phases;

    phases_begin(&phases, &plan, 0, now);
    for (int event = 0; event < 30; event++) {
      now += rand_r(&seed) % 100;
      switch (rand_r(&seed) % 5) {
      case 0:
        phases_on_socket(&phases, now);
        break;
      case 1:
        phases_on_tls(&phases, now);
        break;
      case 2:
        phases_on_request(&phases, rand_r(&seed) % 2, now);
        break;
      case 3:
        phases_on_answer_read(&phases, now);
        break;
      default:
        phases_on_answer(&phases, 100 + rand_r(&seed) % 500, now);
      }
    }
    phases_end(&phases, now);
    assert_int_equal(now - begun, phases_total(&phases));
    assert_true(phases.count <= PHASES_MAX);
    for (size_t i = 0; i < phases.count; i++)
      assert_true(phases.lengths[i].length >= 0);
  }
}

static void test_histogram_is_cumulative(void **state) {
  struct histogram histogram = {{0}};

  (void)state;
  histogram_add(&histogram, seconds_to_nanoseconds(0.004));
  histogram_add(&histogram, 100 * NANOSECONDS_PER_MILLISECOND); /* the bound itself */
  histogram_add(&histogram, 60 * NANOSECONDS_PER_SECOND);
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    double bound = strtod(histogram_bounds[i], NULL); /* +Inf is infinite */

    assert_int_equal((bound >= 0.004) + (bound >= 0.1) + (bound >= 60),
                     histogram.counts[i]);
  }
  assert_string_equal("+Inf", histogram_bounds[HISTOGRAM_BUCKETS - 1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tunnel_through_a_tls_proxy),
      cmocka_unit_test(test_refused_connect_reaches_no_tls),
      cmocka_unit_test(test_a_tunnel_stands_when_its_headers_end),
      cmocka_unit_test(test_each_hop_grants_its_own_tunnel),
      cmocka_unit_test(test_failure_ends_the_phase_it_is_in),
      cmocka_unit_test(test_redirect_adds_to_the_same_phases),
      cmocka_unit_test(test_lengths_always_add_up),
      cmocka_unit_test(test_histogram_is_cumulative),
  };

  return cmocka_run_group_tests_name("probe phases", tests, NULL, NULL);
}
