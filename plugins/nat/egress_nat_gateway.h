/* SPDX-License-Identifier: MIT
 *
 * The daemon's edge for what Google says of the gateways: into the log, into the
 * configuration that the model goes by, and as metrics. From collectd's own threads,
 * one at a time.
 */
#ifndef EGRESS_NAT_GATEWAY_H
#define EGRESS_NAT_GATEWAY_H

#include "nat_reader.h"

#include <pthread.h>

/* Starts to ask, if a gateway wants that. Returns 0 or -errno. */
int nat_gateways_start(const struct nat_config *config);
void nat_gateways_stop(void);

/* Takes over what has become known since the last time, and logs it; `mutex` guards
 * engine and configuration. */
void nat_gateways_update(struct nat_config *config, struct nat_engine *engine,
                         pthread_mutex_t *mutex);

/* Has the files of BypassFile that have changed read again, and logs it; what cannot be read
 * changes nothing. */
void nat_gateways_reread(struct nat_config *config, struct nat_reader *reader);

/* The gateway's own metrics beside our estimate. */
void nat_gateways_dispatch(const struct nat_config *config, size_t gateway,
                           const struct nat_estimate *estimate);

#endif
