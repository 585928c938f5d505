/* SPDX-License-Identifier: MIT
 *
 * The floor of the HTTPS probers: COUNT requests, each on a new connection through a
 * CONNECT proxy, with OpenSSL by hand and one context for all. GROUP of them go one
 * after the other, and a group starts every SECONDS; without a pause if that is 0.
 * Prints the CPU time that they took, in nanoseconds.
 *
 *   handshake PROXY-PORT ORIGIN-PORT CA-FILE COUNT GROUP SECONDS
 */
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 100000
#define SECONDS_MAX 60
#define NANOSECONDS 1000000000LL

static unsigned long parse_number(const char *text, unsigned long most) {
  char *end = NULL;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end != '\0' || number > most)
    error(2, 0, "\"%s\": expected a number up to %lu", text, most);
  return number;
}

static int connect_to(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connection < 0 ||
      connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
    error(1, errno, "port %u", port);
  return connection;
}

static void open_tunnel(int connection, unsigned port) {
  static const char granted[] = "HTTP/1.";
  char text[1024];
  ssize_t length = snprintf(text, sizeof(text),
                            "CONNECT 127.0.0.1:%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                            port, port);

  if (send(connection, text, (size_t)length, MSG_NOSIGNAL) != length)
    error(1, errno, "CONNECT");
  /* The origin speaks only when it is spoken to, so nothing comes after the head. */
  for (size_t used = 0; used + 1 < sizeof(text);) {
    length = recv(connection, text + used, sizeof(text) - 1 - used, 0);
    if (length <= 0)
      error(1, 0, "no answer to CONNECT");
    used += (size_t)length;
    text[used] = '\0';
    if (!strstr(text, "\r\n\r\n"))
      continue;
    if (strncmp(text, granted, sizeof(granted) - 1) != 0 || !strstr(text, " 200 "))
      error(1, 0, "CONNECT was refused: %.60s", text);
    return;
  }
  error(1, 0, "an answer to CONNECT without an end");
}

static void request(SSL *ssl) {
  static const char text[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  char block[4096];
  bool any = false;

  if (SSL_write(ssl, text, sizeof(text) - 1) <= 0)
    error(1, 0, "the request could not be sent");
  while (SSL_read(ssl, block, sizeof(block)) > 0)
    any = true;
  if (!any)
    error(1, 0, "no answer");
}

static void probe(SSL_CTX *context, unsigned proxy_port, unsigned origin_port) {
  int connection = connect_to((uint16_t)proxy_port);
  SSL *ssl = SSL_new(context);

  open_tunnel(connection, origin_port);
  if (!ssl || SSL_set_fd(ssl, connection) != 1 ||
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1") != 1 ||
      SSL_connect(ssl) != 1)
    error(1, 0, "the handshake failed");
  request(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(connection);
}

static SSL_CTX *make_context(const char *authorities) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());

  if (!context || SSL_CTX_load_verify_locations(context, authorities, NULL) != 1)
    error(1, 0, "%s: expected a file of certificates", authorities);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

static double parse_seconds(const char *text) {
  char *end = NULL;
  double seconds = strtod(text, &end);

  if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= SECONDS_MAX))
    error(2, 0, "\"%s\": expected seconds up to %d", text, SECONDS_MAX);
  return seconds;
}

static long long nanoseconds_of(clockid_t clock) {
  struct timespec now;

  clock_gettime(clock, &now);
  return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static void sleep_until(long long time) {
  const struct timespec at = {.tv_sec = time / NANOSECONDS, .tv_nsec = time % NANOSECONDS};

  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
    continue;
}

int main(int count, char **words) {
  unsigned long proxy_port, origin_port, probes, group;
  long long begun, used, pause;
  SSL_CTX *context;

  if (count != 7)
    error(2, 0, "expected PROXY-PORT ORIGIN-PORT CA-FILE COUNT GROUP SECONDS");
  signal(SIGPIPE, SIG_IGN);
  proxy_port = parse_number(words[1], 65535);
  origin_port = parse_number(words[2], 65535);
  probes = parse_number(words[4], COUNT_MAX);
  group = parse_number(words[5], COUNT_MAX);
  pause = (long long)(parse_seconds(words[6]) * (double)NANOSECONDS);
  context = make_context(words[3]);
  probe(context, (unsigned)proxy_port, (unsigned)origin_port); /* what is done once */
  begun = nanoseconds_of(CLOCK_MONOTONIC);
  used = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID);
  for (unsigned long i = 0; i < probes; i++) {
    if (group > 0 && i % group == 0)
      sleep_until(begun + (long long)(i / group) * pause);
    probe(context, (unsigned)proxy_port, (unsigned)origin_port);
  }
  printf("%lld\n", nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) - used);
  SSL_CTX_free(context);
  return 0;
}
