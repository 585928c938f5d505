/* SPDX-License-Identifier: MIT
 *
 * collectd's headers, from Debian's collectd-dev or from an upstream source
 * tree (configure --with-collectd-src). Only the daemon edges include this.
 */
#ifndef EGRESS_COLLECTD_SHIM_H
#define EGRESS_COLLECTD_SHIM_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#ifdef EGRESS_COLLECTD_SOURCE_TREE
#include "collectd.h"
#include "plugin.h"
#include "utils/common/common.h"
#else
#include "collectd/core/daemon/collectd.h"
#include "collectd/core/daemon/plugin.h"
#include "collectd/core/utils/common/common.h"
#endif
#pragma GCC diagnostic pop

#endif
