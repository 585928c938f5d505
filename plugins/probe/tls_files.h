/* SPDX-License-Identifier: MIT
 *
 * Edge: the files that an attempt's TLS will read, looked at before libcurl opens them:
 * it would wait for the writer of a FIFO, and the prober's thread with it.
 */
#ifndef EGRESS_TLS_FILES_H
#define EGRESS_TLS_FILES_H

#include "report.h"
#include "round.h"

/* Returns 0, or -errno with *trouble filled. */
int tls_files_check(const struct probe_config *config, const struct probe_chain *chain,
                    const struct leg *leg, struct tls_trouble *trouble);

#endif
