/* SPDX-License-Identifier: MIT */
#include "flow_groups.h"

#include <errno.h>

/* What all groups say of one end of a socket; [0] is that of `all`: nothing. */
struct end_lists {
  struct flow_port_list ports[FLOW_GROUPS_MAX + 1];
  struct flow_network_list networks[FLOW_GROUPS_MAX + 1];
};

static int fill_local(struct flow_groups *groups, const struct flow_group *specs) {
  struct end_lists lists = {0};
  int status;

  for (size_t group = 1; group < groups->count; group++) {
    const struct flow_group *spec = &specs[group - 1];

    lists.ports[group] =
        (struct flow_port_list){spec->local_ports, spec->local_port_count};
    lists.networks[group] =
        (struct flow_network_list){spec->local_networks, spec->local_network_count, 0};
  }
  status = flow_ports_init(&groups->local_ports, lists.ports, groups->count);
  if (status < 0)
    return status;
  return flow_networks_init(&groups->local_networks, lists.networks, groups->count);
}

static int fill_remote(struct flow_groups *groups, const struct flow_group *specs) {
  struct end_lists lists = {0};
  int status;

  for (size_t group = 1; group < groups->count; group++) {
    const struct flow_group *spec = &specs[group - 1];

    lists.ports[group] =
        (struct flow_port_list){spec->remote_ports, spec->remote_port_count};
    lists.networks[group] = (struct flow_network_list){
        spec->remote_networks, spec->remote_network_count, spec->remote_scopes};
  }
  status = flow_ports_init(&groups->remote_ports, lists.ports, groups->count);
  if (status < 0)
    return status;
  return flow_networks_init(&groups->remote_networks, lists.networks, groups->count);
}

static void fill_masks(struct flow_groups *groups, const struct flow_group *specs) {
  groups->every = 1;
  for (size_t group = 1; group < groups->count; group++) {
    const struct flow_group *spec = &specs[group - 1];
    uint64_t bit = UINT64_C(1) << group;

    groups->every |= bit;
    if (spec->local_network_count)
      groups->local_networked |= bit;
    if (spec->remote_network_count || spec->remote_scopes)
      groups->remote_networked |= bit;
    if (spec->remote_port_count)
      groups->remote |= bit;
  }
  groups->remote |= groups->remote_networked;
}

int flow_groups_init(struct flow_groups *groups, const struct flow_group *specs,
                     size_t count) {
  int status;

  *groups = (struct flow_groups){0};
  if (count > FLOW_GROUPS_MAX)
    return -EINVAL;
  groups->count = count + 1;
  fill_masks(groups, specs);
  status = fill_local(groups, specs);
  if (status == 0)
    status = fill_remote(groups, specs);
  if (status < 0)
    flow_groups_free(groups);
  return status;
}

void flow_groups_free(struct flow_groups *groups) {
  flow_ports_free(&groups->local_ports);
  flow_ports_free(&groups->remote_ports);
  flow_networks_free(&groups->local_networks);
  flow_networks_free(&groups->remote_networks);
  *groups = (struct flow_groups){0};
}

/* Addresses are looked up last, and only for the groups still in it. */
uint64_t flow_groups_match(const struct flow_groups *groups,
                           const struct sock_diag_record *record) {
  uint64_t mask = groups->every & flow_ports_match(&groups->local_ports, record->local.port);

  if (record->remote.port == 0)
    mask &= ~groups->remote;
  else
    mask &= flow_ports_match(&groups->remote_ports, record->remote.port);
  if (mask & groups->local_networked)
    mask &= flow_networks_match(&groups->local_networks, &record->local.address);
  if (mask & groups->remote_networked)
    mask &= flow_networks_match(&groups->remote_networks, &record->remote.address);
  return mask;
}
