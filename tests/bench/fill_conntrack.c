/* SPDX-License-Identifier: MIT
 *
 * Puts COUNT entries into the conntrack table of this network namespace, from
 * number FIRST on. Entry N is one of four kinds by N modulo 4: TCP established
 * (two of them), TCP in TIME_WAIT, UDP answered. All stay for an hour.
 *
 *   fill_conntrack FIRST COUNT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 10000000
#define LIFETIME_SECONDS 3600
#define CLIENTS 0x0a010000u /* 10.1.0.0: 50,000 ports of each address are used */
#define SERVER 0xcb007101u  /* 203.0.113.1 */
#define PORTS_EACH 50000u
#define FIRST_PORT 10000u

/* Both directions of an entry, addresses and ports in network byte order. */
struct tuple {
  uint32_t source, destination;
  uint16_t source_port, destination_port;
};

static unsigned long parse_number(const char *text) {
  char *end = NULL;
  unsigned long number = strtoul(text, &end, 10);

  if (end == text || *end != '\0' || number > ENTRIES_MAX)
    error(2, 0, "\"%s\": expected a number up to %d", text, ENTRIES_MAX);
  return number;
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, uint8_t protocol,
                      const struct tuple *tuple) {
  struct nlattr *outer = mnl_attr_nest_start(message, type);
  struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

  mnl_attr_put_u32(message, CTA_IP_V4_SRC, tuple->source);
  mnl_attr_put_u32(message, CTA_IP_V4_DST, tuple->destination);
  mnl_attr_nest_end(message, inner);
  inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, tuple->source_port);
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, tuple->destination_port);
  mnl_attr_nest_end(message, inner);
  mnl_attr_nest_end(message, outer);
}

static void put_tcp_state(struct nlmsghdr *message, uint8_t state) {
  struct nlattr *outer = mnl_attr_nest_start(message, CTA_PROTOINFO);
  struct nlattr *inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, state);
  mnl_attr_nest_end(message, inner);
  mnl_attr_nest_end(message, outer);
}

static void put_entry(struct nlmsghdr *message, unsigned long number) {
  const struct tuple original = {
      .source = htonl(CLIENTS + (uint32_t)(number / PORTS_EACH)),
      .destination = htonl(SERVER),
      .source_port = htons((uint16_t)(FIRST_PORT + number % PORTS_EACH)),
      .destination_port = htons(443),
  };
  const struct tuple reply = {original.destination, original.source,
                              original.destination_port, original.source_port};
  uint8_t protocol = number % 4 == 3 ? IPPROTO_UDP : IPPROTO_TCP;

  put_tuple(message, CTA_TUPLE_ORIG, protocol, &original);
  put_tuple(message, CTA_TUPLE_REPLY, protocol, &reply);
  mnl_attr_put_u32(message, CTA_STATUS,
                   htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
  mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(LIFETIME_SECONDS));
  if (protocol == IPPROTO_TCP)
    put_tcp_state(message, number % 4 == 2 ? TCP_CONNTRACK_TIME_WAIT
                                           : TCP_CONNTRACK_ESTABLISHED);
}

/* Returns 0 or the kernel's -errno. */
static int create_entry(struct mnl_socket *socket, unsigned long number) {
  _Alignas(max_align_t) char buffer[1024];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct nfgenmsg *body;
  ssize_t size;
  int code = 0;

  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  message->nlmsg_seq = (uint32_t)number;
  body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
  body->nfgen_family = AF_INET;
  body->version = NFNETLINK_V0;
  put_entry(message, number);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
    return -errno;
  size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
  if (size < 0)
    return -errno;
  if (size < (ssize_t)(MNL_NLMSG_HDRLEN + sizeof(code)))
    return -EBADMSG;
  memcpy(&code, buffer + MNL_NLMSG_HDRLEN, sizeof(code));
  return code;
}

int main(int argc, char **argv) {
  struct mnl_socket *socket;
  unsigned long first, count;

  if (argc != 3)
    error(2, 0, "usage: fill_conntrack FIRST COUNT");
  first = parse_number(argv[1]);
  count = parse_number(argv[2]);
  socket = mnl_socket_open(NETLINK_NETFILTER);
  if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
    error(1, errno, "netlink socket");
  for (unsigned long number = first; number < first + count; number++) {
    int status = create_entry(socket, number);

    if (status < 0)
      error(1, -status, "entry %lu", number);
  }
  mnl_socket_close(socket);
  return 0;
}
