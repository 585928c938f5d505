/* SPDX-License-Identifier: MIT */
#include "gcp_vm.h"

#include <errno.h>
#include <string.h>

static int copy(char *to, size_t size, const char *from, size_t length) {
  if (length == 0 || length >= size)
    return -EINVAL;
  memcpy(to, from, length);
  to[length] = '\0';
  return 0;
}

/* "projects/PROJECT/KIND/NAME" */
static int take_apart(const char *text, const char *kind, const char **project,
                      size_t *project_length, const char **name) {
  static const char begin[] = "projects/";
  const char *rest;

  if (strncmp(text, begin, sizeof(begin) - 1) != 0)
    return -EINVAL;
  *project = text + sizeof(begin) - 1;
  *project_length = strcspn(*project, "/");
  rest = *project + *project_length;
  if (strncmp(rest, kind, strlen(kind)) != 0)
    return -EINVAL;
  *name = rest + strlen(kind);
  return strchr(*name, '/') ? -EINVAL : 0;
}

/* "europe-west3-b" lies in "europe-west3". */
int gcp_vm_set_zone(struct gcp_vm *vm, const char *text) {
  const char *project, *zone, *dash;
  size_t length;

  if (take_apart(text, "/zones/", &project, &length, &zone) < 0)
    return -EINVAL;
  dash = strrchr(zone, '-');
  if (!dash || copy(vm->region, sizeof(vm->region), zone, (size_t)(dash - zone)) < 0)
    return -EINVAL;
  return copy(vm->zone, sizeof(vm->zone), zone, strlen(zone));
}

int gcp_vm_set_network(struct gcp_vm *vm, const char *text) {
  const char *project, *network;
  size_t length;

  if (take_apart(text, "/networks/", &project, &length, &network) < 0 ||
      copy(vm->network_project, sizeof(vm->network_project), project, length) < 0)
    return -EINVAL;
  return copy(vm->network, sizeof(vm->network), network, strlen(network));
}
