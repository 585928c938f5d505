/* SPDX-License-Identifier: MIT
 *
 * What holds of a gateway: what its block says, else what was discovered, else
 * nothing (pure).
 */
#ifndef EGRESS_GATEWAY_SETTINGS_H
#define EGRESS_GATEWAY_SETTINGS_H

#include "discovery.h"
#include "gateway_figures.h"
#include "nat_config.h"

/* Takes what was found over into the fields that the model goes by: the facts, and for
 * the ports of the moment also Cloud Monitoring's figure. Returns whether any of them
 * changed. The caller holds what guards the configuration. */
bool gateway_settings_apply(struct nat_gateway_config *gateway,
                            const struct gateway_facts *facts,
                            const struct gateway_figures *figures);

/* One line: which NAT it is, and what it allows; not what dynamic allocation has
 * granted for the moment. Always terminated; returns text. */
const char *gateway_settings_describe(const struct gateway_facts *facts, char *text,
                                      size_t size);

#endif
