/* SPDX-License-Identifier: MIT */
#include "netlink_config.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

/* collectd cuts an instance at DATA_MAX_NAME_LEN, 128 with the final NUL. */
#define NAME_LIMIT 127

#define RULE_COUNT(rules) (sizeof(rules) / sizeof(*(rules)))

/* Instances of our own values, which a group of that name would mix with. */
static const char *const reserved_names[] = {"all", "self", "conntrack", "sockstat",
                                             NULL};

static const char *const scope_names[NET_SCOPE_COUNT] = {
    [NET_SCOPE_LOOPBACK] = "loopback",
    [NET_SCOPE_PRIVATE] = "private",
    [NET_SCOPE_PUBLIC] = "public",
};

/* --- Lists ------------------------------------------------------------------- */

/* Makes the list one longer. Returns the list, or NULL with *status set. */
static void *grow_list(const struct option *option, void *list, size_t count,
                       size_t size, struct option_error *error, int *status) {
  void *grown;

  if (count == NETLINK_LIST_MAX) {
    *status = option_fail(option, error, "more than %d in one group; use fewer, or "
                                         "networks in place of addresses",
                          NETLINK_LIST_MAX);
    return NULL;
  }
  grown = realloc(list, (count + 1) * size);
  *status = grown ? 0 : -ENOMEM;
  return grown;
}

static int append_port(const struct option *option, uint16_t **ports, size_t *count,
                       struct option_error *error) {
  int64_t port = 0;
  int status = option_get_integer(option, 1, UINT16_MAX, &port, error);
  uint16_t *grown;

  if (status < 0)
    return status;
  grown = grow_list(option, *ports, *count, sizeof(*grown), error, &status);
  if (!grown)
    return status;
  *ports = grown;
  grown[(*count)++] = (uint16_t)port;
  return 0;
}

static int append_network(const struct option *option, struct net_prefix **networks,
                          size_t *count, struct option_error *error) {
  const char *text = NULL;
  struct net_prefix network;
  struct net_prefix *grown;
  int status = option_get_text(option, &text, error);

  if (status < 0)
    return status;
  if (net_prefix_parse(text, &network) < 0)
    return option_fail(option, error,
                       "expected a network like \"10.0.0.0/8\" or \"2001:db8::/32\" "
                       "without host bits, or an address");
  grown = grow_list(option, *networks, *count, sizeof(*grown), error, &status);
  if (!grown)
    return status;
  *networks = grown;
  grown[(*count)++] = network;
  return 0;
}

/* --- <Group> ------------------------------------------------------------------ */

static int read_local_port(const struct option *option, void *into,
                           struct option_error *error) {
  struct netlink_group *group = into;

  return append_port(option, &group->local_ports, &group->local_port_count, error);
}

static int read_remote_port(const struct option *option, void *into,
                            struct option_error *error) {
  struct netlink_group *group = into;

  return append_port(option, &group->remote_ports, &group->remote_port_count, error);
}

static int read_local_network(const struct option *option, void *into,
                              struct option_error *error) {
  struct netlink_group *group = into;

  return append_network(option, &group->local_networks, &group->local_network_count,
                        error);
}

static int read_remote_network(const struct option *option, void *into,
                               struct option_error *error) {
  struct netlink_group *group = into;

  return append_network(option, &group->remote_networks, &group->remote_network_count,
                        error);
}

static int read_remote_scope(const struct option *option, void *into,
                             struct option_error *error) {
  struct netlink_group *group = into;
  const char *text = NULL;
  int status = option_get_text(option, &text, error);

  if (status < 0)
    return status;
  for (unsigned scope = 0; scope < NET_SCOPE_COUNT; scope++)
    if (strcasecmp(text, scope_names[scope]) == 0) {
      group->remote_scopes |= 1u << scope;
      return 0;
    }
  return option_fail(option, error,
                     "expected \"public\", \"private\" or \"loopback\"");
}

