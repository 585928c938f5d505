/* SPDX-License-Identifier: MIT
 *
 * A member of the shared pass: its needs, in a copy of their own.
 */
#ifndef EGRESS_FLOW_MEMBER_H
#define EGRESS_FLOW_MEMBER_H

#include "egress/flow.h"

struct flow_member {
  struct flow_needs needs; /* needs.groups is `groups` */
  struct flow_group *groups;
  size_t first_group; /* in a summary's states; set by the share */
  nanoseconds told;   /* when a pass last had tcp_info for it; set by the share */
  struct flow_member *next;
};

/* Returns 0 or -ENOMEM. */
int flow_member_new(const struct flow_needs *needs, struct flow_member **member);
void flow_member_free(struct flow_member *member); /* NULL is fine */

#endif
