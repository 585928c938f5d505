/* SPDX-License-Identifier: MIT */
#include "flow_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUPS 12
#define SOCKETS 2000

static void test_nothing(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, true);
  struct flow_summary *summary = finish(builder);

  (void)state;
  assert_int_equal(summary->group_count, 1);
  assert_int_equal(summary->listener_count, 0);
  assert_int_equal(summary->remote_count, 0);
  assert_int_equal(summary->begun, 42);
  for (size_t i = 0; i < TCP_STATE_COUNT; i++)
    assert_int_equal(summary->states[0][i], 0);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void test_listeners_on_one_port_are_summed(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, false);
  struct flow_summary *summary;

  (void)state;
  add(builder, listening(8080, 1, 16));
  add(builder, listening(443, 2, 128));
  add(builder, listening(8080, 3, 16));
  summary = finish(builder);
  assert_int_equal(summary->listener_count, 2);
  assert_int_equal(summary->listeners[0].port, 443);
  assert_int_equal(summary->listeners[1].port, 8080);
  assert_int_equal(summary->listeners[1].sockets, 2);
  assert_int_equal(summary->listeners[1].accept_queue, 4);
  assert_int_equal(summary->listeners[1].accept_limit, 32);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

/* Ports past the bound are not listed, but their connections stay inbound. */
static void test_listeners_are_bounded(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, true);
  struct flow_summary *summary;

  (void)state;
  for (unsigned port = 1; port <= FLOW_LISTENERS_MAX + 100; port++)
    add(builder, listening((uint16_t)port, 0, 1));
  add(builder, outgoing(TCP_STATE_ESTABLISHED, FLOW_LISTENERS_MAX + 50, 443));
  summary = finish(builder);
  assert_int_equal(summary->listener_count, FLOW_LISTENERS_MAX);
  assert_int_equal(summary->states[0][TCP_STATE_LISTEN], FLOW_LISTENERS_MAX + 100);
  assert_int_equal(summary->remote_count, 0);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void add_one_of_each(struct flow_builder *builder) {
  struct sock_diag_record record;

  add(builder, listening(3128, 0, 1));
  add(builder, outgoing(TCP_STATE_ESTABLISHED, 3128, 443)); /* inbound */
  add(builder, outgoing(TCP_STATE_ESTABLISHED, 40000, 443));
  add(builder, outgoing(TCP_STATE_CLOSE_WAIT, 40001, 443));
  add(builder, outgoing(TCP_STATE_FIN_WAIT2, 40002, 443));
  add(builder, outgoing(TCP_STATE_SYN_SENT, 40003, 443));
  record = outgoing(TCP_STATE_SYN_SENT, 40004, 443);
  record.retransmits = 2;
  add(builder, record);
  record = outgoing(TCP_STATE_TIME_WAIT, 40005, 443);
  record.minisocket = true;
  record.expires_ms = 59000;
  add(builder, record);
  record = outgoing(TCP_STATE_FIN_WAIT2, 40006, 443);
  record.minisocket = true;
  record.expires_ms = 20000;
  add(builder, record);
  add(builder, outgoing(TCP_STATE_SYN_RECEIVED, 40007, 443));
  add(builder, outgoing(TCP_STATE_CLOSE, 40008, 443));
  add(builder, outgoing(TCP_STATE_ESTABLISHED, 40000, 80));
}

static void test_remotes(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, true);

  (void)state;
  for (int round = 0; round < 2; round++) {
    struct flow_summary *summary;
    const struct flow_remote *remote;

    add_one_of_each(builder);
    summary = finish(builder);
    assert_int_equal(summary->serial, round + 1);
    assert_int_equal(summary->remote_count, 2);
    remote = &summary->remotes[summary->remotes[0].remote.port == 443 ? 0 : 1];
    assert_int_equal(remote->open, 3);
    assert_int_equal(remote->half_open, 2);
    assert_int_equal(remote->stalled, 1);
    assert_int_equal(remote->time_wait, 2);
    assert_int_equal(summary->remotes_omitted, 0);
    flow_summary_release(summary);
  }
  flow_builder_free(builder);
}

