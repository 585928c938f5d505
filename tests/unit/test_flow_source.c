/* SPDX-License-Identifier: MIT
 *
 * Where sockets are read from: sock_diag, /proc and the clock are wrapped by the
 * linker.
 */
#include "flow_source.h"
#include "proc_sockets.h"
#include "unit.h"

#include <errno.h>

static struct {
  int open_status, dump_status, proc_status;
  unsigned opens, closes, dumps, proc_dumps;
  const char *proc_name;
  time_t seconds;
} fake;

int __wrap_sock_diag_open(struct sock_diag **diag);
void __wrap_sock_diag_close(struct sock_diag *diag);
int __wrap_sock_diag_dump_tcp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result);
int __wrap_sock_diag_dump_udp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result);
int __wrap_proc_sockets_dump(const char *name, const struct sock_diag_request *request,
                             sock_diag_callback *callback, void *data,
                             struct sock_diag_result *result);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_sock_diag_open(struct sock_diag **diag) {
  static int somewhere;
  void *place = &somewhere;

  fake.opens++;
  if (fake.open_status == 0)
    *diag = place;
  return fake.open_status;
}

void __wrap_sock_diag_close(struct sock_diag *diag) { fake.closes += diag != NULL; }

int __wrap_sock_diag_dump_tcp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result) {
  (void)request;
  (void)callback;
  (void)data;
  (void)result;
  assert_non_null(diag);
  fake.dumps++;
  return fake.dump_status;
}

int __wrap_sock_diag_dump_udp(struct sock_diag *diag,
                              const struct sock_diag_request *request,
                              sock_diag_callback *callback, void *data,
                              struct sock_diag_result *result) {
  return __wrap_sock_diag_dump_tcp(diag, request, callback, data, result);
}

int __wrap_proc_sockets_dump(const char *name, const struct sock_diag_request *request,
                             sock_diag_callback *callback, void *data,
                             struct sock_diag_result *result) {
  (void)request;
  (void)callback;
  (void)data;
  (void)result;
  fake.proc_name = name;
  fake.proc_dumps++;
  return fake.proc_status;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
  (void)clock;
  *now = (struct timespec){.tv_sec = fake.seconds};
  return 0;
}

static int reset(void **state) {
  (void)state;
  memset(&fake, 0, sizeof(fake));
  return 0;
}

static void callback(const struct sock_diag_record *record, void *data) {
  (void)record;
  (void)data;
}

static int dump(struct flow_source *source) {
  const struct sock_diag_request request = {.states = TCP_STATES_ALL};
  struct sock_diag_result result;

  return flow_source_dump(source, &request, callback, NULL, &result);
}

static void test_kernel_that_answers(void **state) {
  struct flow_source source = {.protocol = FLOW_TCP};

  (void)state;
  assert_int_equal(dump(&source), 0);
  assert_int_equal(dump(&source), 0);
  assert_int_equal(source.fallback, 0);
  assert_int_equal(fake.opens, 1);
  assert_int_equal(fake.dumps, 2);
  assert_int_equal(fake.proc_dumps, 0);
  flow_source_close(&source);
  assert_int_equal(fake.closes, 1);
}

/* For a minute the kernel is left alone; then it is asked again. */
static void check_fallback(struct flow_source *source, const char *name) {
  assert_int_equal(dump(source), 0);
  assert_true(source->fallback < 0);
  assert_string_equal(fake.proc_name, name);
  fake.seconds += 59;
  assert_int_equal(dump(source), 0);
  assert_int_equal(fake.opens, 1);
  assert_int_equal(fake.proc_dumps, 2);
  fake.seconds += 2;
  fake.open_status = fake.dump_status = 0;
  assert_int_equal(dump(source), 0);
  assert_int_equal(source->fallback, 0);
  assert_int_equal(fake.proc_dumps, 2);
  flow_source_close(source);
}

static void test_no_netlink(void **state) {
  struct flow_source source = {.protocol = FLOW_TCP};

  (void)state;
  fake.open_status = -EPROTONOSUPPORT;
  check_fallback(&source, "tcp");
}

static void test_no_module(void **state) {
  struct flow_source source = {.protocol = FLOW_UDP};

  (void)state;
  fake.dump_status = -ENOENT;
  check_fallback(&source, "udp");
}

/* A failure of the moment is none of the kernel's kind. */
static void test_failure_of_the_moment(void **state) {
  struct flow_source source = {.protocol = FLOW_TCP};

  (void)state;
  fake.dump_status = -ENOMEM;
  assert_int_equal(dump(&source), -ENOMEM);
  assert_int_equal(source.fallback, 0);
  assert_int_equal(fake.proc_dumps, 0);
  fake.dump_status = 0;
  assert_int_equal(dump(&source), 0);
  flow_source_close(&source);
}

/* Where neither is there, the kernel's word is the one that is told. */
static void test_nothing_at_all(void **state) {
  struct flow_source source = {.protocol = FLOW_TCP};

  (void)state;
  fake.open_status = -EPROTONOSUPPORT;
  fake.proc_status = -EACCES;
  assert_int_equal(dump(&source), -EPROTONOSUPPORT);
  assert_int_equal(dump(&source), -EPROTONOSUPPORT);
  assert_int_equal(fake.proc_dumps, 2);
  flow_source_close(&source);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_kernel_that_answers, reset),
      cmocka_unit_test_setup(test_no_netlink, reset),
      cmocka_unit_test_setup(test_no_module, reset),
      cmocka_unit_test_setup(test_failure_of_the_moment, reset),
      cmocka_unit_test_setup(test_nothing_at_all, reset),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
