/* SPDX-License-Identifier: MIT
 *
 * Reading edge: sockets from /proc/net/tcp, tcp6, udp and udp6, for kernels that
 * do not answer over netlink. Slower, without tcp_info, and the limit of a
 * listening socket's accept queue is not there (0).
 */
#ifndef EGRESS_PROC_SOCKETS_H
#define EGRESS_PROC_SOCKETS_H

#include "egress/sock_diag.h"
#include "proc_text.h"

/* name: "tcp" or "udp". As sock_diag_dump_tcp(). */
int proc_sockets_dump(const char *name, const struct sock_diag_request *request,
                      sock_diag_callback *callback, void *data,
                      struct sock_diag_result *result);

/* The parser alone (pure): one line, without the heading's. Returns 0 or -EBADMSG. */
int proc_sockets_parse(struct proc_text line, struct sock_diag_record *record);

#endif
