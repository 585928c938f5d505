/* SPDX-License-Identifier: MIT
 *
 * BypassFile: what its files hold, and when they have changed.
 */
#include "unit.h"

#include "nat_bypass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.0/24\"}]}"
#define OTHER "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.3.0/24\"}]}" /* of the same length */
#define PART "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.64/26\"}]}"

static char folder[32], first[64], second[64], fresh[64];
static struct nat_bypass_files files;
static struct nat_networks networks;
static struct nat_bypass_error failure;

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "we");

  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(0, fclose(file));
}

static int set_up(void **state) {
  (void)state;
  snprintf(folder, sizeof(folder), "/tmp/egress-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(first, sizeof(first), "%s/goog.json", folder);
  snprintf(second, sizeof(second), "%s/cloud.json", folder);
  snprintf(fresh, sizeof(fresh), "%s/new", folder);
  write_file(first, ONE);
  write_file(second, PART);
  assert_int_equal(0, nat_bypass_add(&files, first, true));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  nat_bypass_free(&files);
  nat_networks_free(&networks);
  remove(first);
  remove(second);
  remove(fresh);
  rmdir(folder);
  return 0;
}

static int read_all(void) {
  nat_networks_free(&networks);
  failure.text[0] = '\0';
  return nat_bypass_read(&files, 0, &networks, &failure);
}

static bool has(const char *text) {
  struct net_prefix prefix;

  assert_int_equal(0, net_prefix_parse(text, &prefix));
  return nat_networks_contain(&networks, &prefix.base);
}

static void test_first_less_others(void **state) {
  (void)state;
  assert_int_equal(0, nat_bypass_add(&files, second, false));
  assert_int_equal(0, read_all());
  assert_true(has("192.0.2.63") && has("192.0.2.128"));
  assert_false(has("192.0.2.64"));
  assert_int_equal(0, nat_bypass_add(&files, second, true));
  assert_int_equal(0, read_all());
  assert_true(has("192.0.2.64"));
}

static void test_read_once_until_it_changes(void **state) {
  (void)state;
  assert_true(nat_bypass_changed(&files));
  assert_int_equal(0, read_all());
  assert_false(nat_bypass_changed(&files));
  write_file(first, "{\"prefixes\": [{\"ipv4Prefix\": \"192.0.2.0/25\"},"
                    "{\"ipv4Prefix\": \"192.0.4.0/24\"}]}");
  assert_true(nat_bypass_changed(&files));
  assert_int_equal(0, read_all());
  assert_false(nat_bypass_changed(&files));
  assert_true(has("192.0.4.1") && !has("192.0.2.128"));
}

/* As a careful program does it; of the same length, and with the old one's time. */
static void test_replaced_by_another(void **state) {
  struct stat before;
  struct timespec times[2];

  (void)state;
  assert_int_equal(0, read_all());
  assert_int_equal(0, stat(first, &before));
  write_file(fresh, OTHER);
  times[0] = before.st_atim;
  times[1] = before.st_mtim;
  assert_int_equal(0, utimensat(AT_FDCWD, fresh, times, 0));
  assert_int_equal(0, rename(fresh, first));
  assert_true(nat_bypass_changed(&files));
  assert_int_equal(0, read_all());
  assert_true(has("192.0.3.1") && !has("192.0.2.1"));
}

static void assert_broken(const char *reason) {
  assert_true(nat_bypass_changed(&files));
  assert_int_equal(-EINVAL, read_all());
  if (!strstr(failure.text, first) || !strstr(failure.text, reason))
    fail_msg("not the file and \"%s\": %s", reason, failure.text);
  assert_false(nat_bypass_changed(&files)); /* not tried again as it is */
}

static void test_broken_ones(void **state) {
  (void)state;
  assert_int_equal(0, read_all());
  write_file(first, "{\"prefixes\": [{\"ipv4Pre");
  assert_broken("no JSON");
  remove(first);
  assert_broken("cannot be read");
  write_file(first, ONE);
  assert_true(nat_bypass_changed(&files));
  assert_int_equal(0, read_all());
  assert_true(has("192.0.2.1"));
}

/* Nobody writes into the pipe: who opened it as a file would wait for ever. */
static void test_no_regular_file(void **state) {
  (void)state;
  remove(first);
  assert_int_equal(0, mkfifo(first, 0600));
  assert_broken("cannot be read");
  remove(first);
  assert_int_equal(0, mkdir(first, 0700));
  assert_broken("cannot be read");
  rmdir(first);
}

static void test_no_files_never_change(void **state) {
  struct nat_bypass_files none = {.count = 0};

  (void)state;
  assert_false(nat_bypass_changed(&none));
  while (files.count < NAT_BYPASS_FILES_MAX)
    assert_int_equal(0, nat_bypass_add(&files, second, false));
  assert_int_equal(-E2BIG, nat_bypass_add(&files, second, false));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_first_less_others, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_read_once_until_it_changes, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_replaced_by_another, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_broken_ones, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_no_regular_file, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_no_files_never_change, set_up, tear_down),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
