/* SPDX-License-Identifier: MIT */
#include "close_events.h"

#include "close_filter.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* include/uapi/asm-generic/socket.h */
#endif

#define BATCH 256         /* messages a system call */
#define MESSAGE_SIZE 1024 /* an event has 380 bytes; struct tcp_info grows */
#define PAUSE_MS 50

/* One round ends after this many batches, so that a flood of events cannot hold a
 * read callback: four times what the buffer can hold. */
#define BATCHES_MAX (4 * CLOSE_EVENTS_BUFFER / 1280 / BATCH)

struct close_events {
  struct mnl_socket *socket;
  size_t buffer;
  close_events_callback *callback;
  void *data;
  pthread_mutex_t mutex; /* held while receiving and calling back */
  uint32_t drops;        /* the kernel's counter, as last seen */
  size_t filter_length;
  int stop;              /* eventfd */
  bool runs;
  pthread_t thread;
  struct mmsghdr headers[BATCH];
  struct iovec vectors[BATCH];
  struct sock_diag_record records[BATCH];
  /* Of a length that keeps each one aligned as the first. */
  _Alignas(struct nlmsghdr) char messages[BATCH][MESSAGE_SIZE];
};

static uint32_t group_bit(unsigned group) { return 1u << (group - 1); }

/* Only CAP_NET_ADMIN may ask for more than net.core.rmem_max. The kernel doubles
 * what it is asked for. */
static size_t enlarge_buffer(int socket) {
  int size = CLOSE_EVENTS_BUFFER / 2;
  socklen_t length = sizeof(size);

  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) < 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, length);
  if (getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, &length) < 0)
    return 0;
  return (size_t)size;
}

static int attach(int socket, struct close_filter *filter) {
  const struct sock_fprog program = {.len = (unsigned short)filter->length,
                                     .filter = filter->instructions};

  if (filter->length == 0)
    return -ENODATA;
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
             ? -errno
             : 0;
}

/* A program counts toward net.core.optmem_max, beside the one that it replaces: 20 KiB on
 * older kernels. Between the two all events come, which is no harm. */
void close_events_refilter(struct close_events *events, const struct nat_config *config) {
  int socket = mnl_socket_get_fd(events->socket), unused = 0, status = -ENOMEM;
  struct close_filter *filter = malloc(sizeof(*filter));

  setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
  for (size_t most = BPF_MAXINSNS;
       filter && status == -ENOMEM && most >= CLOSE_FILTER_LEAST; most /= 2) {
    close_filter_make(config, most, filter);
    status = attach(socket, filter);
  }
  events->filter_length = filter && status == 0 ? filter->length : 0;
  free(filter);
}

size_t close_events_filter_length(const struct close_events *events) {
  return events->filter_length;
}

/* The filter first: what had come before it would have to be told apart. */
static int join(struct close_events *events, const struct nat_config *config) {
  int one = 1;

  events->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!events->socket)
    return -errno;
  events->buffer = enlarge_buffer(mnl_socket_get_fd(events->socket));
  /* Losses are counted; an error would stop the queue until it is empty. */
  mnl_socket_setsockopt(events->socket, NETLINK_NO_ENOBUFS, &one, sizeof(one));
  if (config)
    close_events_refilter(events, config);
  if (mnl_socket_bind(events->socket,
                      group_bit(SKNLGRP_INET_TCP_DESTROY) |
                          group_bit(SKNLGRP_INET6_TCP_DESTROY),
                      MNL_SOCKET_AUTOPID) < 0)
    return -errno;
  return 0;
}

static void prepare_vectors(struct close_events *events) {
  for (size_t i = 0; i < BATCH; i++) {
    events->vectors[i] = (struct iovec){events->messages[i], MESSAGE_SIZE};
    events->headers[i].msg_hdr.msg_iov = &events->vectors[i];
    events->headers[i].msg_hdr.msg_iovlen = 1;
  }
}

int close_events_open(close_events_callback *callback, void *data,
                      const struct nat_config *config, struct close_events **events) {
  struct close_events *opened = calloc(1, sizeof(*opened));
  int status;

  if (!opened)
    return -ENOMEM;
  opened->callback = callback;
  opened->data = data;
  pthread_mutex_init(&opened->mutex, NULL);
  prepare_vectors(opened);
  opened->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  status = opened->stop < 0 ? -errno : join(opened, config);
  if (status < 0)
    close_events_close(opened);
  else
    *events = opened;
  return status;
}

size_t close_events_buffer(const struct close_events *events) { return events->buffer; }

/* Not mnl_nlmsg_ok(): it compares lengths as signed, and takes one of 2^31 bytes or
 * more for a small one. */
static bool is_whole(const struct nlmsghdr *message, size_t received) {
  return received >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
         message->nlmsg_len <= received;
}

/* Messages too long for their place are cut, and left out by their length. */
static size_t parse_batch(struct close_events *events, unsigned messages) {
  size_t count = 0;

  for (unsigned i = 0; i < messages; i++) {
    const void *place = events->messages[i];
    const struct nlmsghdr *message = place;

    if (is_whole(message, events->headers[i].msg_len) &&
        message->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
        sock_diag_parse(message, &events->records[count]) == 0)
      count++;
  }
  return count;
}

/* sk_drops is a counter of 32 bits. */
static uint64_t count_lost(struct close_events *events) {
  uint32_t values[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof(values);
  uint32_t lost;

  if (getsockopt(mnl_socket_get_fd(events->socket), SOL_SOCKET, SO_MEMINFO, values,
                 &length) < 0 ||
      length <= SK_MEMINFO_DROPS * sizeof(*values))
    return 0;
  lost = values[SK_MEMINFO_DROPS] - events->drops;
  events->drops = values[SK_MEMINFO_DROPS];
  return lost;
}

/* One batch; false when there is no more. */
static bool take_batch(struct close_events *events) {
  int messages = recvmmsg(mnl_socket_get_fd(events->socket), events->headers, BATCH,
                          MSG_DONTWAIT, NULL);
  nanoseconds now = clock_now(CLOCK_MONOTONIC);
  size_t count = messages > 0 ? parse_batch(events, (unsigned)messages) : 0;
  bool last = messages < BATCH;
  uint64_t lost = last ? count_lost(events) : 0;

  if (count > 0 || lost > 0)
    events->callback(events->records, count, lost, now, events->data);
  return !last;
}

void close_events_drain(struct close_events *events) {
  pthread_mutex_lock(&events->mutex);
  for (unsigned i = 0; i < BATCHES_MAX && take_batch(events); i++)
    continue;
  pthread_mutex_unlock(&events->mutex);
}

static void *run(void *data) {
  struct close_events *events = data;
  struct pollfd stop = {.fd = events->stop, .events = POLLIN};

  while (poll(&stop, 1, PAUSE_MS) <= 0)
    close_events_drain(events);
  return NULL;
}

/* Signals are for the daemon's main thread. */
int close_events_start(struct close_events *events) {
  sigset_t all, before;
  int status;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  status = pthread_create(&events->thread, NULL, run, events);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  events->runs = status == 0;
  return -status;
}

void close_events_close(struct close_events *events) {
  if (!events)
    return;
  if (events->runs) {
    eventfd_write(events->stop, 1);
    pthread_join(events->thread, NULL);
  }
  if (events->socket)
    mnl_socket_close(events->socket);
  if (events->stop >= 0)
    close(events->stop);
  pthread_mutex_destroy(&events->mutex);
  free(events);
}