static const struct option_rule group_rules[] = {
    {.name = "LocalPort", .kind = OPTION_CUSTOM, .read = read_local_port, .repeats = true},
    {.name = "RemotePort",
     .kind = OPTION_CUSTOM,
     .read = read_remote_port,
     .repeats = true},
    {.name = "LocalNetwork",
     .kind = OPTION_CUSTOM,
     .read = read_local_network,
     .repeats = true},
    {.name = "RemoteNetwork",
     .kind = OPTION_CUSTOM,
     .read = read_remote_network,
     .repeats = true},
    {.name = "RemoteScope",
     .kind = OPTION_CUSTOM,
     .read = read_remote_scope,
     .repeats = true},
};

/* The newest group's name is no other one's. */
static int check_unique(const struct option *option, const struct netlink_config *config,
                        struct option_error *error) {
  const struct netlink_group *newest = &config->groups[config->group_count - 1];

  for (const struct netlink_group *other = config->groups; other < newest; other++)
    if (strcmp(other->name, newest->name) == 0)
      return option_fail(option, error,
                         "there is a group of this name already; choose another");
  return 0;
}

static bool is_empty(const struct netlink_group *group) {
  return group->local_port_count + group->remote_port_count +
             group->local_network_count + group->remote_network_count +
             group->remote_scopes ==
         0;
}

static int read_group(const struct option *option, void *into,
                      struct option_error *error) {
  struct netlink_config *config = into;
  struct netlink_group *group = &config->groups[config->group_count];
  int status;

  if (config->group_count == FLOW_GROUPS_MAX)
    return option_fail(option, error, "more than %d groups", FLOW_GROUPS_MAX);
  status = option_take_label(option, NAME_LIMIT, reserved_names, &group->name, error);
  if (status < 0)
    return status;
  config->group_count++;
  status = check_unique(option, config, error);
  if (status == 0)
    status = option_walk(option, group_rules, RULE_COUNT(group_rules), group, error);
  if (status == 0 && is_empty(group))
    return option_fail(option, error,
                       "the group says nothing of its sockets; expected at least one of "
                       "LocalPort, RemotePort, LocalNetwork, RemoteNetwork, RemoteScope");
  return status;
}

/* --- <Plugin> ----------------------------------------------------------------- */

static const struct option_rule plugin_rules[] = {
    {.name = "Group", .kind = OPTION_CUSTOM, .read = read_group, .repeats = true},
    {.name = "Latency",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct netlink_config, latency)},
    {.name = "Conntrack",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct netlink_config, conntrack)},
    {.name = "ConntrackStates",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct netlink_config, conntrack_states)},
};

int netlink_config_parse(const struct option *block, void *config,
                         struct option_error *error) {
  return option_walk(block, plugin_rules, RULE_COUNT(plugin_rules), config, error);
}

void netlink_config_free(struct netlink_config *config) {
  for (size_t i = 0; i < config->group_count; i++) {
    struct netlink_group *group = &config->groups[i];

    free(group->name);
    free(group->local_ports);
    free(group->remote_ports);
    free(group->local_networks);
    free(group->remote_networks);
  }
  *config = (struct netlink_config)NETLINK_CONFIG_DEFAULTS;
}

void netlink_config_flow_groups(const struct netlink_config *config,
                                struct flow_group *groups) {
  for (size_t i = 0; i < config->group_count; i++) {
    const struct netlink_group *group = &config->groups[i];

    groups[i] = (struct flow_group){
        .local_ports = group->local_ports,
        .local_port_count = group->local_port_count,
        .remote_ports = group->remote_ports,
        .remote_port_count = group->remote_port_count,
        .local_networks = group->local_networks,
        .local_network_count = group->local_network_count,
        .remote_networks = group->remote_networks,
        .remote_network_count = group->remote_network_count,
        .remote_scopes = group->remote_scopes,
    };
  }
}
