/* SPDX-License-Identifier: MIT */
#include "socket_pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

/* On the loopback interface only a machine in trouble takes this long. */
#define ACCEPT_MILLISECONDS 100

static int tcp_socket(int *descriptor) {
  *descriptor = socket(AF_INET, FLAGS, 0);
  return *descriptor < 0 ? -errno : 0;
}

static int name_of(int descriptor, struct sockaddr_in *address) {
  socklen_t size = sizeof(*address);

  return getsockname(descriptor, (struct sockaddr *)address, &size) < 0 ? -errno : 0;
}

static int listen_on_loopback(int listener, struct sockaddr_in *address) {
  *address = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)address, sizeof(*address)) < 0 ||
      listen(listener, 1) < 0)
    return -errno;
  return name_of(listener, address);
}

/* Another process may connect to the port before us: it is turned away. */
static int accept_from(int listener, const struct sockaddr_in *wanted, int *accepted) {
  struct pollfd wait = {.fd = listener, .events = POLLIN};

  while (poll(&wait, 1, ACCEPT_MILLISECONDS) > 0) {
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof(peer);

    *accepted = accept4(listener, (struct sockaddr *)&peer, &size, FLAGS & ~SOCK_STREAM);
    if (*accepted < 0)
      return -errno;
    if (peer.sin_port == wanted->sin_port &&
        peer.sin_addr.s_addr == wanted->sin_addr.s_addr)
      return 0;
    close(*accepted);
    *accepted = -1;
  }
  return -ETIMEDOUT;
}

/* A close by RST: the pair's ports are free at once. */
static int leave_no_trace(int descriptor) {
  const struct linger linger = {.l_onoff = 1, .l_linger = 0};

  return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0
             ? -errno
             : 0;
}

static int connect_pair(int listener, int far, int *near) {
  struct sockaddr_in address, own;
  int result = listen_on_loopback(listener, &address);

  if (result == 0 &&
      connect(far, (struct sockaddr *)&address, sizeof(address)) < 0 &&
      errno != EINPROGRESS)
    result = -errno;
  if (result == 0)
    result = name_of(far, &own);
  if (result == 0)
    result = accept_from(listener, &own, near);
  return result == 0 ? leave_no_trace(*near) : result;
}

int socket_pair_open(int *near, int *far) {
  int listener = -1;
  int result = tcp_socket(&listener);

  *near = *far = -1;
  if (result == 0)
    result = tcp_socket(far);
  if (result == 0)
    result = connect_pair(listener, *far, near);
  if (listener >= 0)
    close(listener);
  if (result < 0 && *near >= 0)
    close(*near);
  if (result < 0 && *far >= 0)
    close(*far);
  return result;
}
