/* SPDX-License-Identifier: MIT */
#include "local_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_MAX 256
#define HEAD_MAX 4096

struct local_server {
  int listener, wake[2];
  uint16_t port;
  pthread_t thread;
  pthread_mutex_t mutex;
  enum local_server_mode mode;
  char location[128];
  char head[HEAD_MAX]; /* of the last request */
  unsigned requests;
  int held[HELD_MAX]; /* connections that are left hanging */
  size_t held_count;
};

static void must(bool condition, const char *what) {
  if (condition)
    return;
  perror(what);
  abort();
}

static void send_text(int connection, const char *text) {
  (void)!send(connection, text, strlen(text), MSG_NOSIGNAL);
}

/* Until the client closes; bounded all the same. */
#define ENDLESS 800000000

static void send_again(int connection, const char *piece, size_t bytes) {
  size_t length = strlen(piece);

  for (size_t i = 0; i < bytes; i += length)
    if (send(connection, piece, length, MSG_NOSIGNAL) <= 0)
      return;
}

static void send_long(int connection, const char *head, size_t bytes) {
  char block[6001] = "";

  memset(block, 'x', sizeof(block) - 1);
  send_text(connection, head);
  send_again(connection, block, bytes);
}

static void answer(int connection, enum local_server_mode mode, const char *location,
                   bool is_connect) {
  char text[512];

  switch (mode) {
  case LOCAL_SERVER_GOOD:
    send_text(connection, is_connect ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                     : "HTTP/1.1 200 OK\r\nVia: 1.1 local\r\n"
                                       "Content-Length: 4\r\n\r\nfine");
    break;
  case LOCAL_SERVER_LOOSE:
    send_text(connection, "HTTP/1.1  200 OK\r\n\r\n");
    break;
  case LOCAL_SERVER_DENY:
    send_text(connection, "HTTP/1.1 407 Proxy Authentication Required\r\n"
                          "Proxy-Authenticate: Basic realm=\"x\"\r\n"
                          "Content-Length: 0\r\n\r\n");
    break;
  case LOCAL_SERVER_DENY_ENDLESS:
    send_long(connection,
              "HTTP/1.1 407 Proxy Authentication Required\r\n"
              "Proxy-Authenticate: Basic realm=\"x\"\r\n"
              "Content-Length: 800000000\r\n\r\n",
              ENDLESS);
    break;
  case LOCAL_SERVER_ERROR:
    send_text(connection, "HTTP/1.1 503 Service Unavailable\r\n"
                          "X-Squid-Error: ERR_CONNECT_FAIL 111\r\n"
                          "Content-Length: 0\r\n\r\n");
    break;
  case LOCAL_SERVER_GARBAGE:
    send_text(connection, "SSH-2.0-nonsense\r\n\r\n");
    break;
  case LOCAL_SERVER_REDIRECT:
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", location);
    send_text(connection, text);
    break;
  case LOCAL_SERVER_REDIRECT_LONG:
  case LOCAL_SERVER_REDIRECT_ENDLESS:
    snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", location);
    send_long(connection, text, mode == LOCAL_SERVER_REDIRECT_LONG ? 60000 : ENDLESS);
    break;
  case LOCAL_SERVER_ENDLESS:
    send_long(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", ENDLESS);
    break;
  case LOCAL_SERVER_HEADERS:
    send_text(connection, "HTTP/1.1 200 OK\r\n");
    send_again(connection, "X-Line: more\r\n", ENDLESS);
    break;
  case LOCAL_SERVER_TRAILERS:
    send_text(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "4\r\nfine\r\n0\r\n");
    send_again(connection, "X-Line: more\r\n", ENDLESS);
    break;
  case LOCAL_SERVER_HINTS:
    send_again(connection, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ENDLESS);
    break;
  case LOCAL_SERVER_LONG_LINE:
    send_long(connection, "HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ", 2000000);
    break;
  case LOCAL_SERVER_HANG:
  case LOCAL_SERVER_CLOSE:
    break;
  }
}

/* Until the empty line; a client that only connects sends nothing and closes. */
static bool read_head(int connection, char *head) {
  struct pollfd wait = {.fd = connection, .events = POLLIN};
  size_t used = 0;

  head[0] = '\0';
  while (used + 1 < HEAD_MAX && !strstr(head, "\r\n\r\n")) {
    ssize_t length = poll(&wait, 1, 2000) > 0
                         ? recv(connection, head + used, HEAD_MAX - 1 - used, 0)
                         : 0;

    if (length <= 0)
      return false;
    used += (size_t)length;
    head[used] = '\0';
  }
  return true;
}

static void serve(struct local_server *server, int connection) {
  char head[HEAD_MAX], location[sizeof(server->location)];
  enum local_server_mode mode;
  bool complete = read_head(connection, head);

  pthread_mutex_lock(&server->mutex);
  mode = server->mode;
  memcpy(location, server->location, sizeof(location));
  if (complete) {
    memcpy(server->head, head, sizeof(head));
    server->requests++;
  }
  if (mode == LOCAL_SERVER_HANG && complete && server->held_count < HELD_MAX) {
    server->held[server->held_count++] = connection;
    connection = -1;
  }
  pthread_mutex_unlock(&server->mutex);
  if (connection < 0)
    return;
  if (complete)
    answer(connection, mode, location, strncmp(head, "CONNECT ", 8) == 0);
  close(connection);
}

static void *server_main(void *data) {
  struct local_server *server = data;
  struct pollfd wait[] = {{.fd = server->listener, .events = POLLIN},
                          {.fd = server->wake[0], .events = POLLIN}};

  while (poll(wait, 2, -1) > 0 && !wait[1].revents) {
    int connection = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    if (connection >= 0)
      serve(server, connection);
  }
  return NULL;
}

struct local_server *local_server_start(enum local_server_mode mode) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  struct local_server *server = calloc(1, sizeof(*server));

  must(server != NULL, "calloc");
  server->mode = mode;
  pthread_mutex_init(&server->mutex, NULL);
  must(pipe(server->wake) == 0, "pipe");
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(server->listener >= 0, "socket");
  must(bind(server->listener, (struct sockaddr *)&address, size) == 0, "bind");
  must(listen(server->listener, 128) == 0, "listen");
  must(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0, "name");
  server->port = ntohs(address.sin_port);
  must(pthread_create(&server->thread, NULL, server_main, server) == 0, "thread");
  return server;
}

