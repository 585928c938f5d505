/* SPDX-License-Identifier: MIT */
#include "relay.h"

#include "poll_token.h"
#include "socket_pair.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TLS record's size (RFC 8446, section 5.1). */
#define BUFFER_SIZE 16384

/* One direction. */
struct flow_buffer {
  size_t begin, end; /* of the bytes not carried yet */
  bool ended;        /* no more will come */
  char bytes[BUFFER_SIZE];
};

struct relay {
  CURL *easy;
  int epoll;
  int far, near; /* the handle's socket; our end of the pair */
  uint32_t far_events, near_events;
  struct flow_buffer outward, inward; /* near to far; far to near */
};

/* Bytes taken or given; 0: none for now; -1: the end. */
typedef ssize_t transport(struct relay *relay, char *bytes, size_t size);

static ssize_t far_result(CURLcode code, size_t size) {
  if (code == CURLE_AGAIN)
    return 0;
  return code == CURLE_OK && size > 0 ? (ssize_t)size : -1;
}

static ssize_t far_read(struct relay *relay, char *bytes, size_t size) {
  size_t length = 0;
  CURLcode code = curl_easy_recv(relay->easy, bytes, size, &length);

  return far_result(code, length);
}

static ssize_t far_write(struct relay *relay, char *bytes, size_t size) {
  size_t length = 0;
  CURLcode code = curl_easy_send(relay->easy, bytes, size, &length);

  return code == CURLE_OK && length == 0 ? 0 : far_result(code, length);
}

static ssize_t near_result(ssize_t length) {
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return 0;
  return length > 0 ? length : -1;
}

static ssize_t near_read(struct relay *relay, char *bytes, size_t size) {
  return near_result(recv(relay->near, bytes, size, MSG_DONTWAIT));
}

static ssize_t near_write(struct relay *relay, char *bytes, size_t size) {
  return near_result(send(relay->near, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* Until one of the two sides has enough. */
static void carry(struct relay *relay, struct flow_buffer *buffer, transport *read,
                  transport *write) {
  ssize_t length = 1;

  while (length > 0) {
    if (buffer->begin == buffer->end && !buffer->ended) {
      buffer->begin = buffer->end = 0;
      length = read(relay, buffer->bytes, sizeof(buffer->bytes));
      buffer->ended = length < 0;
      buffer->end = length > 0 ? (size_t)length : 0;
    }
    if (buffer->begin == buffer->end)
      return;
    length = write(relay, buffer->bytes + buffer->begin, buffer->end - buffer->begin);
    if (length < 0)
      *buffer = (struct flow_buffer){.ended = true};
    else
      buffer->begin += (size_t)length;
  }
}

static bool is_empty(const struct flow_buffer *buffer) {
  return buffer->begin == buffer->end;
}

static uint32_t wanted(const struct flow_buffer *from, const struct flow_buffer *to) {
  return (is_empty(from) && !from->ended ? EPOLLIN : 0u) | (is_empty(to) ? 0u : EPOLLOUT);
}

static void watch(struct relay *relay, int descriptor, uint32_t events, uint32_t *now) {
  struct epoll_event event = {.events = events, .data.u64 = poll_token_of_relay(relay)};

  if (events == *now)
    return;
  /* EPOLLHUP comes unasked for: a side with nothing to say must not be watched. */
  epoll_ctl(relay->epoll,
            events == 0 ? EPOLL_CTL_DEL
            : *now == 0 ? EPOLL_CTL_ADD
                        : EPOLL_CTL_MOD,
            descriptor, &event);
  *now = events;
}

void relay_pump(struct relay *relay) {
  carry(relay, &relay->inward, far_read, near_write);
  carry(relay, &relay->outward, near_read, far_write);
  if (relay->inward.ended && is_empty(&relay->inward))
    shutdown(relay->near, SHUT_WR);
  watch(relay, relay->far, wanted(&relay->inward, &relay->outward), &relay->far_events);
  watch(relay, relay->near, wanted(&relay->outward, &relay->inward),
        &relay->near_events);
}

int relay_open(CURL *easy, int epoll, struct relay **relay, int *socket) {
  struct relay *made = calloc(1, sizeof(*made));
  curl_socket_t far = CURL_SOCKET_BAD;
  int result;

  if (!made)
    return -ENOMEM;
  if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &far) != CURLE_OK ||
      far == CURL_SOCKET_BAD) {
    free(made);
    return -ENOTCONN;
  }
  result = socket_pair_open(&made->near, socket);
  if (result < 0) {
    free(made);
    return result;
  }
  made->easy = easy;
  made->epoll = epoll;
  made->far = far;
  relay_pump(made);
  *relay = made;
  return 0;
}

void relay_close(struct relay *relay) {
  if (!relay)
    return;
  watch(relay, relay->far, 0, &relay->far_events);
  watch(relay, relay->near, 0, &relay->near_events);
  close(relay->near);
  free(relay);
}
