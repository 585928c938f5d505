/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "option_tree.h"
#include "round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char stanza[] = "<Plugin egress_probe>\n"
                             "<Hop \"a\">\nURL \"http://10.0.0.1:3128\"\n</Hop>\n"
                             "<Hop \"b\">\nURL \"http://10.0.0.2:3128\"\n</Hop>\n"
                             "<Chain \"pod\">\n  Hops \"a\" \"b\"\n"
                             "  <Target \"t0\">\n    URL \"https://one.example/\"\n  </Target>\n"
                             "  <Control \"c\">\n    URL \"https://g.example/\"\n  </Control>\n"
                             "  <Target \"t1\">\n    URL \"http://198.51.100.7/\"\n  </Target>\n"
                             "</Chain>\n"
                             "<Chain \"vm\">\n  Hops \"b\"\n  Direct true\n"
                             "  <Target \"t0\">\n    URL \"https://one.example/\"\n  </Target>\n"
                             "</Chain>\n"
                             "<Chain \"straight\">\n"
                             "  <Target \"t0\">\n    URL \"https://one.example/\"\n  </Target>\n"
                             "  <Control \"c\">\n    URL \"https://g.example/\"\n  </Control>\n"
                             "</Chain>\n</Plugin>\n";

static struct probe_config config;

static int set_up(void **state) {
  struct option *tree = option_tree_parse(stanza);
  struct option_error error;
  int result;

  (void)state;
  probe_config_init(&config);
  result = tree ? probe_config_parse(tree, &config, &error) : -1;
  option_tree_free(tree);
  return result;
}

static int tear_down(void **state) {
  (void)state;
  probe_config_clear(&config);
  return 0;
}

/* "t0@0 t1@0", "tcp@0 ..." in the order of the list. */
static void assert_legs(const char *expected, struct leg *legs, size_t count,
                        const struct probe_chain *chain) {
  char found[512] = "";

  for (size_t i = 0; i < count; i++) {
    size_t used = strlen(found);

    snprintf(found + used, sizeof(found) - used, "%s%s@%zu", i ? " " : "",
             legs[i].hop_tcp ? "tcp" : chain->targets[legs[i].target].name,
             legs[i].entry);
  }
  assert_string_equal(expected, found);
  free(legs);
}

static void assert_sets(size_t chain_index, const char *whole, const char *ladder) {
  const struct probe_chain *chain = &config.chains[chain_index];
  const struct outcome ok = {.result = RESULT_OK};
  struct round *round = NULL;
  struct leg *legs = NULL;
  size_t count = 0;

  assert_int_equal(0, round_new(&config, chain, &round));
  assert_int_equal(0, round_begin(round, &legs, &count));
  for (size_t i = 0; i < count; i++)
    round_record(round, &legs[i], &ok, 0);
  assert_legs(whole, legs, count, chain);
  assert_int_equal(0, round_begin_ladder(round, &legs, &count));
  assert_legs(ladder, legs, count, chain);
  round_free(round);
}

static void test_legs(void **state) {
  (void)state;
  assert_sets(0, "t0@0 t1@0", "tcp@0 tcp@1 c@0 c@1 t0@1 t1@1");
  assert_sets(1, "t0@0", "tcp@0 t0@1");
  assert_sets(2, "t0@0", "c@0");
}

static bool never_found(const struct net_endpoint *destination, nanoseconds now,
                        struct verdict_target *target) {
  (void)destination;
  (void)now;
  (void)target;
  return false;
}

static const struct outcome works = {.result = RESULT_OK, .phase = PHASE_TRANSFER};
static const struct outcome refused = {.result = RESULT_REFUSED, .phase = PHASE_CONNECT};

/* All legs of the set; `failing` may be NULL, or says which ones fail. */
static void play(struct round *round, bool ladder,
                 bool (*failing)(const struct leg *leg)) {
  struct leg *legs = NULL;
  size_t count = 0;

  assert_int_equal(0, ladder ? round_begin_ladder(round, &legs, &count)
                             : round_begin(round, &legs, &count));
  for (size_t i = 0; i < count; i++)
    round_record(round, &legs[i], failing && failing(&legs[i]) ? &refused : &works, 0);
  free(legs);
}

