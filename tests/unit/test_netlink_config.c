/* SPDX-License-Identifier: MIT */
#include "netlink_config.h"
#include "netlink_metrics.h"
#include "option_tree.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

/* Parses the lines as the body of the plugin's block. */
static int parse(const char *lines, struct netlink_config *config,
                 struct option_error *error) {
  char text[8192];
  struct option *tree;
  int status;

  snprintf(text, sizeof(text), "<Plugin egress_netlink>\n%s\n</Plugin>\n", lines);
  tree = option_tree_parse(text);
  assert_non_null(tree);
  status = netlink_config_parse(tree, config, error);
  option_tree_free(tree);
  return status;
}

static void assert_refused(const char *lines, const char *first, const char *second) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  struct option_error error = {""};

  assert_int_equal(parse(lines, &config, &error), -EINVAL);
  if (!strstr(error.text, first) || !strstr(error.text, second))
    fail_msg("\"%s\" lacks \"%s\" or \"%s\"", error.text, first, second);
  netlink_config_free(&config);
}

static void test_defaults(void **state) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  struct option_error error;

  (void)state;
  assert_int_equal(parse("", &config, &error), 0);
  assert_true(config.latency);
  assert_true(config.conntrack);
  assert_false(config.conntrack_states);
  assert_int_equal(config.group_count, 0);
  netlink_config_free(&config);
}

static void test_everything(void **state) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  struct flow_group groups[FLOW_GROUPS_MAX];
  struct option_error error;

  (void)state;
  assert_int_equal(parse("Latency false\n"
                         "Conntrack false\n"
                         "ConntrackStates true\n"
                         "<Group \"clients\">\n"
                         "LocalPort 3128\n"
                         "LocalPort \"3129\"\n"
                         "LocalNetwork \"10.0.0.0/8\"\n"
                         "</Group>\n"
                         "<Group \"api\">\n"
                         "RemotePort 443\n"
                         "RemoteNetwork \"192.0.2.7\"\n"
                         "RemoteNetwork \"2001:db8::/32\"\n"
                         "RemoteScope \"public\"\n"
                         "RemoteScope \"Loopback\"\n"
                         "</Group>",
                         &config, &error),
                   0);
  assert_false(config.latency);
  assert_false(config.conntrack);
  assert_true(config.conntrack_states);
  assert_int_equal(config.group_count, 2);
  assert_string_equal(config.groups[0].name, "clients");
  assert_string_equal(config.groups[1].name, "api");
  netlink_config_flow_groups(&config, groups);
  assert_int_equal(groups[0].local_port_count, 2);
  assert_int_equal(groups[0].local_ports[0], 3128);
  assert_int_equal(groups[0].local_ports[1], 3129);
  assert_int_equal(groups[0].local_network_count, 1);
  assert_int_equal(groups[0].local_networks[0].length, 104);
  assert_int_equal(groups[0].remote_scopes, 0);
  assert_int_equal(groups[1].remote_ports[0], 443);
  assert_int_equal(groups[1].remote_network_count, 2);
  assert_int_equal(groups[1].remote_networks[0].length, 128);
  assert_int_equal(groups[1].remote_networks[1].length, 32);
  assert_int_equal(groups[1].remote_scopes,
                   1u << NET_SCOPE_PUBLIC | 1u << NET_SCOPE_LOOPBACK);
  netlink_config_free(&config);
}

/* collectd calls once for each <Plugin> block. */
static void test_two_blocks_add_up(void **state) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  struct option_error error = {""};

  (void)state;
  assert_int_equal(parse("<Group \"a\">\nLocalPort 1\n</Group>", &config, &error), 0);
  assert_int_equal(parse("<Group \"b\">\nLocalPort 2\n</Group>", &config, &error), 0);
  assert_int_equal(config.group_count, 2);
  assert_int_equal(parse("<Group \"a\">\nLocalPort 3\n</Group>", &config, &error),
                   -EINVAL);
  assert_non_null(strstr(error.text, "already"));
  netlink_config_free(&config);
}

