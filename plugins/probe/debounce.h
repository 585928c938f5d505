/* SPDX-License-Identifier: MIT
 *
 * Model: a verdict counts once several rounds in a row agree on its location. If
 * they only agree that the published one is wrong, and never on another, the newest
 * one counts after three times as many.
 */
#ifndef EGRESS_DEBOUNCE_H
#define EGRESS_DEBOUNCE_H

#include <stdbool.h>

/* All zero: no fault, and nothing pending. Locations are any numbers with 0
 * for "no fault". */
struct debounce {
  int settled;    /* what is published */
  int candidate;  /* what the last rounds said, if not `settled` */
  unsigned agreed; /* rounds in a row that said `candidate` */
  unsigned contrary; /* rounds in a row that did not say `settled` */
};

/* One round has found `location`. Returns true if `settled` changed. */
bool debounce_add(struct debounce *debounce, int location, unsigned rounds_needed);

/* Whether the last round disagreed with what is published. */
bool debounce_pending(const struct debounce *debounce);

#endif
