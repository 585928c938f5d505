/* SPDX-License-Identifier: MIT */
#include "nat_source.h"

#define LOOKS_TO_SWITCH 2u

/* Sockets and table are not read in the same instant: an eighth may differ. */
static bool covers(const struct nat_source_view *view) {
  return 8 * view->tracked >= 7 * view->sockets;
}

enum nat_source nat_source_look(struct nat_source_choice *choice,
                                const struct nat_source_view *view) {
  enum nat_source better = covers(view) ? NAT_SOURCE_CONNTRACK : NAT_SOURCE_SOCKETS;

  if (view->sockets + view->tracked + view->forwarded == 0)
    return choice->now;
  choice->contrary = better == choice->now ? 0 : choice->contrary + 1;
  if (choice->contrary > 0 && (!choice->decided || choice->contrary >= LOOKS_TO_SWITCH)) {
    choice->now = better;
    choice->contrary = 0;
  }
  choice->decided = true;
  return choice->now;
}
