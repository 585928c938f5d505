/* SPDX-License-Identifier: MIT
 *
 * One exchange with a kernel of our own: sending and receiving are wrapped by the
 * linker. Each test writes down what the socket says, receive by receive.
 */
#include "netlink_channel.h"
#include "unit.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <string.h>

#define TYPE_DATA 20

/* What one receive gives: an errno, or a datagram of messages. */
struct step {
  int error;
  enum { NOTHING, DATA, INTERRUPTED, STALE, FOREIGN, CUT, DONE, DONE_EIO, REFUSED } says[4];
};

static struct {
  const struct step *steps;
  size_t count, next;
  unsigned sends;
  int send_error; /* of the first send */
  uint32_t sequence, port;
} kernel;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *data,
                                 size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *data,
                                   size_t size);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *data,
                                 size_t size) {
  const struct nlmsghdr *request = data;

  assert_true(request->nlmsg_flags & NLM_F_REQUEST);
  kernel.port = mnl_socket_get_portid(socket);
  kernel.sequence = request->nlmsg_seq;
  if (kernel.sends++ == 0 && kernel.send_error) {
    errno = kernel.send_error;
    return -1;
  }
  return (ssize_t)size;
}

/* Puts one message at `place`; returns its length, which CUT makes too long. */
static size_t put(void *place, int what) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(place);
  int *code = mnl_nlmsg_put_extra_header(message, sizeof(*code));
  size_t length = message->nlmsg_len;

  message->nlmsg_type = TYPE_DATA;
  message->nlmsg_seq = kernel.sequence - (what == STALE);
  message->nlmsg_pid = kernel.port + (what == FOREIGN);
  if (what == INTERRUPTED)
    message->nlmsg_flags |= NLM_F_DUMP_INTR;
  if (what == CUT)
    message->nlmsg_len += 100;
  if (what == DONE || what == DONE_EIO)
    message->nlmsg_type = NLMSG_DONE;
  if (what == REFUSED)
    message->nlmsg_type = NLMSG_ERROR;
  *code = what == DONE_EIO ? -EIO : what == REFUSED ? -EPERM : 0;
  return length;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *data,
                                   size_t size) {
  const struct step *step = &kernel.steps[kernel.next++];
  size_t length = 0;

  (void)socket;
  assert_true(kernel.next <= kernel.count); /* nobody reads beyond the end */
  if (step->error) {
    errno = step->error;
    return -1;
  }
  for (size_t i = 0; i < 4 && step->says[i] != NOTHING; i++)
    length += put((char *)data + length, (int)step->says[i]);
  assert_true(length <= size);
  return (ssize_t)length;
}

static int count(const struct nlmsghdr *message, void *data) {
  assert_int_equal(message->nlmsg_type, TYPE_DATA);
  ++*(unsigned *)data;
  return 0;
}

/* One exchange over the steps; all of them must be read. */
static int exchange(struct netlink_channel *channel, const struct step *steps,
                    size_t step_count, struct netlink_answer *answer) {
  _Alignas(struct nlmsghdr) char buffer[64];
  struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
  unsigned counted = 0;
  int status;

  kernel.steps = steps;
  kernel.count = step_count;
  kernel.next = 0;
  *answer = (struct netlink_answer){.callback = count, .data = &counted};
  status = netlink_channel_exchange(channel, request, answer);
  assert_int_equal(answer->messages, counted);
  assert_int_equal(kernel.next, kernel.count);
  return status;
}

#define EXCHANGE(channel, steps, answer)                                                \
  exchange(channel, steps, sizeof(steps) / sizeof(*(steps)), answer)

static int open_channel(void **state) {
  struct netlink_channel *channel = NULL;

  memset(&kernel, 0, sizeof(kernel));
  assert_int_equal(netlink_channel_open(NETLINK_SOCK_DIAG, &channel), 0);
  *state = channel;
  return 0;
}

static int close_channel(void **state) {
  netlink_channel_close(*state);
  return 0;
}

