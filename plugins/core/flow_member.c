/* SPDX-License-Identifier: MIT */
#include "flow_member.h"

#include <errno.h>
#include <stdlib.h>

/* A list of a group, copied; *failed is left alone unless memory is short. */
static void *copy_list(const void *list, size_t count, size_t size, bool *failed) {
  void *copy;

  if (count == 0)
    return NULL;
  copy = calloc(count, size);
  if (copy)
    memcpy(copy, list, count * size);
  else
    *failed = true;
  return copy;
}

static bool copy_group(const struct flow_group *from, struct flow_group *to) {
  bool failed = false;

  *to = *from;
  to->local_ports = copy_list(from->local_ports, from->local_port_count,
                              sizeof(*from->local_ports), &failed);
  to->remote_ports = copy_list(from->remote_ports, from->remote_port_count,
                               sizeof(*from->remote_ports), &failed);
  to->local_networks = copy_list(from->local_networks, from->local_network_count,
                                 sizeof(*from->local_networks), &failed);
  to->remote_networks = copy_list(from->remote_networks, from->remote_network_count,
                                  sizeof(*from->remote_networks), &failed);
  return !failed;
}

/* free() of a list that is const to its readers. */
static void free_list(const void *list) {
  union {
    const void *list;
    void *memory;
  } pointer = {.list = list};

  free(pointer.memory);
}

static void free_group(const struct flow_group *group) {
  free_list(group->local_ports);
  free_list(group->remote_ports);
  free_list(group->local_networks);
  free_list(group->remote_networks);
}

int flow_member_new(const struct flow_needs *needs, struct flow_member **member) {
  struct flow_member *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  made->needs = *needs;
  made->groups = calloc(needs->group_count + 1, sizeof(*made->groups));
  made->needs.groups = made->groups;
  made->needs.group_count = 0;
  while (made->groups && made->needs.group_count < needs->group_count) {
    size_t group = made->needs.group_count++;

    if (!copy_group(&needs->groups[group], &made->groups[group])) {
      flow_member_free(made);
      return -ENOMEM;
    }
  }
  if (!made->groups) {
    flow_member_free(made);
    return -ENOMEM;
  }
  *member = made;
  return 0;
}

void flow_member_free(struct flow_member *member) {
  if (!member)
    return;
  for (size_t group = 0; group < member->needs.group_count; group++)
    free_group(&member->groups[group]);
  free(member->groups);
  free(member);
}
