/* SPDX-License-Identifier: MIT
 *
 * The daemon's edge for what a person is told: lines of the log, and notifications.
 * From collectd's own threads, one at a time.
 */
#ifndef EGRESS_PROBE_TELL_H
#define EGRESS_PROBE_TELL_H

#include "egress/daemon.h"

#include "budget.h"
#include "report.h"

/* What has been said of a chain; all zero at first. */
struct chain_told {
  unsigned change; /* serial */
  struct trouble no_round;
  struct trouble no_tls_file;
  struct trouble absent;
};

/* What the probes themselves hold of the NAT's ports, and whether it has been compared
 * with how many there are. */
struct cost_told {
  struct probe_port_cost cost;
  bool compared;
};

/* What is new since the last time: from a read callback. */
void probe_tell_chain(const struct probe_chain *chain, const struct chain_report *report,
                      struct chain_told *told);

/* `error`: errno of the hop's PasswordFile, from any chain; 0: none. */
void probe_tell_secret(const struct probe_hop *hop, int error, struct trouble *trouble);

/* At the start: what the configuration costs and what it lacks. */
void probe_tell_start(const struct probe_config *config, const struct budget *budget,
                      struct cost_told *told);

/* Once, when egress_nat in this process knows how many ports there are. */
void probe_tell_share(struct cost_told *told, nanoseconds now);

#endif
