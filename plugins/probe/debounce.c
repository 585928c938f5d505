/* SPDX-License-Identifier: MIT */
#include "debounce.h"

/* Times the rounds that it takes when they agree. */
#define PATIENCE 3

bool debounce_add(struct debounce *debounce, int location, unsigned rounds_needed) {
  if (location == debounce->settled) {
    debounce->agreed = debounce->contrary = 0;
    debounce->candidate = location;
    return false;
  }
  debounce->contrary++;
  debounce->agreed = location == debounce->candidate ? debounce->agreed + 1 : 1;
  debounce->candidate = location;
  if (debounce->agreed < rounds_needed &&
      debounce->contrary < PATIENCE * rounds_needed)
    return false;
  debounce->settled = location;
  debounce->agreed = debounce->contrary = 0;
  return true;
}

bool debounce_pending(const struct debounce *debounce) { return debounce->agreed > 0; }
