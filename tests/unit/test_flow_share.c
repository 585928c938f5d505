/* SPDX-License-Identifier: MIT
 *
 * The shared pass, over a kernel of our own: sock_diag_dump_tcp() is wrapped by
 * the linker.
 */
#include "egress/flow.h"
#include "unit.h"

#include <errno.h>
#include <stdbool.h>

#define LISTENING (1u << TCP_STATE_LISTEN)
#define LONG_AGO (3600 * NANOSECONDS_PER_SECOND)

static struct {
  unsigned passes; /* dumps of other than listening sockets */
  unsigned listen_first;
  unsigned udp_passes;
  bool tcp_info;
  bool partial;
  int status;
} fake;

int __wrap_sock_diag_dump_tcp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result);

int __wrap_sock_diag_dump_tcp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result) {
  struct sock_diag_record record = {.local = {.port = 3128}, .state = TCP_STATE_LISTEN};

  assert_non_null(diag);
  *result = (struct sock_diag_result){.partial = fake.partial};
  if (request->states == LISTENING) {
    assert_false(request->tcp_info);
    fake.listen_first++;
    callback(&record, data);
    return 0;
  }
  assert_int_equal(request->states, TCP_STATES_ALL & ~LISTENING);
  assert_int_equal(++fake.passes, fake.listen_first);
  fake.tcp_info = request->tcp_info;
  if (fake.status < 0)
    return fake.status;
  record.state = TCP_STATE_ESTABLISHED;
  record.remote.port = 443;
  callback(&record, data); /* inbound */
  record.local.port = 40000;
  callback(&record, data);
  return 0;
}

int __wrap_sock_diag_dump_udp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result);

int __wrap_sock_diag_dump_udp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result) {
  const struct sock_diag_record unconnected = {
      .local = {.port = 53}, .state = TCP_STATE_CLOSE, .receive_queue = 300};
  const struct sock_diag_record connected = {.local = {.port = 40000},
                                             .remote = {.port = 53},
                                             .state = TCP_STATE_ESTABLISHED,
                                             .receive_queue = 7};

  assert_non_null(diag);
  assert_int_equal(request->states, TCP_STATES_ALL);
  assert_false(request->tcp_info);
  fake.udp_passes++;
  *result = (struct sock_diag_result){.partial = fake.partial};
  if (fake.status < 0)
    return fake.status;
  callback(&unconnected, data);
  callback(&connected, data);
  return 0;
}

static struct flow_member *join(const struct flow_needs *needs) {
  struct flow_member *member = NULL;

  assert_int_equal(flow_share_join(needs, &member), 0);
  return member;
}

static const struct flow_summary *take(struct flow_member *member, nanoseconds max_age,
                                       size_t *first_group) {
  const struct flow_summary *summary = NULL;

  assert_int_equal(flow_share_take(member, max_age, &summary, first_group), 0);
  assert_non_null(summary);
  return summary;
}

static int reset(void **state) {
  (void)state;
  memset(&fake, 0, sizeof(fake));
  return 0;
}

static void test_young_summary_is_shared(void **state) {
  const struct flow_needs needs = {0};
  struct flow_member *one = join(&needs);
  struct flow_member *other = join(&needs);
  const struct flow_summary *first = take(one, LONG_AGO, NULL);
  const struct flow_summary *second = take(other, LONG_AGO, NULL);
  const struct flow_summary *third = take(one, 0, NULL);

  (void)state;
  assert_ptr_equal(first, second);
  assert_ptr_not_equal(second, third);
  assert_true(third->serial == first->serial + 1);
  assert_int_equal(fake.passes, 2);
  assert_int_equal(first->listener_count, 1);
  flow_summary_release(first);
  flow_summary_release(second);
  flow_share_leave(one);
  flow_share_leave(other);
  assert_int_equal(third->states[0][TCP_STATE_ESTABLISHED], 2);
  flow_summary_release(third);
}

