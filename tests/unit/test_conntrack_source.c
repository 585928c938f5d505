/* SPDX-License-Identifier: MIT
 *
 * Where conntrack is read from: netlink, /proc and the clock are wrapped by the
 * linker.
 */
#include "egress/conntrack.h"
#include "netlink_channel.h"
#include "proc_file.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

static struct {
  int open_status;
  int status;       /* of each exchange */
  unsigned entries; /* of the dump, before the status */
  bool incomplete;
  bool no_proc, no_proc_events;
  unsigned opens, exchanges;
  time_t seconds;
} fake;

int __wrap_netlink_channel_open(int bus, struct netlink_channel **channel);
void __wrap_netlink_channel_close(struct netlink_channel *channel);
int __wrap_netlink_channel_exchange(struct netlink_channel *channel,
                                    struct nlmsghdr *request,
                                    struct netlink_answer *answer);
int __wrap_proc_file_read(const char *path, char *text, size_t size);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
  (void)clock;
  *now = (struct timespec){.tv_sec = fake.seconds};
  return 0;
}

int __wrap_netlink_channel_open(int bus, struct netlink_channel **channel) {
  static int somewhere;
  void *place = &somewhere;

  assert_int_equal(bus, NETLINK_NETFILTER);
  fake.opens++;
  if (fake.open_status == 0)
    *channel = place;
  return fake.open_status;
}

void __wrap_netlink_channel_close(struct netlink_channel *channel) { (void)channel; }

static struct nlmsghdr *make_message(void *buffer, unsigned type) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

  message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
  mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
  return message;
}

static struct nlmsghdr *make_entry(void *buffer) {
  struct nlmsghdr *message = make_message(buffer, IPCTNL_MSG_CT_NEW);
  struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
  struct nlattr *protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);

  mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_UDP);
  mnl_attr_nest_end(message, protocol);
  mnl_attr_nest_end(message, tuple);
  return message;
}

static void answer_with(struct netlink_answer *answer, const struct nlmsghdr *message) {
  if (answer->callback(message, answer->data) < 0)
    answer->malformed++;
  else
    answer->messages++;
}

int __wrap_netlink_channel_exchange(struct netlink_channel *channel,
                                    struct nlmsghdr *request,
                                    struct netlink_answer *answer) {
  _Alignas(struct nlmsghdr) char buffer[256];
  unsigned type = request->nlmsg_type & 0xff;
  struct nlmsghdr *message;

  assert_non_null(channel);
  fake.exchanges++;
  answer->incomplete = fake.incomplete;
  if (type == IPCTNL_MSG_CT_GET) {
    assert_true(request->nlmsg_flags & NLM_F_DUMP);
    for (unsigned i = 0; i < fake.entries; i++)
      answer_with(answer, make_entry(buffer));
    return fake.status;
  }
  message = make_message(buffer, type);
  mnl_attr_put_u32(message,
                   type == IPCTNL_MSG_CT_GET_STATS ? CTA_STATS_GLOBAL_ENTRIES
                                                   : CTA_STATS_DROP,
                   htonl(41));
  if (fake.status == 0)
    answer_with(answer, message);
  return fake.status;
}

int __wrap_proc_file_read(const char *path, char *text, size_t size) {
  const char *says = "7\n";

  if (fake.no_proc)
    return -ENOENT;
  if (strstr(path, "nf_conntrack_max"))
    says = "4096\n";
  if (strstr(path, "stat/nf_conntrack")) {
    if (fake.no_proc_events)
      return -EACCES;
    says = "drop early_drop\n00000005 00000006\n00000007 00000008\n";
  }
  assert_true(strlen(says) <= size);
  memcpy(text, says, strlen(says));
  return (int)strlen(says);
}

static int open_reader(void **state) {
  struct conntrack *conntrack = NULL;

  memset(&fake, 0, sizeof(fake));
  assert_int_equal(conntrack_open(&conntrack), 0);
  *state = conntrack;
  return 0;
}

static int close_reader(void **state) {
  conntrack_close(*state);
  return 0;
}

static void add(const struct conntrack_cpu *cpu, void *sum) {
  *(uint64_t *)sum += cpu->events[CONNTRACK_DROP];
}

