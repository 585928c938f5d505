/* SPDX-License-Identifier: MIT
 *
 * The floor that every netlink reader stands on: sends a request, receives the
 * whole answer and looks at none of it. Prints, for each repetition, one line
 * "NANOSECONDS MESSAGES": CPU time of this process, and with --count the number
 * of messages (else 0: to count them is to look at them). With --wait each
 * repetition waits for a byte on standard input, and its end ends the program:
 * so the floor is as warm as a daemon.
 *
 *   receive_discard REQUEST [--count] [--wait] [REPETITIONS]
 */
#include <errno.h>
#include <error.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The most that the kernel puts into one datagram of a dump (netlink_dump() in
 * net/netlink/af_netlink.c). */
#define DATAGRAM_SIZE 32768

#define REPETITIONS_MAX 100000

/* States 1 to 11 of include/net/tcp_states.h. */
#define TCP_STATES 0xffeu
#define INFO_EXTENSION (1u << (INET_DIAG_INFO - 1))

/* The end is told by the last bytes of a datagram: a number that no address,
 * port or counter is likely to make there. */
#define FIRST_SEQUENCE 0x65677265u

struct reader {
  struct mnl_socket *socket;
  uint32_t sequence;
  bool count, wait;
  unsigned long messages;
  _Alignas(max_align_t) char request[MNL_NLMSG_HDRLEN + 256];
  _Alignas(max_align_t) char answer[DATAGRAM_SIZE];
};

static struct nlmsghdr *new_request(struct reader *reader, int type, int flags) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(reader->request);

  message->nlmsg_type = (uint16_t)type;
  message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
  message->nlmsg_seq = ++reader->sequence;
  return message;
}

/* Without NLM_F_DUMP the answer is one message. With it the end is a message of
 * its own, alone or behind the last of the others. */
static bool is_end(const struct reader *reader, const struct nlmsghdr *request,
                   size_t size) {
  const size_t length = MNL_NLMSG_HDRLEN + sizeof(int);
  struct nlmsghdr last;

  if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
    return true;
  if (size < length)
    return false;
  memcpy(&last, reader->answer + size - length, sizeof(last));
  return last.nlmsg_type == NLMSG_DONE && last.nlmsg_len == length &&
         last.nlmsg_seq == reader->sequence;
}

static int check_first(const struct reader *reader) {
  struct nlmsghdr first;
  int code;

  memcpy(&first, reader->answer, sizeof(first));
  if (first.nlmsg_type != NLMSG_ERROR)
    return 0;
  memcpy(&code, reader->answer + MNL_NLMSG_HDRLEN, sizeof(code));
  return code;
}

static void count_messages(struct reader *reader, size_t size) {
  const void *datagram = reader->answer;
  const struct nlmsghdr *message = datagram;
  int left = (int)size;

  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
    if (message->nlmsg_type >= NLMSG_MIN_TYPE)
      reader->messages++;
}

/* Returns 0 or -errno. */
static int exchange(struct reader *reader, const struct nlmsghdr *request) {
  int status = 0;
  bool end = false;

  if (mnl_socket_sendto(reader->socket, request, request->nlmsg_len) < 0)
    return -errno;
  while (!end && status == 0) {
    ssize_t size =
        mnl_socket_recvfrom(reader->socket, reader->answer, sizeof(reader->answer));

    if (size < (ssize_t)MNL_NLMSG_HDRLEN)
      return size < 0 ? -errno : -EBADMSG;
    status = check_first(reader);
    end = is_end(reader, request, (size_t)size);
    if (reader->count)
      count_messages(reader, (size_t)size);
  }
  return status;
}

static int dump_legacy(struct reader *reader, unsigned extensions) {
  struct nlmsghdr *message = new_request(reader, TCPDIAG_GETSOCK, NLM_F_DUMP);
  struct inet_diag_req *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

  body->idiag_family = AF_INET;
  body->idiag_states = TCP_STATES;
  body->idiag_ext = (uint8_t)extensions;
  return exchange(reader, message);
}

