/* SPDX-License-Identifier: MIT */
#include "egress/trouble.h"

bool trouble_starts(struct trouble *trouble, nanoseconds now) {
  trouble->quiet = 0;
  if (trouble->lasts)
    return false;
  trouble->lasts = true;
  trouble->returned = trouble->ended > 0 && now - trouble->ended < TROUBLE_CALM;
  return true;
}

bool trouble_stops(struct trouble *trouble, nanoseconds now) {
  if (!trouble->lasts)
    return false;
  if (trouble->quiet == 0)
    trouble->quiet = now;
  if (trouble->returned && now - trouble->quiet < TROUBLE_CALM)
    return false;
  trouble->lasts = false;
  trouble->ended = now;
  return true;
}
