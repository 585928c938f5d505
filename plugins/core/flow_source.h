/* SPDX-License-Identifier: MIT
 *
 * Reading edge: where the sockets of one protocol come from. sock_diag where the
 * kernel answers, /proc where it does not.
 */
#ifndef EGRESS_FLOW_SOURCE_H
#define EGRESS_FLOW_SOURCE_H

#include "egress/clock.h"
#include "egress/sock_diag.h"

enum flow_protocol { FLOW_TCP, FLOW_UDP };

/* All zero but for the protocol: not opened yet. */
struct flow_source {
  enum flow_protocol protocol;
  struct sock_diag *diag;
  int fallback;         /* 0, or the -errno for which /proc is read instead */
  nanoseconds retry_at; /* when the kernel is asked over netlink again */
};

void flow_source_close(struct flow_source *source);

/* As sock_diag_dump_tcp(); `source->fallback` says where the sockets came from. */
int flow_source_dump(struct flow_source *source, const struct sock_diag_request *request,
                     sock_diag_callback *callback, void *data,
                     struct sock_diag_result *result);

#endif