/* The bound holds, what is over it is counted, and the next pass starts anew. */
static void test_remotes_are_bounded(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, true);
  struct sock_diag_record record = outgoing(TCP_STATE_ESTABLISHED, 40000, 443);
  struct flow_summary *summary;
  uint64_t open = 0;

  (void)state;
  for (uint32_t i = 0; i < 2 * (FLOW_REMOTES_MAX + 1000u); i++) {
    uint32_t number = i % (FLOW_REMOTES_MAX + 1000u);

    record.remote.address = ipv4(198, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                                 (uint8_t)number);
    flow_builder_add(builder, &record);
  }
  summary = finish(builder);
  assert_int_equal(summary->remote_count, FLOW_REMOTES_MAX);
  assert_int_equal(summary->remotes_omitted, 2000);
  for (size_t i = 0; i < summary->remote_count; i++)
    open += summary->remotes[i].open;
  assert_int_equal(open, 2 * FLOW_REMOTES_MAX);
  flow_summary_release(summary);
  add(builder, outgoing(TCP_STATE_ESTABLISHED, 1, 2));
  summary = finish(builder);
  assert_int_equal(summary->remote_count, 1);
  assert_int_equal(summary->remotes_omitted, 0);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void test_summaries_are_counted(void **state) {
  struct flow_builder *builder = make_builder(NULL, 0, true);
  const struct flow_summary *summary;

  (void)state;
  add_one_of_each(builder);
  summary = finish(builder);
  flow_builder_free(builder); /* a summary outlives it */
  assert_ptr_equal(flow_summary_retain(summary), summary);
  flow_summary_release(summary);
  assert_int_equal(summary->listeners[0].port, 3128);
  flow_summary_release(summary);
  flow_summary_release(NULL);
  assert_null(flow_summary_retain(NULL));
}