static void test_over_netlink(void **state) {
  struct conntrack_table table;
  struct conntrack_states states;
  uint64_t drops = 0;

  assert_int_equal(conntrack_read_table(*state, &table), 0);
  assert_int_equal(table.entries, 41);
  assert_int_equal(conntrack_read_cpus(*state, add, &drops), 0);
  assert_int_equal(drops, 41);
  fake.entries = 3;
  assert_int_equal(conntrack_read_states(*state, &states), 0);
  assert_int_equal(states.entries[CONNTRACK_UDP_UNREPLIED], 3);
  assert_int_equal(conntrack_fallback(*state), 0);
  assert_int_equal(fake.opens, 1);
}

/* Without capability or module everything that /proc has comes from there; the
 * kernel is asked again after a minute. */
static void check_fallback(struct conntrack *conntrack, int reason) {
  struct conntrack_table table;
  struct conntrack_states states;
  uint64_t drops = 0;
  unsigned exchanges, opens;

  assert_int_equal(conntrack_read_table(conntrack, &table), 0);
  assert_int_equal(conntrack_fallback(conntrack), reason);
  assert_int_equal(table.entries, 7);
  assert_int_equal(table.maximum, 4096);
  exchanges = fake.exchanges;
  opens = fake.opens;
  assert_int_equal(conntrack_read_cpus(conntrack, add, &drops), 0);
  assert_int_equal(drops, 12);
  assert_int_equal(conntrack_read_states(conntrack, &states), reason);
  assert_int_equal(fake.exchanges + fake.opens, exchanges + opens);
  fake.open_status = fake.status = 0;
  fake.seconds += 61;
  assert_int_equal(conntrack_read_table(conntrack, &table), 0);
  assert_int_equal(conntrack_fallback(conntrack), 0);
  assert_int_equal(table.entries, 41);
}

static void test_no_capability(void **state) {
  fake.status = -EPERM;
  check_fallback(*state, -EPERM);
}

static void test_no_nfnetlink(void **state) {
  fake.open_status = -EPROTONOSUPPORT;
  check_fallback(*state, -EPROTONOSUPPORT);
}

static void test_no_ctnetlink(void **state) {
  fake.status = -EINVAL;
  check_fallback(*state, -EINVAL);
}

/* The kernel's word is the one that is told, not what /proc lacks. */
static void test_nothing_at_all(void **state) {
  struct conntrack_table table;
  uint64_t drops = 0;

  fake.status = -EPERM;
  fake.no_proc = true;
  assert_int_equal(conntrack_read_table(*state, &table), -EPERM);
  assert_int_equal(conntrack_read_cpus(*state, add, &drops), -EPERM);
  fake.no_proc = false;
  fake.no_proc_events = true;
  assert_int_equal(conntrack_read_table(*state, &table), 0);
  assert_int_equal(conntrack_read_cpus(*state, add, &drops), -EPERM);
  assert_int_equal(drops, 0);
}

static void test_failure_of_the_moment(void **state) {
  struct conntrack_table table;

  fake.status = -ENOMEM;
  assert_int_equal(conntrack_read_table(*state, &table), -ENOMEM);
  assert_int_equal(conntrack_fallback(*state), 0);
  fake.status = 0;
  assert_int_equal(conntrack_read_table(*state, &table), 0);
}

/* What came before an interruption is kept; where nothing came, the errno is told. */
static void test_partial_dumps(void **state) {
  struct conntrack_states states;
  uint64_t drops = 0;

  fake.entries = 2;
  fake.incomplete = true;
  assert_int_equal(conntrack_read_states(*state, &states), -EINTR);
  assert_int_equal(states.entries[CONNTRACK_UDP_UNREPLIED], 2);
  assert_int_equal(conntrack_read_cpus(*state, add, &drops), -EINTR);
  assert_int_equal(drops, 41);
  fake.incomplete = false;
  fake.status = -ENOMEM;
  assert_int_equal(conntrack_read_states(*state, &states), -EINTR);
  assert_int_equal(states.entries[CONNTRACK_UDP_UNREPLIED], 2);
  fake.entries = 0;
  assert_int_equal(conntrack_read_states(*state, &states), -ENOMEM);
  assert_int_equal(states.entries[CONNTRACK_UDP_UNREPLIED], 0);
}

#define READER_TEST(test) cmocka_unit_test_setup_teardown(test, open_reader, close_reader)

int main(void) {
  const struct CMUnitTest tests[] = {
      READER_TEST(test_over_netlink),    READER_TEST(test_no_capability),
      READER_TEST(test_no_nfnetlink),    READER_TEST(test_no_ctnetlink),
      READER_TEST(test_nothing_at_all),  READER_TEST(test_failure_of_the_moment),
      READER_TEST(test_partial_dumps),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
