/* SPDX-License-Identifier: MIT
 *
 * Records what this kernel answers, a file for each datagram, as seeds for the
 * fuzz targets and captures for the unit tests:
 *
 *   capture tcp-legacy|tcp-ipv4|tcp-ipv6|tcp-info|tcp-listen|tcp-closed|
 *           udp-ipv4|udp-ipv6|conntrack-table|conntrack-cpus|conntrack-entries
 *           DIRECTORY
 *
 * tcp-closed listens for two seconds to the multicast of closed sockets.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define DATAGRAM_SIZE 32768
#define CONNTRACK(type) (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_##type)
#define STATES_ALL 0xffeu
#define STATE_LISTEN (1u << 10)
#define EXTENSION_INFO (1u << (INET_DIAG_INFO - 1))
#define CLOSED_GROUPS                                                                  \
  (1u << (SKNLGRP_INET_TCP_DESTROY - 1) | 1u << (SKNLGRP_INET6_TCP_DESTROY - 1))

struct kind {
  const char *name;
  bool netfilter; /* else sock_diag */
  uint16_t type;  /* 0: nothing is asked */
  uint8_t family;
  uint8_t protocol;
  uint32_t states;
  uint8_t extensions;
  unsigned groups;
};

static const struct kind kinds[] = {
    {.name = "tcp-legacy", .type = TCPDIAG_GETSOCK, .states = STATES_ALL},
    {.name = "tcp-listen", .type = TCPDIAG_GETSOCK, .states = STATE_LISTEN},
    {.name = "tcp-ipv4",
     .type = SOCK_DIAG_BY_FAMILY,
     .family = AF_INET,
     .protocol = IPPROTO_TCP,
     .states = STATES_ALL},
    {.name = "tcp-ipv6",
     .type = SOCK_DIAG_BY_FAMILY,
     .family = AF_INET6,
     .protocol = IPPROTO_TCP,
     .states = STATES_ALL},
    {.name = "tcp-info",
     .type = TCPDIAG_GETSOCK,
     .states = STATES_ALL,
     .extensions = EXTENSION_INFO},
    {.name = "tcp-closed", .groups = CLOSED_GROUPS},
    {.name = "udp-ipv4",
     .type = SOCK_DIAG_BY_FAMILY,
     .family = AF_INET,
     .protocol = IPPROTO_UDP,
     .states = STATES_ALL},
    {.name = "udp-ipv6",
     .type = SOCK_DIAG_BY_FAMILY,
     .family = AF_INET6,
     .protocol = IPPROTO_UDP,
     .states = STATES_ALL},
    {.name = "conntrack-table", .netfilter = true, .type = CONNTRACK(GET_STATS)},
    {.name = "conntrack-cpus", .netfilter = true, .type = CONNTRACK(GET_STATS_CPU)},
    {.name = "conntrack-entries", .netfilter = true, .type = CONNTRACK(GET)},
};

static const struct kind *find_kind(const char *name) {
  for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
    if (strcmp(kinds[i].name, name) == 0)
      return &kinds[i];
  return NULL;
}

static void put_body(struct nlmsghdr *message, const struct kind *kind) {
  if (kind->type == TCPDIAG_GETSOCK) {
    struct inet_diag_req *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

    body->idiag_family = AF_INET;
    body->idiag_states = kind->states;
    body->idiag_ext = kind->extensions;
  } else if (kind->type == SOCK_DIAG_BY_FAMILY) {
    struct inet_diag_req_v2 *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

    body->sdiag_family = kind->family;
    body->sdiag_protocol = kind->protocol;
    body->idiag_states = kind->states;
    body->idiag_ext = kind->extensions;
  } else {
    struct nfgenmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

    body->version = NFNETLINK_V0;
  }
}

static int ask(struct mnl_socket *socket, const struct kind *kind) {
  _Alignas(struct nlmsghdr) char buffer[256];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

  if (kind->type == 0)
    return 0;
  message->nlmsg_type = kind->type;
  message->nlmsg_flags =
      NLM_F_REQUEST | (kind->type == CONNTRACK(GET_STATS) ? NLM_F_ACK : NLM_F_DUMP);
  message->nlmsg_seq = 1;
  put_body(message, kind);
  return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

static bool is_last(const struct nlmsghdr *message, int left) {
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
    if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
      return true;
  return false;
}

static int record(struct mnl_socket *socket, const char *directory, const char *name) {
  _Alignas(struct nlmsghdr) static char buffer[DATAGRAM_SIZE];
  ssize_t size = 1;
  bool last = false;

  for (int number = 0; !last && number < 1000; number++) {
    char path[4096];
    FILE *file;

    size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
    if (size < 0)
      return errno == EAGAIN ? 0 : -errno;
    last = is_last((const struct nlmsghdr *)(const void *)buffer, (int)size);
    snprintf(path, sizeof(path), "%s/%s-%d", directory, name, number);
    file = fopen(path, "w");
    if (!file)
      return -errno;
    fwrite(buffer, 1, (size_t)size, file);
    if (fclose(file) != 0)
      return -errno;
  }
  return 0;
}

int main(int argument_count, char **arguments) {
  const struct kind *kind = argument_count == 3 ? find_kind(arguments[1]) : NULL;
  const struct timeval timeout = {.tv_sec = 2};
  struct mnl_socket *socket;
  int status;

  if (!kind) {
    fprintf(stderr, "usage: capture KIND DIRECTORY; kinds:\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
      fprintf(stderr, "  %s\n", kinds[i].name);
    return 2;
  }
  socket = mnl_socket_open(kind->netfilter ? NETLINK_NETFILTER : NETLINK_SOCK_DIAG);
  if (!socket || mnl_socket_bind(socket, kind->groups, MNL_SOCKET_AUTOPID) < 0) {
    perror("netlink");
    return 1;
  }
  setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  status = ask(socket, kind);
  if (status == 0)
    status = record(socket, arguments[2], kind->name);
  if (status < 0)
    fprintf(stderr, "%s: %s\n", kind->name, strerror(-status));
  mnl_socket_close(socket);
  return status < 0;
}
