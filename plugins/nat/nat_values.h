/* SPDX-License-Identifier: MIT
 *
 * From reports to values with their names (pure).
 */
#ifndef EGRESS_NAT_VALUES_H
#define EGRESS_NAT_VALUES_H

#include "nat_metrics.h"
#include "nat_reader.h"

/* Takes one value; NAN: not known. type_instance may be NULL; strings are valid during
 * the call only. */
typedef void nat_value_taker(enum nat_metric metric, const char *plugin_instance,
                             const char *type_instance, double value, void *data);

/* All values of one read. ephemeral_ports: those that connect() chooses from; 0: not
 * known. */
void nat_values_give(const struct nat_config *config, const struct nat_engine *engine,
                     const struct nat_reading *reading, uint32_t ephemeral_ports,
                     nat_value_taker *take, void *data);

#endif