static void test_whole_answer(void **state) {
  static const struct step steps[] = {{0, {DATA, DATA}}, {0, {DATA, DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(answer.messages, 3);
  assert_false(answer.incomplete);
  assert_int_equal(answer.malformed, 0);
}

static void test_signals_change_nothing(void **state) {
  static const struct step steps[] = {
      {EINTR, {NOTHING}}, {0, {DATA}}, {EINTR, {NOTHING}}, {0, {DONE}}};
  struct netlink_answer answer;

  kernel.send_error = EINTR;
  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(kernel.sends, 2);
  assert_int_equal(answer.messages, 1);
  assert_false(answer.incomplete);
}

/* The kernel dropped a datagram: what comes after it is read, and called a part. */
static void test_overrun(void **state) {
  static const struct step steps[] = {
      {0, {DATA}}, {ENOBUFS, {NOTHING}}, {0, {DATA, DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(answer.messages, 2);
  assert_true(answer.incomplete);
}

/* With the dropped datagram the end was lost: the wait for it is bounded. */
static void test_lost_end(void **state) {
  static const struct step steps[] = {
      {0, {DATA}}, {ENOBUFS, {NOTHING}}, {EAGAIN, {NOTHING}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), -ETIMEDOUT);
  assert_int_equal(answer.messages, 1);
}

static void test_interrupted_dump(void **state) {
  static const struct step steps[] = {{0, {DATA, INTERRUPTED, DATA}}, {0, {DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(answer.messages, 3);
  assert_true(answer.incomplete);
}

static void test_refused(void **state) {
  static const struct step steps[] = {{0, {REFUSED}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), -EPERM);
  assert_int_equal(answer.messages, 0);
}

/* A dump that failed part way is not an end like any other. */
static void test_end_with_an_errno(void **state) {
  static const struct step steps[] = {{0, {DATA, DATA}}, {0, {DONE_EIO}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), -EIO);
  assert_int_equal(answer.messages, 2);
}

/* An answer to an earlier request, its end included, and to another socket. */
static void test_stale_and_foreign(void **state) {
  static const struct step steps[] = {{0, {STALE, DATA, STALE}},
                                      {0, {FOREIGN, DATA, FOREIGN}},
                                      {0, {DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(answer.messages, 2);
}

static void test_cut_message(void **state) {
  static const struct step steps[] = {{0, {DATA, CUT}}, {0, {DATA, DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_int_equal(answer.messages, 2);
  assert_int_equal(answer.malformed, 1);
}

/* libmnl's word for a datagram that did not fit. */
static void test_cut_datagram(void **state) {
  static const struct step steps[] = {{0, {DATA}}, {ENOSPC, {NOTHING}}, {0, {DONE}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), 0);
  assert_true(answer.incomplete);
  assert_int_equal(answer.malformed, 1);
}

static void test_broken_socket(void **state) {
  static const struct step steps[] = {{0, {DATA}}, {EIO, {NOTHING}}};
  struct netlink_answer answer;

  assert_int_equal(EXCHANGE(*state, steps, &answer), -EIO);
}

static void test_send_that_fails(void **state) {
  struct netlink_answer answer;

  kernel.send_error = EPERM;
  assert_int_equal(exchange(*state, NULL, 0, &answer), -EPERM);
}

/* After each kind of failure the next exchange works, and on another socket: what
 * was left of the failed answer cannot be met. Each has a sequence of its own. */
static void test_life_after_failures(void **state) {
  static const struct step failures[][1] = {
      {{0, {REFUSED}}}, {{0, {DONE_EIO}}}, {{EIO, {NOTHING}}}, {{EAGAIN, {NOTHING}}}};
  static const struct step good[] = {{0, {DATA, DONE}}};
  struct netlink_answer answer;

  for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
    uint32_t sequence;

    assert_true(EXCHANGE(*state, failures[i], &answer) < 0);
    sequence = kernel.sequence;
    assert_int_equal(EXCHANGE(*state, good, &answer), 0);
    assert_int_equal(answer.messages, 1);
    assert_int_equal(kernel.sequence, sequence + 1);
  }
}

#define CHANNEL_TEST(test) cmocka_unit_test_setup_teardown(test, open_channel, close_channel)

int main(void) {
  const struct CMUnitTest tests[] = {
      CHANNEL_TEST(test_whole_answer),
      CHANNEL_TEST(test_signals_change_nothing),
      CHANNEL_TEST(test_overrun),
      CHANNEL_TEST(test_lost_end),
      CHANNEL_TEST(test_interrupted_dump),
      CHANNEL_TEST(test_refused),
      CHANNEL_TEST(test_end_with_an_errno),
      CHANNEL_TEST(test_stale_and_foreign),
      CHANNEL_TEST(test_cut_message),
      CHANNEL_TEST(test_cut_datagram),
      CHANNEL_TEST(test_broken_socket),
      CHANNEL_TEST(test_send_that_fails),
      CHANNEL_TEST(test_life_after_failures),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
