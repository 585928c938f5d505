/* SPDX-License-Identifier: MIT
 *
 * Holds a TCP connection to each of COUNT destinations, from number FIRST on: addresses of
 * 198.51.0.0/16, which this machine must take for its own, and two ports. The accepting
 * ends are closed: CLOSE_WAIT here, FIN_WAIT2 there. Prints "ready" and goes on until its
 * standard input ends.
 *
 *   hold_destinations FIRST COUNT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES 65536ul
#define PORT 7000
#define DESTINATIONS_MAX (2 * ADDRESSES)
#define NETWORK 0xc6330000u /* 198.51.0.0 */
#define CLIENT 0x0a000001u  /* 10.0.0.1 */

static unsigned long parse_number(const char *text) {
  char *end = NULL;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end != '\0' || number > DESTINATIONS_MAX)
    error(2, 0, "\"%s\": expected a number up to %lu", text, DESTINATIONS_MAX);
  return number;
}

static struct sockaddr_in address_of(uint32_t address, uint16_t port) {
  return (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(address)};
}

/* The processes of a bench share the listening ports. */
static int listen_at(uint16_t port) {
  const struct sockaddr_in any = address_of(INADDR_ANY, port);
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (listener < 0 ||
      setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
      bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
      listen(listener, 16) < 0)
    error(1, errno, "listening socket");
  return listener;
}

static void hold(int listener, const struct sockaddr_in *destination) {
  const struct sockaddr_in client = address_of(CLIENT, 0);
  int one = 1, accepted, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connection < 0 ||
      setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                 sizeof(one)) < 0 ||
      bind(connection, (const struct sockaddr *)&client, sizeof(client)) < 0 ||
      connect(connection, (const struct sockaddr *)destination, sizeof(*destination)) < 0)
    error(1, errno, "connection");
  accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (accepted < 0)
    error(1, errno, "accept");
  close(accepted);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  unsigned long first, count;
  char byte;
  int listeners[2];

  if (argc != 3)
    error(2, 0, "usage: hold_destinations FIRST COUNT");
  first = parse_number(argv[1]);
  count = parse_number(argv[2]);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  for (unsigned i = 0; i < 2; i++)
    listeners[i] = listen_at((uint16_t)(PORT + 2 * (first / count) + i));
  for (unsigned long i = first; i < first + count; i++) {
    unsigned port = (unsigned)(i / ADDRESSES);
    const struct sockaddr_in destination = address_of(
        NETWORK + (uint32_t)(i % ADDRESSES), (uint16_t)(PORT + 2 * (first / count) + port));

    hold(listeners[port], &destination);
  }
  puts("ready");
  fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0)
    ;
  return 0;
}
