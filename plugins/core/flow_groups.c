/* SPDX-License-Identifier: MIT */
#include "flow_groups.h"

#include <errno.h>
#include <stdlib.h>

#define PORT_COUNT 65536
#define SCOPES_ALL ((1u << NET_SCOPE_COUNT) - 1)

static uint64_t bit_of(size_t group) { return UINT64_C(1) << (group + 1); }

/* A table of masks by port: a group that names no port takes every one. */
static int fill_ports(uint64_t **table, const struct flow_group *specs, size_t count,
                      const uint16_t *(*ports_of)(const struct flow_group *, size_t *)) {
  uint64_t unnamed = UINT64_MAX;

  for (size_t group = 0; group < count; group++) {
    size_t ports;

    ports_of(&specs[group], &ports);
    if (ports > 0)
      unnamed &= ~bit_of(group);
  }
  if (unnamed == UINT64_MAX)
    return 0;
  *table = malloc(PORT_COUNT * sizeof(**table));
  if (!*table)
    return -ENOMEM;
  for (size_t port = 0; port < PORT_COUNT; port++)
    (*table)[port] = unnamed;
  for (size_t group = 0; group < count; group++) {
    size_t ports;
    const uint16_t *list = ports_of(&specs[group], &ports);

    for (size_t i = 0; i < ports; i++)
      (*table)[list[i]] |= bit_of(group);
  }
  return 0;
}

static const uint16_t *local_ports_of(const struct flow_group *spec, size_t *count) {
  *count = spec->local_port_count;
  return spec->local_ports;
}

static const uint16_t *remote_ports_of(const struct flow_group *spec, size_t *count) {
  *count = spec->remote_port_count;
  return spec->remote_ports;
}

static int fill_networks(struct flow_groups *groups, const struct flow_group *specs,
                         size_t count) {
  /* lists[0] is that of `all`: empty. */
  struct flow_network_list local[FLOW_GROUPS_MAX + 1] = {{NULL, 0}};
  struct flow_network_list remote[FLOW_GROUPS_MAX + 1] = {{NULL, 0}};
  int status;

  for (size_t group = 0; group < count; group++) {
    local[group + 1] = (struct flow_network_list){specs[group].local_networks,
                                                  specs[group].local_network_count};
    remote[group + 1] = (struct flow_network_list){specs[group].remote_networks,
                                                   specs[group].remote_network_count};
  }
  status = flow_networks_init(&groups->local_networks, local, count + 1);
  if (status < 0)
    return status;
  return flow_networks_init(&groups->remote_networks, remote, count + 1);
}

static void fill_masks(struct flow_groups *groups, const struct flow_group *specs) {
  for (size_t group = 0; group < groups->count - 1; group++) {
    const struct flow_group *spec = &specs[group];
    unsigned scopes = spec->remote_scopes ? spec->remote_scopes : SCOPES_ALL;

    for (unsigned scope = 0; scope < NET_SCOPE_COUNT; scope++)
      if (scopes & 1u << scope)
        groups->scopes[scope] |= bit_of(group);
    if (spec->remote_scopes)
      groups->scoped |= bit_of(group);
    if (spec->remote_scopes || spec->remote_port_count || spec->remote_network_count)
      groups->remote |= bit_of(group);
    groups->every |= bit_of(group);
  }
}

int flow_groups_init(struct flow_groups *groups, const struct flow_group *specs,
                     size_t count) {
  int status;

  *groups = (struct flow_groups){0};
  if (count > FLOW_GROUPS_MAX)
    return -EINVAL;
  groups->count = count + 1;
  groups->every = 1;
  for (unsigned scope = 0; scope < NET_SCOPE_COUNT; scope++)
    groups->scopes[scope] = 1;
  fill_masks(groups, specs);
  status = fill_ports(&groups->local_ports, specs, count, local_ports_of);
  if (status == 0)
    status = fill_ports(&groups->remote_ports, specs, count, remote_ports_of);
  if (status == 0)
    status = fill_networks(groups, specs, count);
  if (status < 0)
    flow_groups_free(groups);
  return status;
}

void flow_groups_free(struct flow_groups *groups) {
  free(groups->local_ports);
  free(groups->remote_ports);
  flow_networks_free(&groups->local_networks);
  flow_networks_free(&groups->remote_networks);
  *groups = (struct flow_groups){0};
}

/* The dearer questions are asked last, and only for the groups still in it. */
uint64_t flow_groups_match(const struct flow_groups *groups,
                           const struct sock_diag_record *record) {
  uint64_t mask = groups->every;

  if (groups->local_ports)
    mask &= groups->local_ports[record->local.port];
  if (record->remote.port == 0)
    mask &= ~groups->remote;
  else if (groups->remote_ports)
    mask &= groups->remote_ports[record->remote.port];
  if (mask & groups->scoped)
    mask &= groups->scopes[net_address_scope(&record->remote.address)];
  if (mask & ~UINT64_C(1)) {
    mask &= flow_networks_match(&groups->local_networks, &record->local.address);
    mask &= flow_networks_match(&groups->remote_networks, &record->remote.address);
  }
  return mask;
}
