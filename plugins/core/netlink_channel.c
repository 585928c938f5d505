/* SPDX-License-Identifier: MIT */
#include "netlink_channel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The most that the kernel puts into one datagram of a dump (netlink_dump() in
 * net/netlink/af_netlink.c), given a reader that has room for it. */
#define DATAGRAM_SIZE 32768

/* The kernel copies to a page's begin faster than to its middle: 3 % of a pass. */
#define BUFFER_ALIGNMENT 4096

/* The kernel answers within the system call; a lost end must not hold up the
 * daemon's read thread for ever. */
#define ANSWER_TIMEOUT_SECONDS 5

struct netlink_channel {
  struct mnl_socket *socket; /* NULL after a failure */
  int bus;
  uint32_t sequence; /* from a counter: a clock's may come twice */
  char *buffer;      /* of DATAGRAM_SIZE, on whole pages */
};

static void drop_socket(struct netlink_channel *channel) {
  if (channel->socket)
    mnl_socket_close(channel->socket);
  channel->socket = NULL;
}

static int make_socket(struct netlink_channel *channel) {
  const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_SECONDS};
  int status = 0;

  channel->socket = mnl_socket_open2(channel->bus, SOCK_CLOEXEC);
  if (!channel->socket)
    return -errno;
  if (mnl_socket_bind(channel->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      setsockopt(mnl_socket_get_fd(channel->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
                 sizeof(timeout)) < 0) {
    status = -errno;
    drop_socket(channel);
  }
  return status;
}

int netlink_channel_open(int bus, struct netlink_channel **channel) {
  struct netlink_channel *opened = calloc(1, sizeof(*opened));
  int status;

  if (!opened)
    return -ENOMEM;
  opened->bus = bus;
  opened->buffer = aligned_alloc(BUFFER_ALIGNMENT, DATAGRAM_SIZE);
  status = opened->buffer ? make_socket(opened) : -ENOMEM;
  if (status < 0) {
    netlink_channel_close(opened);
    return status;
  }
  *channel = opened;
  return 0;
}

void netlink_channel_close(struct netlink_channel *channel) {
  if (!channel)
    return;
  drop_socket(channel);
  free(channel->buffer);
  free(channel);
}

static int send_request(struct netlink_channel *channel, struct nlmsghdr *request) {
  ssize_t sent;

  request->nlmsg_flags |= NLM_F_REQUEST;
  request->nlmsg_seq = ++channel->sequence;
  request->nlmsg_pid = 0;
  do
    sent = mnl_socket_sendto(channel->socket, request, request->nlmsg_len);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

/* What a failed receive means for the answer: NETLINK_ANSWER_MORE where it goes
 * on with the next datagram. */
static int receive_failure(struct netlink_answer *answer, int error) {
  switch (error) {
  case EINTR:
    return NETLINK_ANSWER_MORE;
  case ENOBUFS: /* the kernel dropped a datagram */
    answer->incomplete = true;
    return NETLINK_ANSWER_MORE;
  case ENOSPC: /* libmnl's word for a datagram longer than the buffer */
    answer->malformed++;
    answer->incomplete = true;
    return NETLINK_ANSWER_MORE;
  case EAGAIN:
    return -ETIMEDOUT;
  default:
    return -error;
  }
}

static int read_answer(struct netlink_channel *channel, struct netlink_answer *answer) {
  int status = NETLINK_ANSWER_MORE;

  while (status == NETLINK_ANSWER_MORE) {
    ssize_t size = mnl_socket_recvfrom(channel->socket, channel->buffer, DATAGRAM_SIZE);

    if (size >= 0)
      status = netlink_answer_feed(answer, channel->buffer, (size_t)size);
    else
      status = receive_failure(answer, errno);
  }
  return status;
}

int netlink_channel_exchange(struct netlink_channel *channel,
                             struct nlmsghdr *request, struct netlink_answer *answer) {
  int status = channel->socket ? 0 : make_socket(channel);

  *answer = (struct netlink_answer){.callback = answer->callback, .data = answer->data};
  if (status < 0)
    return status;
  status = send_request(channel, request);
  if (status == 0) {
    answer->sequence = channel->sequence;
    answer->port = mnl_socket_get_portid(channel->socket);
    status = read_answer(channel, answer);
  }
  /* A failure that the kernel did not end the answer with leaves a remainder
   * to come. Which it was cannot always be told; a new socket is cheap. */
  if (status < 0)
    drop_socket(channel);
  return status;
}
