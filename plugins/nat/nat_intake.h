/* SPDX-License-Identifier: MIT
 *
 * Closes on their way into the model (pure). Each will touch four places all over the
 * memory, one known only from the other; so it waits while a few more come in, and the
 * memory fetches for several of them at a time.
 */
#ifndef EGRESS_NAT_INTAKE_H
#define EGRESS_NAT_INTAKE_H

#include "egress/address.h"

#define NAT_INTAKE_MAX 16u /* as many lines as a core fetches at a time, and a power of 2 */
#define NAT_INTAKE_STEP (NAT_INTAKE_MAX / 2) /* after so many more the next is asked for */

struct nat_intake_close {
  struct net_endpoint remote;
  uint16_t tag;  /* which local port; 0: not known */
  uint32_t time; /* as nat_held_time() has it */
  uint32_t kind; /* enum nat_close */
  uint64_t hash; /* of `remote` */
};

/* All zero at first. */
struct nat_intake {
  uint32_t head, tail;
  struct nat_intake_close closes[NAT_INTAKE_MAX];
};

/* The one that came `back` others ago, 0 for the last; NULL: it is no longer, or never
 * was, here. */
static inline const struct nat_intake_close *
nat_intake_before(const struct nat_intake *intake, uint32_t back) {
  if (intake->head - intake->tail <= back)
    return NULL;
  return &intake->closes[(intake->head - 1 - back) % NAT_INTAKE_MAX];
}

static inline void nat_intake_add(struct nat_intake *intake,
                                  const struct nat_intake_close *close) {
  intake->closes[intake->head++ % NAT_INTAKE_MAX] = *close;
}

/* The oldest, which leaves: valid until NAT_INTAKE_MAX - 1 are added. */
static inline const struct nat_intake_close *nat_intake_next(struct nat_intake *intake) {
  return intake->head == intake->tail ? NULL
                                      : &intake->closes[intake->tail++ % NAT_INTAKE_MAX];
}

#endif
