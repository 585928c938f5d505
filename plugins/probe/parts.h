/* SPDX-License-Identifier: MIT
 *
 * Model: which parts of the chain one probe shows to work: `hop_up`.
 */
#ifndef EGRESS_PARTS_H
#define EGRESS_PARTS_H

#include "outcome.h"

#include <stddef.h>

enum part_state { PART_NOT_REACHED, PART_FAILED, PART_WORKED };

/* hop 0 ... hop n-1, egress, target. */
#define PARTS_OF(hop_count) ((hop_count) + 2)

/* `location` is the verdict of the same round (enum verdict_location): it says
 * which part is meant when the probe itself cannot. Fills PARTS_OF(hop_count)
 * states. */
void parts_of(const struct outcome *outcome, size_t hop_count, int location,
              enum part_state *states);

#endif
