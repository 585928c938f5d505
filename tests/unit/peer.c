/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define BLOCK 16384
#define WAIT_MILLISECONDS 20000

/* A connection that somebody has opened to us. */
struct guest {
  LIST_ENTRY(guest) all;
  struct peer *peer;
  pthread_t thread;
  int descriptor, onward; /* onward -1: none */
  SSL *ssl;
};

struct peer {
  struct peer_options options;
  int listener;
  uint16_t port;
  SSL_CTX *context;
  pthread_t thread;
  pthread_mutex_t mutex;
  LIST_HEAD(, guest) guests;
  unsigned requests;
  char head[HEAD_MAX];
};

static void must(bool condition, const char *what) {
  if (condition)
    return;
  perror(what);
  abort();
}

/* --- Bytes, with or without TLS ---------------------------------------------------- */

static ssize_t receive(struct guest *guest, char *bytes, size_t size) {
  if (guest->ssl)
    return SSL_read(guest->ssl, bytes, (int)size);
  return recv(guest->descriptor, bytes, size, 0);
}

static bool give(struct guest *guest, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t length = guest->ssl ? SSL_write(guest->ssl, bytes, (int)size)
                                : send(guest->descriptor, bytes, size, MSG_NOSIGNAL);

    if (length <= 0)
      return false;
    bytes += length;
    size -= (size_t)length;
  }
  return true;
}

static bool give_text(struct guest *guest, const char *text) {
  return give(guest, text, strlen(text));
}

static bool receive_all(struct guest *guest, unsigned char *bytes, size_t size) {
  for (size_t used = 0; used < size;) {
    ssize_t length = receive(guest, (char *)bytes + used, size - used);

    if (length <= 0)
      return false;
    used += (size_t)length;
  }
  return true;
}

static bool receive_head(struct guest *guest, char head[HEAD_MAX]) {
  size_t used = 0;

  head[0] = '\0';
  while (used + 1 < HEAD_MAX && !strstr(head, "\r\n\r\n")) {
    if (receive(guest, head + used, 1) != 1)
      return false;
    head[++used] = '\0';
  }
  return true;
}

/* --- Forwarding ------------------------------------------------------------------------ */

