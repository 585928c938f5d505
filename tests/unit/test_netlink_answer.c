/* SPDX-License-Identifier: MIT
 *
 * How an answer goes on and how it ends, message by message.
 */
#include "netlink_answer.h"
#include "capture_file.h"

#include <errno.h>
#include <libmnl/libmnl.h>

static int take_message(const struct nlmsghdr *message, void *data) {
  (void)message;
  (void)data;
  return 0;
}

static struct netlink_answer answer_to(const void *datagram) {
  const struct nlmsghdr *first = datagram;

  return (struct netlink_answer){.sequence = first->nlmsg_seq,
                                 .port = first->nlmsg_pid,
                                 .callback = take_message};
}

struct control {
  struct nlmsghdr header;
  int code;
};

static int feed_control(struct control *control, struct netlink_answer *answer) {
  control->header.nlmsg_seq = 7;
  control->header.nlmsg_pid = 9;
  *answer = (struct netlink_answer){
      .sequence = 7, .port = 9, .callback = take_message};
  return netlink_answer_feed(answer, control, control->header.nlmsg_len);
}

static int end_of(uint16_t type, size_t payload, int code) {
  struct control control = {
      .header = {.nlmsg_len = (uint32_t)(sizeof(struct nlmsghdr) + payload),
                 .nlmsg_type = type},
      .code = code};
  struct netlink_answer answer;

  return feed_control(&control, &answer);
}

static void test_ends(void **state) {
  (void)state;
  assert_int_equal(end_of(NLMSG_DONE, 4, 0), 0);
  assert_int_equal(end_of(NLMSG_DONE, 0, 0), 0);
  assert_int_equal(end_of(NLMSG_DONE, 4, -ENOMEM), -ENOMEM);
  assert_int_equal(end_of(NLMSG_ERROR, 4, 0), 0);
  assert_int_equal(end_of(NLMSG_ERROR, 4, -EPERM), -EPERM);
  assert_int_equal(end_of(NLMSG_ERROR, 0, 0), -EBADMSG);
  assert_int_equal(end_of(NLMSG_ERROR, 4, 5), -EBADMSG);
  assert_int_equal(end_of(NLMSG_ERROR, 4, INT32_MIN), -EBADMSG);
  assert_int_equal(end_of(NLMSG_NOOP, 0, 0), NETLINK_ANSWER_MORE);
}

static void test_marks_of_loss(void **state) {
  struct control interrupted = {.header = {.nlmsg_len = sizeof(struct control),
                                           .nlmsg_type = NLMSG_DONE,
                                           .nlmsg_flags = NLM_F_DUMP_INTR}};
  struct control overrun = {
      .header = {.nlmsg_len = sizeof(struct nlmsghdr), .nlmsg_type = NLMSG_OVERRUN}};
  struct netlink_answer answer;

  (void)state;
  assert_int_equal(feed_control(&interrupted, &answer), 0);
  assert_true(answer.incomplete);
  assert_int_equal(feed_control(&overrun, &answer), NETLINK_ANSWER_MORE);
  assert_true(answer.incomplete);
}

/* An answer to an earlier request, or to another socket, neither counts nor ends. */
static void test_foreign_messages(void **state) {
  struct control done = {.header = {.nlmsg_len = sizeof(struct control),
                                    .nlmsg_type = NLMSG_DONE,
                                    .nlmsg_seq = 6,
                                    .nlmsg_pid = 9}};
  struct netlink_answer answer = {
      .sequence = 7, .port = 9, .callback = take_message};

  (void)state;
  assert_int_equal(netlink_answer_feed(&answer, &done, sizeof(done)),
                   NETLINK_ANSWER_MORE);
  done.header.nlmsg_seq = 7;
  done.header.nlmsg_pid = 8;
  assert_int_equal(netlink_answer_feed(&answer, &done, sizeof(done)),
                   NETLINK_ANSWER_MORE);
  done.header.nlmsg_pid = 9;
  assert_int_equal(netlink_answer_feed(&answer, &done, sizeof(done)), 0);
}

/* A length of 2^31 or more is no small one. */
static void test_giant_length(void **state) {
  struct control giant = {.header = {.nlmsg_len = 0xfffffa24, .nlmsg_type = 20}};
  struct netlink_answer answer = {.callback = take_message};

  (void)state;
  assert_int_equal(netlink_answer_feed(&answer, &giant, sizeof(giant)),
                   NETLINK_ANSWER_MORE);
  assert_int_equal(answer.malformed, 1);
  assert_int_equal(answer.messages, 0);
}

/* An errno in the place of any message ends the dump there. */
static void test_errors_injected(void **state) {
  size_t size;
  char *datagram = capture_read("tcp-legacy-0", &size);
  size_t place = 0;
  uint64_t before = 0;

  (void)state;
  while (place < size) {
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(datagram + place);
    struct nlmsghdr saved = *message;
    int *code = mnl_nlmsg_get_payload(message);
    int saved_code = *code;
    struct netlink_answer answer = answer_to(datagram);

    message->nlmsg_type = before % 2 ? NLMSG_ERROR : NLMSG_DONE;
    *code = -ENOBUFS;
    assert_int_equal(netlink_answer_feed(&answer, datagram, size), -ENOBUFS);
    assert_int_equal(answer.messages, before++);
    *message = saved;
    *code = saved_code;
    place += NLMSG_ALIGN(saved.nlmsg_len);
  }
  assert_true(before > 10);
  free(datagram);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ends),
      cmocka_unit_test(test_marks_of_loss),
      cmocka_unit_test(test_foreign_messages),
      cmocka_unit_test(test_giant_length),
      cmocka_unit_test(test_errors_injected),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