void local_server_stop(struct local_server *server) {
  must(write(server->wake[1], "x", 1) == 1, "write");
  pthread_join(server->thread, NULL);
  for (size_t i = 0; i < server->held_count; i++)
    close(server->held[i]);
  close(server->listener);
  close(server->wake[0]);
  close(server->wake[1]);
  pthread_mutex_destroy(&server->mutex);
  free(server);
}

uint16_t local_server_port(const struct local_server *server) { return server->port; }

void local_server_set_mode(struct local_server *server, enum local_server_mode mode) {
  pthread_mutex_lock(&server->mutex);
  server->mode = mode;
  pthread_mutex_unlock(&server->mutex);
}

void local_server_set_location(struct local_server *server, const char *location) {
  pthread_mutex_lock(&server->mutex);
  snprintf(server->location, sizeof(server->location), "%s", location);
  pthread_mutex_unlock(&server->mutex);
}

unsigned local_server_requests(struct local_server *server) {
  unsigned requests;

  pthread_mutex_lock(&server->mutex);
  requests = server->requests;
  pthread_mutex_unlock(&server->mutex);
  return requests;
}

int local_server_last_has(struct local_server *server, const char *text) {
  int found;

  pthread_mutex_lock(&server->mutex);
  found = strstr(server->head, text) != NULL;
  pthread_mutex_unlock(&server->mutex);
  return found;
}
