/* SPDX-License-Identifier: MIT */
#include "egress/sock_diag.h"
#include "netlink_channel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>

#define INFO_EXTENSION (1u << (INET_DIAG_INFO - 1))

/* Which request this kernel answers. The legacy one is taken for AF_UNSPEC
 * (inet_diag_dump_compat() in net/ipv4/inet_diag.c): one walk of the kernel's
 * table for both families, which is most of the cost of a pass. The modern one
 * wants a family. */
enum request_method { METHOD_UNKNOWN, METHOD_LEGACY, METHOD_BY_FAMILY };

struct sock_diag {
  struct netlink_channel *channel;
  enum request_method method;
};

/* One pass under way. */
struct pass {
  const struct sock_diag_request *request;
  sock_diag_callback *callback;
  void *data;
  struct sock_diag_result *result;
  struct sock_diag_record record;
};

int sock_diag_open(struct sock_diag **diag) {
  struct sock_diag *opened = calloc(1, sizeof(*opened));
  int status;

  if (!opened)
    return -ENOMEM;
  status = netlink_channel_open(NETLINK_SOCK_DIAG, &opened->channel);
  if (status < 0) {
    free(opened);
    return status;
  }
  *diag = opened;
  return 0;
}

void sock_diag_close(struct sock_diag *diag) {
  if (!diag)
    return;
  netlink_channel_close(diag->channel);
  free(diag);
}

static int take_message(const struct nlmsghdr *message, void *data) {
  struct pass *pass = data;
  int status = pass->request->tcp_info ? sock_diag_parse(message, &pass->record)
                                       : sock_diag_parse_socket(message, &pass->record);

  if (status < 0)
    return status;
  if (!(pass->request->states & 1u << pass->record.state))
    return 0;
  pass->callback(&pass->record, pass->data);
  pass->result->sockets++;
  return 0;
}

static int exchange(struct sock_diag *diag, struct nlmsghdr *message, struct pass *pass) {
  struct netlink_answer answer = {.callback = take_message, .data = pass};
  int status = netlink_channel_exchange(diag->channel, message, &answer);

  pass->result->requests++;
  pass->result->malformed += answer.malformed;
  if (answer.incomplete || answer.malformed > 0)
    pass->result->partial = true;
  return status;
}

static int dump_legacy(struct sock_diag *diag, struct pass *pass) {
  _Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN +
                                        MNL_ALIGN(sizeof(struct inet_diag_req))];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct inet_diag_req *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

  message->nlmsg_type = TCPDIAG_GETSOCK;
  message->nlmsg_flags = NLM_F_DUMP;
  body->idiag_family = AF_INET; /* looked at only when one socket is asked for */
  body->idiag_states = pass->request->states;
  body->idiag_ext = pass->request->tcp_info ? INFO_EXTENSION : 0;
  return exchange(diag, message, pass);
}

static int dump_family(struct sock_diag *diag, struct pass *pass, uint8_t family,
                       uint8_t protocol) {
  _Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN +
                                        MNL_ALIGN(sizeof(struct inet_diag_req_v2))];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct inet_diag_req_v2 *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

  message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message->nlmsg_flags = NLM_F_DUMP;
  body->sdiag_family = family;
  body->sdiag_protocol = protocol;
  body->idiag_states = pass->request->states;
  body->idiag_ext = pass->request->tcp_info ? INFO_EXTENSION : 0;
  return exchange(diag, message, pass);
}

/* A kernel without IPv6 refuses its family: that is no loss. */
static int dump_by_family(struct sock_diag *diag, struct pass *pass, uint8_t protocol) {
  int status = dump_family(diag, pass, AF_INET, protocol);

  if (status < 0)
    return status;
  status = dump_family(diag, pass, AF_INET6, protocol);
  return status == -ENOENT || status == -EAFNOSUPPORT ? 0 : status;
}

/* The legacy request may be refused for good (not known to this kernel), or fail
 * for the moment: only an answer decides the method. */
static int dump_tcp(struct sock_diag *diag, struct pass *pass) {
  int status = 0;

  if (diag->method != METHOD_BY_FAMILY) {
    status = dump_legacy(diag, pass);
    if (status == 0)
      diag->method = METHOD_LEGACY;
    if (diag->method == METHOD_LEGACY || pass->result->sockets > 0)
      return status;
  }
  status = dump_by_family(diag, pass, IPPROTO_TCP);
  if (status == 0)
    diag->method = METHOD_BY_FAMILY;
  return status;
}

/* What came before a failure is delivered, as a part. */
static int settle(const struct pass *pass, int status) {
  if (status < 0)
    pass->result->partial = true;
  return pass->result->sockets > 0 ? 0 : status;
}

int sock_diag_dump_tcp(struct sock_diag *diag, const struct sock_diag_request *request,
                       sock_diag_callback *callback, void *data,
                       struct sock_diag_result *result) {
  struct pass pass = {request, callback, data, result, .record = {.state = 0}};

  *result = (struct sock_diag_result){0};
  return settle(&pass, dump_tcp(diag, &pass));
}

int sock_diag_dump_udp(struct sock_diag *diag, const struct sock_diag_request *request,
                       sock_diag_callback *callback, void *data,
                       struct sock_diag_result *result) {
  struct pass pass = {request, callback, data, result, .record = {.state = 0}};

  *result = (struct sock_diag_result){0};
  return settle(&pass, dump_by_family(diag, &pass, IPPROTO_UDP));
}