static void test_refusals(void **state) {
  (void)state;
  assert_refused("Bogus 1", "Bogus", "Group, ");
  assert_refused("Conntrack \"yes\"", "Conntrack \"yes\"", "true or false");
  assert_refused("Latency 5", "Latency 5", "true or false");
  assert_refused("ConntrackStates \"all\"", "ConntrackStates \"all\"", "true or false");
  assert_refused("Conntrack true\nConntrack true", "Conntrack", "twice");
  assert_refused("<Group>\nLocalPort 1\n</Group>", "Group", "expected one name");
  assert_refused("<Group \"x\">\n</Group>", "Group \"x\"", "expected at least one of LocalPort");
  assert_refused("<Group \"x\">\nLocalPort 0\n</Group>", "<Group \"x\"> LocalPort 0",
                 "from 1 to 65535");
  assert_refused("<Group \"x\">\nLocalPort 65536\n</Group>", "LocalPort", "65535");
  assert_refused("<Group \"x\">\nRemotePort \"https\"\n</Group>", "RemotePort \"https\"",
                 "65535");
  assert_refused("<Group \"x\">\nRemotePort 1.5\n</Group>", "RemotePort", "whole number");
  assert_refused("<Group \"x\">\nLocalNetwork \"10.0.0.1/8\"\n</Group>",
                 "LocalNetwork \"10.0.0.1/8\"", "host bits");
  assert_refused("<Group \"x\">\nRemoteNetwork \"example\"\n</Group>", "RemoteNetwork",
                 "expected a network");
  assert_refused("<Group \"x\">\nRemoteScope \"outer\"\n</Group>",
                 "RemoteScope \"outer\"", "\"loopback\"");
  assert_refused("<Group \"x\">\nPort 1\n</Group>", "Port", "allowed here");
}

static void test_group_names(void **state) {
  static const char *const reserved[] = {"all", "self", "conntrack", "sockstat"};
  char lines[512];
  char name[129];

  (void)state;
  for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
    snprintf(lines, sizeof(lines), "<Group \"%s\">\nLocalPort 1\n</Group>", reserved[i]);
    assert_refused(lines, reserved[i], "reserved");
  }
  assert_refused("<Group \"listen:80\">\nLocalPort 1\n</Group>", "listen:80", "':'");
  assert_refused("<Group \"a/b\">\nLocalPort 1\n</Group>", "a/b", "'/'");
  memset(name, 'n', 128);
  name[128] = '\0';
  snprintf(lines, sizeof(lines), "<Group \"%s\">\nLocalPort 1\n</Group>", name);
  assert_refused(lines, "128 bytes", "127");
}

static void test_too_many(void **state) {
  char lines[8192] = "";
  size_t used = 0;

  (void)state;
  for (int i = 0; i <= FLOW_GROUPS_MAX; i++)
    used += (size_t)snprintf(lines + used, sizeof(lines) - used,
                             "<Group \"g%d\">\nLocalPort 1\n</Group>\n", i);
  assert_true(used < sizeof(lines));
  assert_refused(lines, "g63", "more than 63 groups");
}

static void test_a_long_list_ends(void **state) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  struct option_value value = {.type = OPTION_NUMBER, .number = 1};
  struct option_value label = {.type = OPTION_STRING, .string = "g"};
  static struct option ports[NETLINK_LIST_MAX + 1];
  struct option group = {.name = "Group",
                         .value_count = 1,
                         .values = &label,
                         .child_count = NETLINK_LIST_MAX + 1,
                         .children = ports};
  struct option block = {.name = "Plugin", .child_count = 1, .children = &group};
  struct option_error error = {""};

  (void)state;
  for (size_t i = 0; i <= NETLINK_LIST_MAX; i++)
    ports[i] = (struct option){
        .name = "LocalPort", .parent = &group, .value_count = 1, .values = &value};
  assert_int_equal(netlink_config_parse(&block, &config, &error), -EINVAL);
  assert_non_null(strstr(error.text, "1024"));
  assert_int_equal(config.groups[0].local_port_count, NETLINK_LIST_MAX);
  netlink_config_free(&config);
}

/* What the daemon dispatches by index must be in the table. */
static void test_metric_table_is_whole(void **state) {
  (void)state;
  assert_int_equal(netlink_metrics.count, NETLINK_METRIC_COUNT);
  for (size_t i = 0; i < netlink_metrics.count; i++) {
    assert_non_null(netlink_metrics.metrics[i].type);
    assert_non_null(netlink_metrics.metrics[i].plugin_instance);
    assert_non_null(netlink_metrics.metrics[i].unit);
    assert_non_null(netlink_metrics.metrics[i].help);
  }
  for (size_t i = 1; i < TCP_STATE_COUNT; i++)
    assert_non_null(netlink_state_names[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_everything),
      cmocka_unit_test(test_two_blocks_add_up),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_group_names),
      cmocka_unit_test(test_too_many),
      cmocka_unit_test(test_a_long_list_ends),
      cmocka_unit_test(test_metric_table_is_whole),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