/* As many ports as a configuration can name, and the two at the ends. */
static void test_very_many_ports(void **state) {
  static uint16_t all[65535];
  static const uint16_t ends[] = {1, 65535};
  const struct flow_group groups[] = {
      {.local_ports = all, .local_port_count = 65535},
      {.local_ports = ends, .local_port_count = 2},
      {.remote_scopes = 1u << NET_SCOPE_PUBLIC}};
  struct flow_builder *builder;
  struct flow_summary *summary;

  (void)state;
  for (unsigned i = 0; i < 65535; i++)
    all[i] = (uint16_t)(i + 1);
  builder = make_builder(groups, 3, false);
  for (unsigned port = 1; port <= 65535; port++)
    add(builder, outgoing(TCP_STATE_ESTABLISHED, (uint16_t)port, 443));
  summary = finish(builder);
  assert_int_equal(summary->states[1][TCP_STATE_ESTABLISHED], 65535);
  assert_int_equal(summary->states[2][TCP_STATE_ESTABLISHED], 2);
  assert_int_equal(summary->states[3][TCP_STATE_ESTABLISHED], 65535);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void test_too_many_groups(void **state) {
  static const uint16_t port = 1;
  struct flow_group groups[FLOW_GROUPS_MAX + 1];
  struct flow_spec spec = {.groups = groups, .group_count = FLOW_GROUPS_MAX + 1};
  struct flow_builder *builder = NULL;
  struct flow_summary *summary;

  (void)state;
  for (size_t i = 0; i < FLOW_GROUPS_MAX + 1; i++)
    groups[i] = (struct flow_group){.local_ports = &port, .local_port_count = 1};
  assert_int_equal(flow_builder_new(&spec, &builder), -EINVAL);
  spec.group_count--;
  assert_int_equal(flow_builder_new(&spec, &builder), 0);
  add(builder, outgoing(TCP_STATE_ESTABLISHED, 1, 443));
  summary = finish(builder);
  assert_int_equal(summary->group_count, FLOW_GROUPS_MAX + 1);
  assert_int_equal(summary->states[FLOW_GROUPS_MAX][TCP_STATE_ESTABLISHED], 1);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

/* --- Groups against a naive count ----------------------------------------------------- */

struct random_groups {
  struct flow_group groups[GROUPS];
  uint16_t ports[GROUPS][2][2];
  struct net_prefix networks[GROUPS][2][2];
};

static uint8_t random_byte(void) { return (uint8_t)(rand() >> 4); }

/* Few values, so that conditions meet often. */
static struct net_address random_address(void) {
  static const uint8_t first[] = {10, 127, 192, 198, 255};
  struct net_address address = {{0x20, 0x01, 0x0d, 0xb8}};

  if (rand() % 4 == 0) {
    address.bytes[4] = random_byte() % 4;
    address.bytes[15] = 1;
    return address;
  }
  return ipv4(first[rand() % 5], random_byte() % 2 ? 0 : 0xff, random_byte() % 4,
              random_byte());
}

static struct net_prefix random_network(void) {
  struct net_prefix prefix = {.base = random_address(), .length = random_byte() % 129};

  for (unsigned bit = prefix.length; bit < 128; bit++)
    prefix.base.bytes[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
  return prefix;
}

static void randomize(struct random_groups *random) {
  for (size_t i = 0; i < GROUPS; i++) {
    struct flow_group *group = &random->groups[i];

    for (size_t j = 0; j < 4; j++) {
      random->ports[i][j / 2][j % 2] = (uint16_t)(rand() % 6 + 1);
      random->networks[i][j / 2][j % 2] = random_network();
    }
    *group = (struct flow_group){.local_ports = random->ports[i][0],
                                 .local_port_count = rand() % 3 ? 0 : 2,
                                 .remote_ports = random->ports[i][1],
                                 .remote_port_count = rand() % 3 ? 0 : 1,
                                 .local_networks = random->networks[i][0],
                                 .local_network_count = rand() % 3 ? 0 : 2,
                                 .remote_networks = random->networks[i][1],
                                 .remote_network_count = rand() % 3 ? 0 : 2,
                                 .remote_scopes = rand() % 3 ? 0 : 1u + rand() % 7u};
  }
}

static bool has_port(const uint16_t *ports, size_t count, uint16_t port) {
  for (size_t i = 0; i < count; i++)
    if (ports[i] == port)
      return true;
  return count == 0;
}

static bool has_address(const struct net_prefix *networks, size_t count,
                        const struct net_address *address) {
  return count == 0 || net_prefixes_contain(networks, count, address);
}

/* The definition of a group in flow.h, to the letter. */
static bool naive_match(const struct flow_group *group,
                        const struct sock_diag_record *record) {
  bool names_remote =
      group->remote_port_count || group->remote_network_count || group->remote_scopes;

  if (record->remote.port == 0 && names_remote)
    return false;
  return has_port(group->local_ports, group->local_port_count, record->local.port) &&
         has_port(group->remote_ports, group->remote_port_count, record->remote.port) &&
         has_address(group->local_networks, group->local_network_count,
                     &record->local.address) &&
         has_address(group->remote_networks, group->remote_network_count,
                     &record->remote.address) &&
         (group->remote_scopes == 0 ||
          group->remote_scopes & 1u << net_address_scope(&record->remote.address));
}

static struct sock_diag_record random_record(void) {
  struct sock_diag_record record = {
      .local = {random_address(), (uint16_t)(rand() % 8)},
      .remote = {random_address(), (uint16_t)(rand() % 8)},
      .state = (uint8_t)(rand() % (TCP_STATE_COUNT - 1) + 1)};

  return record;
}

static void check_groups(unsigned seed) {
  static struct random_groups random;
  uint64_t expected[GROUPS + 1][TCP_STATE_COUNT] = {{0}};
  struct flow_builder *builder;
  struct flow_summary *summary;

  srand(seed);
  randomize(&random);
  builder = make_builder(random.groups, GROUPS, false);
  for (size_t i = 0; i < SOCKETS; i++) {
    struct sock_diag_record record = random_record();

    flow_builder_add(builder, &record);
    expected[0][record.state]++;
    for (size_t group = 0; group < GROUPS; group++)
      expected[group + 1][record.state] += naive_match(&random.groups[group], &record);
  }
  summary = finish(builder);
  for (size_t group = 0; group <= GROUPS; group++)
    for (size_t i = 0; i < TCP_STATE_COUNT; i++)
      if (summary->states[group][i] != expected[group][i])
        fail_msg("seed %u: group %zu has %llu sockets in state %zu, expected %llu", seed,
                 group, (unsigned long long)summary->states[group][i], i,
                 (unsigned long long)expected[group][i]);
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void test_groups_against_naive_count(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  for (unsigned round = 0; round < 40; round++)
    check_groups(seed + round);
}

/* --- Remotes against a naive count ------------------------------------------------------ */

static void check_remotes(unsigned seed) {
  static struct sock_diag_record records[SOCKETS];
  struct flow_builder *builder = make_builder(NULL, 0, true);
  struct flow_summary *summary;
  uint64_t total = 0;

  srand(seed);
  for (size_t i = 0; i < SOCKETS; i++) {
    records[i] = outgoing(TCP_STATE_ESTABLISHED, 1, (uint16_t)(rand() % 3 + 1));
    records[i].remote.address = random_address();
    flow_builder_add(builder, &records[i]);
  }
  summary = finish(builder);
  for (size_t i = 0; i < summary->remote_count; i++) {
    const struct flow_remote *remote = &summary->remotes[i];
    uint32_t expected = 0;

    for (size_t j = 0; j < SOCKETS; j++)
      expected += net_endpoint_equal(&records[j].remote, &remote->remote);
    if (remote->open != expected)
      fail_msg("seed %u: remote %zu has %u sockets, expected %u", seed, i, remote->open,
               expected);
    total += remote->open;
  }
  assert_int_equal(total, SOCKETS); /* so none stands twice */
  flow_summary_release(summary);
  flow_builder_free(builder);
}

static void test_remotes_against_naive_count(void **state) {
  unsigned seed = (unsigned)time(NULL);

  (void)state;
  for (unsigned round = 0; round < 5; round++)
    check_remotes(seed + round);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nothing),
      cmocka_unit_test(test_listeners_on_one_port_are_summed),
      cmocka_unit_test(test_listeners_are_bounded),
      cmocka_unit_test(test_remotes),
      cmocka_unit_test(test_remotes_are_bounded),
      cmocka_unit_test(test_summaries_are_counted),
      cmocka_unit_test(test_very_many_ports),
      cmocka_unit_test(test_too_many_groups),
      cmocka_unit_test(test_groups_against_naive_count),
      cmocka_unit_test(test_remotes_against_naive_count),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