static int dump_family(struct reader *reader, uint8_t family, unsigned extensions) {
  struct nlmsghdr *message = new_request(reader, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
  struct inet_diag_req_v2 *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

  body->sdiag_family = family;
  body->sdiag_protocol = IPPROTO_TCP;
  body->idiag_states = TCP_STATES;
  body->idiag_ext = (uint8_t)extensions;
  return exchange(reader, message);
}

static int tcp_legacy(struct reader *reader) { return dump_legacy(reader, 0); }

static int tcp_legacy_info(struct reader *reader) {
  return dump_legacy(reader, INFO_EXTENSION);
}

static int tcp_by_family(struct reader *reader) {
  int status = dump_family(reader, AF_INET, 0);

  return status < 0 ? status : dump_family(reader, AF_INET6, 0);
}

static int ask_conntrack(struct reader *reader, int type, int flags) {
  struct nlmsghdr *message =
      new_request(reader, NFNL_SUBSYS_CTNETLINK << 8 | type, flags);
  struct nfgenmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

  body->nfgen_family = AF_UNSPEC;
  body->version = NFNETLINK_V0;
  return exchange(reader, message);
}

static int conntrack_stats(struct reader *reader) {
  return ask_conntrack(reader, IPCTNL_MSG_CT_GET_STATS, 0);
}

static int conntrack_stats_cpu(struct reader *reader) {
  return ask_conntrack(reader, IPCTNL_MSG_CT_GET_STATS_CPU, NLM_F_DUMP);
}

static int conntrack_dump(struct reader *reader) {
  return ask_conntrack(reader, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
}

static const struct request {
  const char *name;
  int bus;
  int (*read)(struct reader *reader);
} requests[] = {
    {"tcp-legacy", NETLINK_SOCK_DIAG, tcp_legacy},
    {"tcp-legacy-info", NETLINK_SOCK_DIAG, tcp_legacy_info},
    {"tcp-by-family", NETLINK_SOCK_DIAG, tcp_by_family},
    {"conntrack-stats", NETLINK_NETFILTER, conntrack_stats},
    {"conntrack-stats-cpu", NETLINK_NETFILTER, conntrack_stats_cpu},
    {"conntrack-dump", NETLINK_NETFILTER, conntrack_dump},
};
#define REQUEST_COUNT (sizeof(requests) / sizeof(*requests))

static const struct request *find_request(const char *name) {
  for (size_t i = 0; i < REQUEST_COUNT; i++)
    if (strcmp(requests[i].name, name) == 0)
      return &requests[i];
  error(2, 0, "no request \"%s\": expected tcp-legacy, tcp-legacy-info, "
              "tcp-by-family, conntrack-stats, conntrack-stats-cpu or conntrack-dump",
        name);
  return NULL;
}

static long long cpu_now(void) {
  struct timespec now;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static bool may_go_on(const struct reader *reader) {
  char byte;

  return !reader->wait || read(STDIN_FILENO, &byte, 1) > 0;
}

static void repeat(struct reader *reader, const struct request *request,
                   unsigned long repetitions) {
  for (unsigned long i = 0; i < repetitions && may_go_on(reader); i++) {
    long long begun = cpu_now();
    int status;

    reader->messages = 0;
    status = request->read(reader);
    if (status < 0)
      error(1, -status, "%s", request->name);
    printf("%lld %lu\n", cpu_now() - begun, reader->messages);
    if (reader->wait)
      fflush(stdout);
  }
}

static unsigned long parse_options(struct reader *reader, char *const *words) {
  unsigned long repetitions = 0;

  for (; *words; words++)
    if (strcmp(*words, "--count") == 0)
      reader->count = true;
    else if (strcmp(*words, "--wait") == 0)
      reader->wait = true;
    else
      repetitions = strtoul(*words, NULL, 10);
  if (repetitions == 0)
    repetitions = reader->wait ? REPETITIONS_MAX : 1;
  if (repetitions > REPETITIONS_MAX)
    error(2, 0, "repetitions: expected 1 to %d", REPETITIONS_MAX);
  return repetitions;
}

int main(int argc, char **argv) {
  static struct reader reader = {.sequence = FIRST_SEQUENCE};
  const struct request *request;
  unsigned long repetitions;

  if (argc < 2)
    error(2, 0, "usage: receive_discard REQUEST [--count] [--wait] [REPETITIONS]");
  request = find_request(argv[1]);
  repetitions = parse_options(&reader, argv + 2);

  reader.socket = mnl_socket_open(request->bus);
  if (!reader.socket || mnl_socket_bind(reader.socket, 0, MNL_SOCKET_AUTOPID) < 0)
    error(1, errno, "netlink socket");
  repeat(&reader, request, repetitions);
  mnl_socket_close(reader.socket);
  return 0;
}
