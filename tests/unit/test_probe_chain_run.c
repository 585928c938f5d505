/* SPDX-License-Identifier: MIT
 *
 * When the attempts of a round are sent: the clock and the network are the test's.
 */
#include "unit.h"

#include "chain_run.h"
#include "option_tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MILLISECOND NANOSECONDS_PER_MILLISECOND
#define SECOND NANOSECONDS_PER_SECOND
#define TARGETS (2 * SCHEDULE_GROUP + 3)

/* All that a chain has asked for, in order; there is room for so many at once. */
struct network {
  struct probe_config config;
  struct board *board;
  struct chain_run *run;
  size_t room;
  bool broken; /* nothing can be sent */
  size_t failed, sent;
  struct transfer_order orders[TARGETS];
};

static int send_order(void *data, struct chain_run *run,
                      const struct transfer_order *order, nanoseconds now) {
  struct network *network = data;

  (void)now;
  if (network->broken) {
    network->failed++;
    return -EBUSY;
  }
  if (chain_run_active(run) == network->room)
    return -EAGAIN;
  assert_true(network->sent < TARGETS);
  network->orders[network->sent++] = *order;
  return 0;
}

static void write_stanza(char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size,
                                 "<Plugin egress_probe>\nInterval 100\nTimeout 10\n"
                                 "<Chain \"c\">\nLadder false\n");

  for (size_t i = 0; i < TARGETS; i++)
    used += (size_t)snprintf(text + used, size - used,
                             "<Target \"t%zu\">\nURL \"http://192.0.2.1/\"\n</Target>\n", i);
  snprintf(text + used, size - used, "</Chain>\n</Plugin>\n");
}

static int set_up(void **state) {
  static struct network network;
  struct chain_run_place place = {
      .config = &network.config, .send = send_order, .data = &network};
  char text[8192];
  struct option *tree;
  struct option_error error;

  network = (struct network){.room = TARGETS};
  write_stanza(text, sizeof(text));
  tree = option_tree_parse(text);
  assert_non_null(tree);
  probe_config_init(&network.config);
  assert_int_equal(0, probe_config_parse(tree, &network.config, &error));
  option_tree_free(tree);
  assert_int_equal(0, probe_config_settle(&network.config, SECOND, true, &error));
  assert_int_equal(0, board_new(&network.config, &network.board));
  place.board = network.board;
  assert_int_equal(0, chain_run_new(&place, 0, 0, &network.run));
  *state = &network;
  return 0;
}

static int tear_down(void **state) {
  struct network *network = *state;

  chain_run_free(network->run);
  board_free(network->board);
  probe_config_clear(&network->config);
  return 0;
}

static void end_order(struct network *network, size_t index, nanoseconds now) {
  const struct transfer transfer = {.order = network->orders[index],
                                    .attempt = {.hop = OUTCOME_NO_HOP,
                                                .ending = ENDING_DONE,
                                                .status_met = true,
                                                .body_met = true}};

  chain_run_ended(network->run, &transfer, now);
}

/* Each of a group is sent when the one before it has ended, and the next group at its
 * time; never are two under way. */
static void test_one_after_the_other(void **state) {
  struct network *network = *state;
  nanoseconds now = 0;

  for (size_t i = 0; i < TARGETS; i++) {
    nanoseconds next = chain_run_advance(network->run, now);

    if (i > 0 && i % SCHEDULE_GROUP == 0) {
      assert_int_equal(i, network->sent);
      assert_true(next > now);
      now = next;
      chain_run_advance(network->run, now);
    }
    assert_int_equal(i + 1, network->sent);
    assert_int_equal(i, network->orders[i].leg.target);
    now += 5 * MILLISECOND;
    end_order(network, i, now);
  }
  assert_true(chain_run_advance(network->run, now) > now);
  assert_int_equal(TARGETS, network->sent);
  assert_int_equal(0, chain_run_active(network->run));
}

/* While one hangs, the others go at their own times. */
static void test_one_that_hangs_holds_up_none(void **state) {
  struct network *network = *state;
  nanoseconds now = 0, next = chain_run_advance(network->run, now);

  for (size_t i = 1; i < TARGETS; i++) {
    assert_int_equal(i, network->sent);
    assert_true(next > now);
    now = next;
    next = chain_run_advance(network->run, now);
    end_order(network, i, now);
  }
  assert_int_equal(TARGETS, network->sent);
  assert_true(now < 100 * SECOND - 10 * SECOND);
  assert_int_equal(1, chain_run_active(network->run));
}

/* Where there is no room, the next one is sent when some has ended. */
static void test_no_room(void **state) {
  struct network *network = *state;

  network->room = 1;
  chain_run_advance(network->run, 0);
  for (size_t i = 1; i < TARGETS; i++) {
    assert_int_equal(NEVER, chain_run_advance(network->run, 70 * SECOND));
    assert_int_equal(i, network->sent);
    end_order(network, i - 1, 70 * SECOND);
  }
  chain_run_advance(network->run, 99 * SECOND);
  assert_int_equal(TARGETS, network->sent);
}

/* A moment in which nothing can be sent costs one target its round, not its group. */
static void test_one_that_cannot_be_sent(void **state) {
  struct network *network = *state;
  nanoseconds next;

  network->broken = true;
  next = chain_run_advance(network->run, 0);
  assert_int_equal(1, network->failed);
  assert_true(next > 0);
  network->broken = false;
  for (size_t i = 0; i + 1 < SCHEDULE_GROUP; i++) {
    chain_run_advance(network->run, next);
    assert_int_equal(i + 1, network->sent);
    assert_int_equal(i + 1, network->orders[i].leg.target);
    end_order(network, i, next);
  }
  assert_int_equal(1, network->failed);
}

/* A target whose probe is tried again has not ended. */
static void test_a_retry_comes_first(void **state) {
  struct network *network = *state;
  struct transfer failed = {.attempt = {.hop = OUTCOME_NO_HOP, .ending = ENDING_TIMEOUT}};

  network->config.retries = 1;
  chain_run_advance(network->run, 0);
  failed.order = network->orders[0];
  chain_run_ended(network->run, &failed, 5 * MILLISECOND);
  chain_run_advance(network->run, 5 * MILLISECOND);
  assert_int_equal(2, network->sent);
  assert_int_equal(0, network->orders[1].leg.target);
  assert_int_equal(1, network->orders[1].attempt);
  end_order(network, 1, 10 * MILLISECOND);
  chain_run_advance(network->run, 10 * MILLISECOND);
  assert_int_equal(3, network->sent);
  assert_int_equal(1, network->orders[2].leg.target);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_one_after_the_other, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_one_that_hangs_holds_up_none, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_one_that_cannot_be_sent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_retry_comes_first, set_up, tear_down),
  };

  return cmocka_run_group_tests_name("probe chain run", tests, NULL, NULL);
}