static bool connect_onward(struct guest *guest, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int onward = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  must(onward >= 0, "socket");
  pthread_mutex_lock(&guest->peer->mutex);
  guest->onward = onward;
  pthread_mutex_unlock(&guest->peer->mutex);
  return connect(onward, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool send_onward(int onward, const char *bytes, size_t size) {
  return send(onward, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void forward(struct guest *guest) {
  struct pollfd wait[] = {{.fd = guest->descriptor, .events = POLLIN},
                          {.fd = guest->onward, .events = POLLIN}};
  char block[BLOCK];

  for (;;) {
    bool pending = guest->ssl && SSL_pending(guest->ssl) > 0;
    ssize_t length;

    if (poll(wait, 2, pending ? 0 : WAIT_MILLISECONDS) <= 0 && !pending)
      return;
    if (pending || wait[0].revents) {
      length = receive(guest, block, sizeof(block));
      if (length <= 0 || !send_onward(guest->onward, block, (size_t)length))
        return;
    }
    if (wait[1].revents) {
      length = recv(guest->onward, block, sizeof(block), 0);
      if (length <= 0 || !give(guest, block, (size_t)length))
        return;
    }
  }
}

/* --- Roles ------------------------------------------------------------------------------- */

static void note_request(struct peer *peer, const char *head) {
  pthread_mutex_lock(&peer->mutex);
  snprintf(peer->head, sizeof(peer->head), "%s", head);
  peer->requests++;
  pthread_mutex_unlock(&peer->mutex);
}

static void serve_origin(struct guest *guest) {
  size_t size = guest->peer->options.body_size;
  char head[128], block[BLOCK];

  if (size == 0) {
    give_text(guest, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    return;
  }
  memset(block, 'x', sizeof(block));
  snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
  if (!give_text(guest, head))
    return;
  for (size_t left = size; left > 0;) {
    size_t part = left < sizeof(block) ? left : sizeof(block);

    if (!give(guest, block, part))
      return;
    left -= part;
  }
}

static void serve_connect(struct guest *guest, const char *head) {
  int status = guest->peer->options.refuses_with;
  const char *colon = strchr(head, ':');
  unsigned port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
  char answer[128];

  if (status == 0 && !connect_onward(guest, port))
    status = 503;
  if (status == 0) {
    if (give_text(guest, "HTTP/1.1 200 Connection established\r\n\r\n"))
      forward(guest);
    return;
  }
  snprintf(answer, sizeof(answer), "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", status);
  give_text(guest, answer);
}

static void serve_http(struct guest *guest) {
  char head[HEAD_MAX];

  if (!receive_head(guest, head))
    return;
  note_request(guest->peer, head);
  if (guest->peer->options.is_silent) {
    receive(guest, head, sizeof(head));
    return;
  }
  if (guest->peer->options.role == PEER_PROXY && strncmp(head, "CONNECT ", 8) == 0)
    serve_connect(guest, head);
  else
    serve_origin(guest);
}

/* RFC 1928: greeting, then a request for a name (ATYP 3). */
static void serve_socks(struct guest *guest) {
  static const char method[] = {5, 0}, granted[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  static const char refused[] = {5, 2, 0, 1, 0, 0, 0, 0, 0, 0};
  unsigned char bytes[256], port[2];
  char name[300];

  if (!receive_all(guest, bytes, 2) || !receive_all(guest, bytes, bytes[1]) ||
      !give(guest, method, sizeof(method)) || !receive_all(guest, bytes, 5))
    return;
  snprintf(name, sizeof(name), "SOCKS ");
  if (bytes[3] != 3 || !receive_all(guest, (unsigned char *)name + 6, bytes[4]) ||
      !receive_all(guest, port, 2))
    return;
  note_request(guest->peer, name);
  if (guest->peer->options.is_silent)
    receive(guest, name, sizeof(name));
  else if (guest->peer->options.refuses_with != 0 ||
           !connect_onward(guest, (unsigned)port[0] << 8 | port[1]))
    give(guest, refused, sizeof(refused));
  else if (give(guest, granted, sizeof(granted)))
    forward(guest);
}

static bool begin_tls(struct guest *guest) {
  char first[16];

  if (guest->peer->options.cuts_handshake)
    return recv(guest->descriptor, first, sizeof(first), 0) < 0;
  if (!guest->peer->context)
    return true;
  guest->ssl = SSL_new(guest->peer->context);
  must(guest->ssl && SSL_set_fd(guest->ssl, guest->descriptor) == 1, "SSL_new");
  return SSL_accept(guest->ssl) == 1;
}

/* The descriptors are closed by peer_stop, which may be shutting them down. */
static void *guest_main(void *data) {
  struct guest *guest = data;

  if (begin_tls(guest)) {
    if (guest->peer->options.role == PEER_SOCKS)
      serve_socks(guest);
    else
      serve_http(guest);
  }
  if (guest->ssl)
    SSL_shutdown(guest->ssl);
  shutdown(guest->descriptor, SHUT_RDWR);
  pthread_mutex_lock(&guest->peer->mutex);
  if (guest->onward >= 0)
    shutdown(guest->onward, SHUT_RDWR);
  pthread_mutex_unlock(&guest->peer->mutex);
  SSL_free(guest->ssl);
  ERR_clear_error();
  return NULL;
}

static void *peer_main(void *data) {
  struct peer *peer = data;
  int descriptor;

  while ((descriptor = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    struct guest *guest = calloc(1, sizeof(*guest));

    must(guest != NULL, "calloc");
    *guest = (struct guest){.peer = peer, .descriptor = descriptor, .onward = -1};
    pthread_mutex_lock(&peer->mutex);
    LIST_INSERT_HEAD(&peer->guests, guest, all);
    pthread_mutex_unlock(&peer->mutex);
    must(pthread_create(&guest->thread, NULL, guest_main, guest) == 0, "thread");
  }
  return NULL;
}

/* --- Start and stop -------------------------------------------------------------------- */

static SSL_CTX *make_context(const char *certificate) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());

  must(context && SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(context, certificate, SSL_FILETYPE_PEM) == 1,
       certificate);
  return context;
}

struct peer *peer_start(const struct peer_options *options) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  struct peer *peer = calloc(1, sizeof(*peer));

  must(peer != NULL, "calloc");
  peer->options = *options;
  LIST_INIT(&peer->guests);
  pthread_mutex_init(&peer->mutex, NULL);
  if (options->certificate && !options->cuts_handshake)
    peer->context = make_context(options->certificate);
  peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(peer->listener >= 0, "socket");
  must(bind(peer->listener, (struct sockaddr *)&address, size) == 0, "bind");
  must(listen(peer->listener, 128) == 0, "listen");
  must(getsockname(peer->listener, (struct sockaddr *)&address, &size) == 0, "name");
  peer->port = ntohs(address.sin_port);
  must(pthread_create(&peer->thread, NULL, peer_main, peer) == 0, "thread");
  return peer;
}

void peer_stop(struct peer *peer) {
  struct guest *guest;

  shutdown(peer->listener, SHUT_RDWR); /* accept returns */
  pthread_join(peer->thread, NULL);
  pthread_mutex_lock(&peer->mutex);
  LIST_FOREACH(guest, &peer->guests, all) {
    shutdown(guest->descriptor, SHUT_RDWR);
    if (guest->onward >= 0)
      shutdown(guest->onward, SHUT_RDWR);
  }
  pthread_mutex_unlock(&peer->mutex);
  while ((guest = LIST_FIRST(&peer->guests))) {
    LIST_REMOVE(guest, all);
    pthread_join(guest->thread, NULL);
    close(guest->descriptor);
    if (guest->onward >= 0)
      close(guest->onward);
    free(guest);
  }
  SSL_CTX_free(peer->context);
  close(peer->listener);
  pthread_mutex_destroy(&peer->mutex);
  free(peer);
}

uint16_t peer_port(const struct peer *peer) { return peer->port; }

unsigned peer_requests(struct peer *peer) {
  unsigned requests;

  pthread_mutex_lock(&peer->mutex);
  requests = peer->requests;
  pthread_mutex_unlock(&peer->mutex);
  return requests;
}

bool peer_last_has(struct peer *peer, const char *text) {
  bool found;

  pthread_mutex_lock(&peer->mutex);
  found = strstr(peer->head, text) != NULL;
  pthread_mutex_unlock(&peer->mutex);
  return found;
}