/* Each member finds its groups, whoever joins or leaves; its lists are copied. */
static void test_groups_of_members(void **state) {
  uint16_t port = 3128, elsewhere = 40000;
  struct flow_group groups[] = {{.local_ports = &port, .local_port_count = 1},
                                {.local_ports = &elsewhere, .local_port_count = 1}};
  const struct flow_needs both = {.groups = groups, .group_count = 2};
  const struct flow_needs second = {.groups = &groups[1], .group_count = 1};
  struct flow_member *one = join(&both);
  struct flow_member *other = join(&second);
  const struct flow_summary *summary;
  size_t first_group = 0;

  (void)state;
  port = elsewhere = 1;
  summary = take(one, LONG_AGO, &first_group);
  assert_int_equal(summary->group_count, 4);
  assert_int_equal(summary->states[first_group][TCP_STATE_LISTEN], 1);
  assert_int_equal(summary->states[first_group + 1][TCP_STATE_LISTEN], 0);
  assert_int_equal(summary->states[first_group + 1][TCP_STATE_ESTABLISHED], 1);
  flow_summary_release(summary);
  summary = take(other, LONG_AGO, &first_group);
  assert_int_equal(summary->states[first_group][TCP_STATE_ESTABLISHED], 1);
  assert_int_equal(summary->states[first_group][TCP_STATE_LISTEN], 0);
  flow_summary_release(summary);
  assert_int_equal(fake.passes, 1);

  flow_share_leave(one);
  summary = take(other, LONG_AGO, &first_group);
  assert_int_equal(fake.passes, 2); /* made for members that are no more */
  assert_int_equal(summary->group_count, 2);
  assert_int_equal(first_group, 1);
  flow_summary_release(summary);
  flow_share_leave(other);
}

static unsigned wants_all(const struct sock_diag_record *record, void *data) {
  (void)record;
  ++*(unsigned *)data;
  return 1;
}

static void count_call(void *data) { ++*(unsigned *)data; }

/* Before the first socket, and after the last. */
struct hooks {
  unsigned before, after;
};

static void count_before(void *data) {
  struct hooks *hooks = data;

  assert_int_equal(hooks->before, hooks->after);
  hooks->before++;
}

static void count_after(void *data) { ((struct hooks *)data)->after++; }

static void test_hooks_around_a_pass(void **state) {
  struct hooks hooks = {0, 0};
  const struct flow_needs needs = {
      .before_pass = count_before, .after_pass = count_after, .data = &hooks};
  struct flow_member *member = join(&needs);

  (void)state;
  for (unsigned pass = 1; pass <= 2; pass++) {
    const struct flow_summary *summary = take(member, 0, NULL);

    assert_int_equal(hooks.before, pass);
    assert_int_equal(hooks.after, pass);
    assert_true(summary->ended >= summary->begun);
    flow_summary_release(summary);
  }
  flow_share_leave(member);
}

static void test_remotes_and_hook(void **state) {
  unsigned calls = 0;
  const struct flow_needs remotes = {.classify = wants_all, .data = &calls};
  const struct flow_needs hook = {
      .before_pass = count_call, .data = &calls, .tcp_info = true};
  struct flow_member *one = join(&remotes);
  struct flow_member *other = NULL;
  const struct flow_summary *summary;

  (void)state;
  assert_int_equal(flow_share_join(&remotes, &other), -EBUSY);
  other = join(&hook);
  summary = take(one, 0, NULL);
  assert_true(fake.tcp_info);
  assert_int_equal(calls, 2); /* the hook, and the one outgoing socket */
  assert_int_equal(summary->remote_count, 1);
  flow_summary_release(summary);
  flow_share_leave(other);
  summary = take(one, 0, NULL);
  assert_false(fake.tcp_info);
  flow_summary_release(summary);
  flow_share_leave(one);
}

/* Round-trip times need tcp_info; a plugin that wants neither is not troubled. */
static void test_rtt(void **state) {
  const struct flow_needs rtt = {.rtt = true};
  const struct flow_needs nothing = {0};
  struct flow_member *one = join(&rtt);
  struct flow_member *other = join(&nothing);
  const struct flow_summary *summary = take(other, 0, NULL);

  (void)state;
  assert_true(fake.tcp_info);
  assert_non_null(summary->rtt);
  assert_int_equal(summary->rtt[0].sockets, 0); /* no record had any */
  flow_summary_release(summary);
  flow_share_leave(one);
  summary = take(other, 0, NULL);
  assert_false(fake.tcp_info);
  assert_null(summary->rtt);
  flow_summary_release(summary);
  flow_share_leave(other);
}

