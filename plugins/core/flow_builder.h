/* SPDX-License-Identifier: MIT
 *
 * What the library's own parts may see of a flow builder.
 */
#ifndef EGRESS_FLOW_BUILDER_H
#define EGRESS_FLOW_BUILDER_H

#include "flow_groups.h"

/* As long as the builder lives. */
const struct flow_groups *flow_builder_groups(const struct flow_builder *builder);

#endif
