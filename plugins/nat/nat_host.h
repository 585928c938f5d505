/* SPDX-License-Identifier: MIT
 *
 * Reading edge: what egress_nat wants to know of this machine, beside its sockets'
 * summary.
 */
#ifndef EGRESS_NAT_HOST_H
#define EGRESS_NAT_HOST_H

#include "nat_engine.h"

/* Gives the engine this machine's own addresses. Returns 0 or -errno. */
int nat_host_read_addresses(struct nat_engine *engine);

/* Local ports that connect() chooses from (ip_local_port_range, ip(7)); 0: not
 * known. */
uint32_t nat_host_ephemeral_ports(void);

/* Connections in TIME_WAIT or FIN_WAIT2 without a full socket: one pass over the kernel's
 * sockets each. Return 0 or -errno. Recall gives the engine the listening ports too, and
 * those closed before `until`; heal, those closed since `since`, where events were lost. */
int nat_host_recall(struct nat_engine *engine, const struct nat_config *config,
                    nanoseconds until);
int nat_host_heal(struct nat_engine *engine, const struct nat_config *config,
                  nanoseconds since);

/* Gives the engine, between begin and finish, the UDP sockets that are connected. Returns
 * 0 or -errno. */
int nat_host_read_udp(struct nat_engine *engine, const struct nat_config *config);

#endif
