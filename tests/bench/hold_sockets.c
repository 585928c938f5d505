/* SPDX-License-Identifier: MIT
 *
 * Holds both ends of many TCP connections to itself: a listening socket on
 * SERVER:PORT (with a family of 6, an IPv6 one that takes IPv4 too, as Squid's
 * is) and CONNECTIONS connections to it from CLIENT. Of each ten connections
 * the client has closed its side of one: FIN_WAIT2 there, CLOSE_WAIT here.
 * Prints "ready" and goes on until its standard input ends.
 *
 *   hold_sockets CLIENT SERVER PORT FAMILY CONNECTIONS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 500000
#define HALF_CLOSED_EVERY 10

static unsigned long parse_number(const char *text, unsigned long most) {
  char *end = NULL;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end != '\0' || number > most)
    error(2, 0, "\"%s\": expected a number up to %lu", text, most);
  return number;
}

static struct sockaddr_in address_of(const char *text, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

  if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
    error(2, 0, "\"%s\": expected an IPv4 address", text);
  return address;
}

static void raise_descriptor_limit(unsigned long wanted) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
    error(1, errno, "RLIMIT_NOFILE");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
    error(1, errno, "RLIMIT_NOFILE");
  if (limit.rlim_cur < wanted)
    error(1, 0, "%lu descriptors are wanted, RLIMIT_NOFILE's hard limit is %lu: "
                "ask for fewer connections", wanted, (unsigned long)limit.rlim_cur);
}

static int listen_at(const struct sockaddr_in *address, int family) {
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = address->sin_port};
  const struct sockaddr *name = (const struct sockaddr *)address;
  socklen_t size = sizeof(*address);
  int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (family == AF_INET6) {
    memset(mapped.sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(mapped.sin6_addr.s6_addr + 12, &address->sin_addr, sizeof(address->sin_addr));
    name = (const struct sockaddr *)&mapped;
    size = sizeof(mapped);
  }
  if (listener < 0 || bind(listener, name, size) < 0 || listen(listener, 16) < 0)
    error(1, errno, "listening socket");
  return listener;
}

/* The port is chosen by connect(), which looks at the whole 4-tuple, and not by
 * bind(), which would want it free of every connection. */
static int connect_from(const struct sockaddr_in *client,
                        const struct sockaddr_in *server) {
  int one = 1;
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connection < 0 ||
      setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                 sizeof(one)) < 0 ||
      bind(connection, (const struct sockaddr *)client, sizeof(*client)) < 0 ||
      connect(connection, (const struct sockaddr *)server, sizeof(*server)) < 0)
    error(1, errno, "connection");
  return connection;
}

/* Descriptors are never closed: the end of the process does it. */
static void make_connections(int listener, const struct sockaddr_in *client,
                             const struct sockaddr_in *server, unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
    int connection = connect_from(client, server);

    if (accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0)
      error(1, errno, "accept");
    if (i % HALF_CLOSED_EVERY == 0 && shutdown(connection, SHUT_WR) < 0)
      error(1, errno, "shutdown");
  }
}

static void wait_for_end_of_input(void) {
  char byte;

  while (read(STDIN_FILENO, &byte, 1) > 0)
    ;
}

int main(int argc, char **argv) {
  struct sockaddr_in client, server;
  unsigned long connections;
  int family;

  if (argc != 6)
    error(2, 0, "usage: hold_sockets CLIENT SERVER PORT FAMILY CONNECTIONS");
  client = address_of(argv[1], 0);
  server = address_of(argv[2], (uint16_t)parse_number(argv[3], UINT16_MAX));
  family = parse_number(argv[4], 6) == 6 ? AF_INET6 : AF_INET;
  connections = parse_number(argv[5], CONNECTIONS_MAX);

  raise_descriptor_limit(2 * connections + 8);
  make_connections(listen_at(&server, family), &client, &server, connections);
  puts("ready");
  fflush(stdout);
  wait_for_end_of_input();
  return 0;
}
