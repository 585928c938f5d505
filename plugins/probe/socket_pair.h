/* SPDX-License-Identifier: MIT
 *
 * Edge: two TCP sockets on the loopback interface, connected with each other.
 * TCP, and not socketpair(2)'s Unix domain: some versions of libcurl connect
 * a socket that they were told is connected once more (curl #10626), which
 * a Unix socket refuses and a TCP socket that was connected without blocking takes.
 */
#ifndef EGRESS_SOCKET_PAIR_H
#define EGRESS_SOCKET_PAIR_H

/* Both are non-blocking, closed on exec, and leave no TIME_WAIT behind. *far is the
 * one that may be connected again. Returns 0 or -errno. */
int socket_pair_open(int *near, int *far);

#endif
