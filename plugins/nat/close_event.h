/* SPDX-License-Identifier: MIT
 *
 * What a socket-close event of the kernel says (pure).
 */
#ifndef EGRESS_CLOSE_EVENT_H
#define EGRESS_CLOSE_EVENT_H

#include "egress/sock_diag.h"

enum close_event_kind {
  CLOSE_EVENT_NONE,       /* a socket that never had a remote end: no flow */
  CLOSE_EVENT_ORDERLY,    /* our FIN was sent and acknowledged */
  CLOSE_EVENT_RESET,      /* by either end, or the remote end vanished */
  CLOSE_EVENT_REFUSED,    /* a connect answered by a reset */
  CLOSE_EVENT_UNANSWERED, /* a connect that had no answer */
};

/* For outgoing connections. If the record's remote port is 0, the socket was
 * aborted by its owner, or its connect() failed: the kernel had then forgotten the
 * port (tcp_disconnect() in net/ipv4/tcp.c), and a failed connect's answer. */
enum close_event_kind close_event_classify(const struct sock_diag_record *record);

#endif
