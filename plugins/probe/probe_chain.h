/* SPDX-License-Identifier: MIT
 *
 * <Chain "name"> blocks, for the files that read the configuration.
 */
#ifndef EGRESS_PROBE_CHAIN_H
#define EGRESS_PROBE_CHAIN_H

#include "probe_config.h"

/* Seconds. Below a tenth of one a round has no time for its ladder. */
#define PROBE_INTERVAL_MIN 0.1
#define PROBE_INTERVAL_MAX 86400

/* The hops it names are those of `config`. What was read before an error is in
 * *chain for the caller to clear. */
int probe_chain_parse(const struct option *option, const struct probe_config *config,
                      struct probe_chain *chain, struct option_error *error);
void probe_chain_clear(struct probe_chain *chain);

#endif
