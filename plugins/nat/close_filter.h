/* SPDX-License-Identifier: MIT
 *
 * A program for the kernel that leaves out the close events of connections which take no
 * gateway (pure): classic BPF for SO_ATTACH_FILTER (socket(7)). On a proxy these are half
 * of all, those of its clients; they cost the reader nothing then.
 *
 * What is left out takes no gateway for certain; the other way round it need not hold: the
 * reader looks at each event that comes.
 */
#ifndef EGRESS_CLOSE_FILTER_H
#define EGRESS_CLOSE_FILTER_H

#include "nat_config.h"

#include <linux/filter.h>

struct close_filter {
  size_t length; /* 0: none, all events come */
  struct sock_filter instructions[BPF_MAXINSNS];
};

/* No less makes sense. */
#define CLOSE_FILTER_LEAST 128u

/* Makes the program of at most `most` instructions (CLOSE_FILTER_LEAST to BPF_MAXINSNS).
 * Where that is not enough for all ranges of addresses that bypass, the largest ones are
 * left out. Returns 0, or -ENOMEM and no program. */
int close_filter_make(const struct nat_config *config, size_t most,
                      struct close_filter *filter);

#endif
