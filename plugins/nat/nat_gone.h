/* SPDX-License-Identifier: MIT
 *
 * Connections that are gone without a close event (pure): reset by the other end, and
 * their program has not looked since (the kernel sends the event when the program closes
 * its socket, which may be much later); or their event was lost.
 *
 * From one summary to the next a local port that had one connection has it no more, and
 * no event came: it is suspected, for the event may be on its way. If none has come by
 * the summary after that, the connection has closed; its event, if it ever comes, is then
 * of no interest.
 */
#ifndef EGRESS_NAT_GONE_H
#define EGRESS_NAT_GONE_H

#include "nat_rows.h"

#include "egress/flow.h"

#define NAT_GONE_PORTS 65536

struct nat_suspect {
  uint16_t port;
  struct flow_remote remote; /* as the summary had it that knew it last */
};

struct nat_gone {
  uint8_t marks[NAT_GONE_PORTS];
  struct nat_rows suspects; /* struct nat_suspect */
};

void nat_gone_init(struct nat_gone *gone);
void nat_gone_free(struct nat_gone *gone);

/* A close event from this local port. False: its connection was counted as closed
 * before. */
bool nat_gone_event(struct nat_gone *gone, uint16_t port);

/* Compares two summaries. `confirmed` is called for each suspect that is gone for good,
 * then `suspected` for each new one. */
typedef void nat_gone_callback(const struct nat_suspect *suspect, void *data);
void nat_gone_compare(struct nat_gone *gone, const struct flow_summary *before,
                      const struct flow_summary *now, nat_gone_callback *confirmed,
                      nat_gone_callback *suspected, void *data);

#endif
