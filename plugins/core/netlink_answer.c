/* SPDX-License-Identifier: MIT */
#include "netlink_answer.h"

#include <errno.h>
#include <libmnl/libmnl.h>

/* NLMSG_ERROR and NLMSG_DONE both start with an errno as the kernel has it,
 * negative; 0 in an error message is an acknowledgement. */
static int ending_errno(const struct nlmsghdr *message, int when_absent) {
  const int *code = mnl_nlmsg_get_payload(message);

  if (mnl_nlmsg_get_payload_len(message) < sizeof(*code))
    return when_absent;
  if (*code > 0 || *code < -4095) /* MAX_ERRNO, include/linux/err.h */
    return -EBADMSG;
  return *code;
}

static bool is_ours(const struct netlink_answer *answer,
                    const struct nlmsghdr *message) {
  return message->nlmsg_seq == answer->sequence && message->nlmsg_pid == answer->port;
}

static int feed_message(struct netlink_answer *answer, const struct nlmsghdr *message) {
  if (message->nlmsg_flags & NLM_F_DUMP_INTR)
    answer->incomplete = true;

  switch (message->nlmsg_type) {
  case NLMSG_ERROR:
    return ending_errno(message, -EBADMSG);
  case NLMSG_DONE:
    return ending_errno(message, 0);
  case NLMSG_NOOP:
    return NETLINK_ANSWER_MORE;
  case NLMSG_OVERRUN:
    answer->incomplete = true;
    return NETLINK_ANSWER_MORE;
  default:
    break;
  }
  if (answer->callback(message, answer->data) < 0)
    answer->malformed++;
  else
    answer->messages++;
  return NETLINK_ANSWER_MORE;
}

/* Not mnl_nlmsg_ok(): it compares lengths as signed, and takes one of 2^31 bytes
 * or more for a small one. */
static bool fits(const struct nlmsghdr *message, int left) {
  return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
         message->nlmsg_len <= (unsigned)left;
}

/* What is left may be 3 bytes less than nothing: the last message is not padded. */
static const struct nlmsghdr *next(const struct nlmsghdr *message, int *left) {
  const void *place = (const char *)message + NLMSG_ALIGN(message->nlmsg_len);

  *left -= (int)NLMSG_ALIGN(message->nlmsg_len);
  return place;
}

int netlink_answer_feed(struct netlink_answer *answer, const void *datagram,
                        size_t size) {
  const struct nlmsghdr *message = datagram;
  int left = size > INT32_MAX ? INT32_MAX : (int)size;

  while (fits(message, left)) {
    if (is_ours(answer, message)) {
      int status = feed_message(answer, message);

      if (status != NETLINK_ANSWER_MORE)
        return status;
    }
    message = next(message, &left);
  }
  if (left > 0)
    answer->malformed++;
  return NETLINK_ANSWER_MORE;
}