static const struct flow_udp_summary *take_udp(struct flow_member *member,
                                               nanoseconds max_age,
                                               size_t *first_group) {
  const struct flow_udp_summary *summary = NULL;

  assert_int_equal(flow_share_take_udp(member, max_age, &summary, first_group), 0);
  assert_non_null(summary);
  return summary;
}

/* A pass over UDP is made only for who asks for it, and shared by those who do. */
static void test_udp(void **state) {
  const uint16_t port = 53;
  const struct flow_group group = {.local_ports = &port, .local_port_count = 1};
  const struct flow_needs needs = {.groups = &group, .group_count = 1};
  struct flow_member *one = join(&needs);
  struct flow_member *other = join(&needs);
  const struct flow_udp_summary *first, *second;
  size_t first_group = 0;

  (void)state;
  flow_summary_release(take(one, 0, NULL));
  assert_int_equal(fake.udp_passes, 0);
  first = take_udp(one, LONG_AGO, &first_group);
  assert_int_equal(first->group_count, 3);
  assert_int_equal(first->groups[0].sockets, 2);
  assert_int_equal(first->groups[0].receive_queue, 307);
  assert_int_equal(first->groups[first_group].sockets, 1);
  assert_int_equal(first->groups[first_group].receive_queue, 300);
  second = take_udp(other, LONG_AGO, NULL);
  assert_ptr_equal(first, second);
  flow_udp_summary_release(second);
  fake.partial = true;
  second = take_udp(other, 0, NULL);
  assert_ptr_not_equal(first, second);
  assert_true(second->partial && second->serial == first->serial + 1);
  assert_int_equal(fake.udp_passes, 2);
  assert_int_equal(fake.passes, 1); /* TCP was left alone */
  flow_udp_summary_release(second);
  flow_share_leave(one);
  flow_share_leave(other);
  assert_int_equal(first->groups[0].sockets, 2); /* it outlives them */
  assert_ptr_equal(flow_udp_summary_retain(first), first);
  flow_udp_summary_release(first);
  flow_udp_summary_release(first);
  flow_udp_summary_release(NULL);
}

static void test_udp_failure(void **state) {
  const struct flow_needs needs = {0};
  struct flow_member *member = join(&needs);
  const struct flow_udp_summary *summary = NULL;

  (void)state;
  fake.status = -ENOMEM;
  assert_int_equal(flow_share_take_udp(member, 0, &summary, NULL), -ENOMEM);
  assert_null(summary);
  fake.status = 0;
  flow_udp_summary_release(take_udp(member, 0, NULL));
  flow_share_leave(member);
}

static void test_too_many_groups(void **state) {
  struct flow_group groups[FLOW_GROUPS_MAX] = {{.local_port_count = 0}};
  const struct flow_needs many = {.groups = groups, .group_count = FLOW_GROUPS_MAX};
  const struct flow_needs one_more = {.groups = groups, .group_count = 1};
  struct flow_member *one = join(&many);
  struct flow_member *other = NULL;

  (void)state;
  assert_int_equal(flow_share_join(&one_more, &other), -EINVAL);
  flow_share_leave(one);
  flow_share_leave(NULL);
}

/* A pass that failed leaves nothing behind for the next. */
static void test_failures(void **state) {
  const struct flow_needs needs = {0};
  struct flow_member *member = join(&needs);
  const struct flow_summary *summary = NULL;

  (void)state;
  fake.status = -ENOMEM;
  assert_int_equal(flow_share_take(member, 0, &summary, NULL), -ENOMEM);
  assert_null(summary);
  fake.status = 0;
  fake.partial = true;
  summary = take(member, LONG_AGO, NULL);
  assert_true(summary->partial);
  assert_int_equal(summary->states[0][TCP_STATE_LISTEN], 1);
  flow_summary_release(summary);
  flow_share_leave(member);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_young_summary_is_shared, reset),
      cmocka_unit_test_setup(test_groups_of_members, reset),
      cmocka_unit_test_setup(test_remotes_and_hook, reset),
      cmocka_unit_test_setup(test_hooks_around_a_pass, reset),
      cmocka_unit_test_setup(test_rtt, reset),
      cmocka_unit_test_setup(test_udp, reset),
      cmocka_unit_test_setup(test_udp_failure, reset),
      cmocka_unit_test_setup(test_too_many_groups, reset),
      cmocka_unit_test_setup(test_failures, reset),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