static bool first_hop_is_dead(const struct leg *leg) { return leg->entry == 0; }

static bool all_are_dead(const struct leg *leg) {
  (void)leg;
  return true;
}

static void test_evidence_is_remembered(void **state) {
  struct round *round = NULL;
  struct schedule_findings findings;

  (void)state;
  assert_int_equal(0, round_new(&config, &config.chains[0], &round));
  assert_false(round_has_results(round));
  play(round, false, NULL);
  play(round, true, NULL);
  findings = round_findings(round);
  assert_false(findings.failed || findings.changed);
  assert_int_equal(VERDICT_NONE, round_verdict(round, never_found, 0).location);

  play(round, false, first_hop_is_dead);
  findings = round_findings(round);
  assert_true(findings.failed && findings.changed);
  play(round, true, first_hop_is_dead);
  assert_int_equal(VERDICT_HOP, round_verdict(round, never_found, 0).location);

  play(round, false, first_hop_is_dead); /* the ladder's findings still hold */
  findings = round_findings(round);
  assert_true(findings.failed && !findings.changed);
  assert_int_equal(VERDICT_HOP, round_verdict(round, never_found, 0).location);

  play(round, false, all_are_dead);
  play(round, true, all_are_dead); /* the second has worked, so it counts */
  assert_int_equal(VERDICT_HOP + 1, round_verdict(round, never_found, 0).location);

  play(round, false, NULL);
  assert_true(round_findings(round).changed);
  assert_int_equal(VERDICT_NONE, round_verdict(round, never_found, 0).location);
  round_free(round);
}

/* egress_nat knows t1's address to be out of ports. */
static bool found_literal(const struct net_endpoint *destination, nanoseconds now,
                          struct verdict_target *target) {
  struct net_address literal;

  assert_int_equal(0, net_address_parse("198.51.100.7", &literal));
  assert_int_equal(777, now);
  target->nat_ports_used = 64;
  return destination->port == 80 && net_address_equal(&destination->address, &literal);
}

static bool second_target_is_dead(const struct leg *leg) { return leg->target == 2; }

static void test_nat_is_asked_for_failing_targets(void **state) {
  struct round *round = NULL;
  struct verdict verdict;

  (void)state;
  assert_int_equal(0, round_new(&config, &config.chains[0], &round));
  play(round, false, NULL);
  assert_int_equal(VERDICT_NONE, round_verdict(round, found_literal, 777).location);
  play(round, false, second_target_is_dead);
  assert_int_equal(VERDICT_TARGET, round_verdict(round, never_found, 777).location);
  verdict = round_verdict(round, found_literal, 777);
  assert_int_equal(VERDICT_EGRESS, verdict.location);
  assert_true(verdict.partial);
  round_free(round);
}

static unsigned addresses_seen;

static bool count_addresses(const struct net_endpoint *destination, nanoseconds now,
                            struct verdict_target *target) {
  (void)destination;
  (void)now;
  (void)target;
  addresses_seen++;
  return false;
}

static void test_addresses_are_bounded(void **state) {
  struct net_endpoint endpoint = {.port = 443};
  struct round *round = NULL;

  (void)state;
  assert_int_equal(0, round_new(&config, &config.chains[1], &round));
  for (int i = 0; i < 100; i++) {
    endpoint.address.bytes[15] = (uint8_t)(i / 2); /* each twice */
    round_add_address(round, 0, &endpoint);
  }
  play(round, false, all_are_dead);
  addresses_seen = 0;
  round_verdict(round, count_addresses, 0);
  assert_int_equal(ROUND_ADDRESSES_MAX, addresses_seen);
  round_free(round);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_legs, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_evidence_is_remembered, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_nat_is_asked_for_failing_targets, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_addresses_are_bounded, set_up, tear_down),
  };

  return cmocka_run_group_tests_name("probe round", tests, NULL, NULL);
}
