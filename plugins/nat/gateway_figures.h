/* SPDX-License-Identifier: MIT
 *
 * Cloud NAT's own figures of this machine, made of Cloud Monitoring's points (pure).
 */
#ifndef EGRESS_GATEWAY_FIGURES_H
#define EGRESS_GATEWAY_FIGURES_H

#include "gcp_json.h"

/* By protocol. All zero at first. */
struct gateway_figures {
  struct {
    bool known;
    int64_t end; /* of the minute that it is for, Unix time */
    int64_t ports;
  } usage[GCP_PROTOCOLS];
  int64_t allocated; /* ports, 0: not known */
  int64_t allocated_end;
  bool drops_known;
  uint64_t drops[GCP_PROTOCOLS][GCP_DROP_REASONS]; /* packets, since the start */
  int64_t drops_until[GCP_PROTOCOLS][GCP_DROP_REASONS]; /* Unix time: points that
                                                            ended by then are in */
};

/* The newest point counts; of several at the same time (one a NAT address, say) the
 * largest. None: the figure is not known any more. */
void gateway_figures_set_usage(struct gateway_figures *figures,
                               const struct gcp_series *series);

/* The newest points, summed over the NAT's addresses. Where there are figures by
 * protocol, TCP's. None: not known any more. */
void gateway_figures_set_allocated(struct gateway_figures *figures,
                                   const struct gcp_series *series);

/* Each point counts once: those of one protocol and reason come in the order of time,
 * but some minutes late. What ended by `start`, Unix time as the clock has it now, is not
 * counted. */
void gateway_figures_add_drops(struct gateway_figures *figures,
                               const struct gcp_series *series, int64_t start);

#endif
