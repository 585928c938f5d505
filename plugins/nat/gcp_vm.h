/* SPDX-License-Identifier: MIT
 *
 * What the metadata server says of this machine and its first NIC (pure).
 */
#ifndef EGRESS_GCP_VM_H
#define EGRESS_GCP_VM_H

#include "gcp_json.h"

struct gcp_vm {
  char project[GCP_PROJECT_SIZE]; /* the machine's own */
  char id[GCP_NAME_SIZE];
  char name[GCP_NAME_SIZE];
  char zone[GCP_NAME_SIZE], region[GCP_NAME_SIZE];
  char address[GCP_ADDRESS_SIZE];  /* of the NIC */
  char external[GCP_ADDRESS_SIZE]; /* "": it has none */
  char network[GCP_NAME_SIZE];
  char network_project[GCP_PROJECT_SIZE]; /* with a Shared VPC the host project; as a
                                             number */
};

/* From "projects/123/zones/europe-west3-b" and "projects/123/networks/default".
 * Return 0, or -EINVAL: it is no such text. */
int gcp_vm_set_zone(struct gcp_vm *vm, const char *text);
int gcp_vm_set_network(struct gcp_vm *vm, const char *text);

#endif
