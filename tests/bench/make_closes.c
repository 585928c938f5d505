/* SPDX-License-Identifier: MIT
 *
 * Opens and closes TCP connections from CLIENT to SERVER, both of this machine, at a rate
 * (0: as fast as it goes), so that each end sends a close event: two for a connection.
 * Prints connections and seconds.
 *
 *   make_closes CLIENT SERVER CONNECTIONS RATE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 2000000
#define RATE_MAX 1000000
#define PORT 7000
#define PORTS 32 /* listening ones: more local ports to choose from */

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

static int listen_at(const struct sockaddr_in *address) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (listener < 0 ||
      setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
      bind(listener, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
      listen(listener, 16) < 0)
    error(1, errno, "listening socket");
  return listener;
}

/* The accepting end closes first: its TIME_WAIT does not take the other's port. */
static void open_and_close(int listener, const struct sockaddr_in *client,
                           const struct sockaddr_in *server) {
  int one = 1, accepted;
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connection < 0 ||
      setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                 sizeof(one)) < 0 ||
      bind(connection, (const struct sockaddr *)client, sizeof(*client)) < 0 ||
      connect(connection, (const struct sockaddr *)server, sizeof(*server)) < 0)
    error(1, errno, "connection");
  accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (accepted < 0)
    error(1, errno, "accept");
  close(accepted);
  close(connection);
}

static double now(void) {
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_until(double moment) {
  double left = moment - now();
  struct timespec pause = {.tv_sec = (time_t)left};

  if (left <= 0)
    return;
  pause.tv_nsec = (long)((left - (double)pause.tv_sec) * 1e9);
  nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
  struct sockaddr_in client, server[PORTS];
  unsigned long connections, rate;
  int listeners[PORTS];
  double begun;

  if (argc != 5)
    error(2, 0, "usage: make_closes CLIENT SERVER CONNECTIONS RATE");
  client = address_of(argv[1], 0);
  connections = parse_number(argv[3], CONNECTIONS_MAX);
  rate = parse_number(argv[4], RATE_MAX);
  for (unsigned i = 0; i < PORTS; i++) {
    server[i] = address_of(argv[2], (uint16_t)(PORT + i));
    listeners[i] = listen_at(&server[i]);
  }
  begun = now();
  for (unsigned long i = 0; i < connections; i++) {
    open_and_close(listeners[i % PORTS], &client, &server[i % PORTS]);
    if (rate > 0 && i % 16 == 15)
      wait_until(begun + (double)(i + 1) / (double)rate);
  }
  printf("%lu %.3f\n", connections, now() - begun);
  return 0;
}
