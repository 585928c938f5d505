/* SPDX-License-Identifier: MIT
 *
 * Preloaded into collectd: sockets of the netlink protocols listed in the
 * environment variable REFUSE_NETLINK ("4,12") do not exist, as in a kernel
 * built without them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool refused(int protocol) {
  const char *list = getenv("REFUSE_NETLINK");

  while (list && *list) {
    char *end = NULL;

    if (strtol(list, &end, 10) == protocol && end != list)
      return true;
    list = *end ? end + 1 : end;
  }
  return false;
}

int socket(int domain, int type, int protocol) {
  int (*next)(int, int, int);
  void *symbol = dlsym(RTLD_NEXT, "socket");

  if (domain == AF_NETLINK && refused(protocol)) {
    errno = EPROTONOSUPPORT;
    return -1;
  }
  memcpy(&next, &symbol, sizeof(next));
  return next(domain, type, protocol);
}
