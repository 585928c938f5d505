/* SPDX-License-Identifier: MIT */
#include "estimate_history.h"

#define MINUTE 60

void estimate_history_add(struct estimate_history *history, int64_t now,
                          uint32_t ports) {
  int64_t minute = now / MINUTE;
  size_t place = (size_t)(minute % ESTIMATE_MINUTES);

  if (now < MINUTE)
    return;
  history->minutes[place].minute = minute;
  history->minutes[place].ports = ports;
}

int64_t estimate_history_find(const struct estimate_history *history, int64_t end) {
  int64_t minute = (end - 1) / MINUTE;
  size_t place = (size_t)(minute % ESTIMATE_MINUTES);

  if (end <= MINUTE || history->minutes[place].minute != minute)
    return -1;
  return history->minutes[place].ports;
}
