/* SPDX-License-Identifier: MIT
 *
 * Which NAT of Google Cloud's serves this machine's NIC, what it allows, and when to
 * ask again (pure).
 */
#ifndef EGRESS_DISCOVERY_H
#define EGRESS_DISCOVERY_H

#include "gcp_trouble.h"
#include "gcp_vm.h"

#include "egress/clock.h"

/* What the configuration names; NULL and 0: nothing. */
struct discovery_wish {
  const char *project, *region, *router, *nat;
  int64_t rule; /* of the NAT; its ports are other than the NAT's own */
};

/* What is known of the gateway. Ports and times that are 0 are not known. */
struct gateway_facts {
  bool known;
  char project[GCP_PROJECT_SIZE], region[GCP_NAME_SIZE];
  char router[GCP_NAME_SIZE], nat[GCP_NAME_SIZE];
  enum gcp_nat_type type;
  bool dynamic, endpoint_independent;
  uint32_t ports_now; /* for new connections, of all NAT addresses */
  uint32_t ports_drained;
  uint32_t ports_limit;
  nanoseconds time_wait, established, transitory, udp;
  char external[GCP_ADDRESS_SIZE]; /* the NIC's own; "": none. Connections from it do
                                      not take a public NAT. */
};

/* Where the routers are looked for: the network's project, which with a Shared VPC is
 * the host project, unless the configuration says another. */
const char *discovery_project(const struct discovery_wish *wish, const struct gcp_vm *vm);
const char *discovery_region(const struct discovery_wish *wish, const struct gcp_vm *vm);

/* Whether a NAT may serve the NIC: on its network, as the configuration names it;
 * without a name public ones only. */
bool discovery_may_serve(const struct gcp_nat *nat, const struct discovery_wish *wish,
                         const struct gcp_vm *vm);

/* The NAT that serves the NIC although its mapping does not show it yet: the only one
 * that may, if it serves all of the region's subnetworks. -1: none is certain. */
int discovery_certain(const struct gcp_nats *nats, const struct discovery_wish *wish,
                      const struct gcp_vm *vm);

/* Why none was found. */
void discovery_explain(const struct gcp_nats *nats, const struct discovery_wish *wish,
                       const struct gcp_vm *vm, struct gcp_trouble *trouble);

/* Whether the NAT has the rule that is wished for. */
bool discovery_has_rule(const struct gcp_nat *nat, const struct discovery_wish *wish);

/* The facts of the chosen NAT; ports may be NULL (not known). */
void discovery_conclude(const struct gcp_nat *nat, const struct gcp_ports *ports,
                        const struct discovery_wish *wish, const struct gcp_vm *vm,
                        struct gateway_facts *facts);

/* When to ask next after `failures` failed attempts in a row. `busy`: more than half
 * of the ports are in use. share: 0 to 1, at random, so that a thousand machines do
 * not ask at the same time. */
#define DISCOVERY_BUSY_SECONDS 60
#define DISCOVERY_BACKOFF_MAX 6 /* times the interval */
nanoseconds discovery_pause(nanoseconds interval, bool busy, unsigned failures,
                            double share);

#endif
