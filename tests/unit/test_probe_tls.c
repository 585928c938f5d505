/* SPDX-License-Identifier: MIT
 *
 * Certificates good and bad, of targets and of HTTPS proxies, and the authorities
 * that all probes share.
 */
#include "probe_bench.h"

#include "peer.h"
#include "throwaway.h"
#include "trust.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR 3600L
#define DAY (24 * HOUR)

static struct throwaway throwaway;

/* Straight out to an origin; the name resolves without a resolver. */
static const char straight[] = "<Plugin egress_probe>\n"
                               "Interval 2\nTimeout 0.9\n"
                               "<Chain \"c\">\n"
                               "<Target \"t\">\n"
                               "URL \"https://localhost:%u/\"\n"
                               "CACert \"%s\"\n"
                               "ExpectBody \"fine\"\n"
                               "%s"
                               "</Target>\n"
                               "</Chain>\n"
                               "</Plugin>\n";

/* Both speak TLS, and tests differ in one of them. */
static const char through_proxy[] = "<Plugin egress_probe>\n"
                                    "Interval 2\nTimeout 0.9\n"
                                    "<Hop \"proxy\">\n"
                                    "URL \"https://localhost:%u\"\n"
                                    "CACert \"%s\"\n"
                                    "</Hop>\n"
                                    "<Chain \"c\">\n"
                                    "Hops \"proxy\"\n"
                                    "<Target \"t\">\n"
                                    "URL \"https://origin.invalid:%u/\"\n"
                                    "CACert \"%s\"\n"
                                    "</Target>\n"
                                    "</Chain>\n"
                                    "</Plugin>\n";

static struct peer *start_origin(const char *certificate) {
  const struct peer_options options = {.role = PEER_ORIGIN, .certificate = certificate};

  return peer_start(&options);
}

static struct peer *start_proxy(const char *certificate) {
  const struct peer_options options = {.role = PEER_PROXY, .certificate = certificate};

  return peer_start(&options);
}

static const struct certificate_case {
  const char *name;
  long seconds;
  int self_signed;
  const char *option;
  enum result result;
} certificates[] = {
    {"localhost", 2 * HOUR, 0, "", RESULT_OK},
    {"localhost", -HOUR, 0, "", RESULT_CERTIFICATE},
    {"localhost", 2 * HOUR, 1, "", RESULT_CERTIFICATE},
    {"elsewhere.invalid", 2 * HOUR, 0, "", RESULT_CERTIFICATE},
    {"elsewhere.invalid", 2 * HOUR, 0, "VerifyHost false\n", RESULT_OK},
    {"localhost", -HOUR, 0, "VerifyPeer false\nVerifyHost false\n", RESULT_OK},
};

/* The clock goes on while the test runs. */
static void assert_ends_in(time_t expiry, long seconds) {
  long left = (long)(expiry - time(NULL));

  assert_in_range(left - (seconds - 600), 0, 600);
}

static void test_certificates_of_a_target(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
    const struct certificate_case *one = &certificates[i];
    const struct attempt_report *last;
    struct throwaway_leaf leaf;
    struct peer *origin;
    struct bench bench;

    throwaway_issue(&throwaway, one->name, one->seconds, one->self_signed, &leaf);
    origin = start_origin(leaf.path);
    start(&bench, straight, peer_port(origin), throwaway.authority, one->option);
    wait_for(&bench, "a round", is_known, 0);
    last = &target_of(&bench, 0)->last;
    assert_int_equal(one->result, last->outcome.result);
    assert_ends_in(last->target_expiry, one->seconds);
    assert_true(length_of(last, PHASE_TLS, 0) > 0);
    assert_adds_up(last);
    if (one->result == RESULT_CERTIFICATE) {
      assert_int_equal(PHASE_TLS, last->outcome.phase);
      assert_int_equal(0, peer_requests(origin));
    }
    stop(&bench);
    peer_stop(origin);
  }
}

static void test_certificates_of_a_proxy(void **state) {
  struct throwaway_leaf good, origin_leaf;

  (void)state;
  throwaway_issue(&throwaway, "origin.invalid", 3 * HOUR, 0, &origin_leaf);
  throwaway_issue(&throwaway, "localhost", 2 * HOUR, 0, &good);
  for (size_t i = 0; i < 4; i++) {
    const struct certificate_case *one = &certificates[i];
    struct peer *origin = start_origin(origin_leaf.path), *proxy;
    const struct attempt_report *last;
    struct throwaway_leaf leaf;
    struct bench bench;

    throwaway_issue(&throwaway, one->name, one->seconds, one->self_signed, &leaf);
    proxy = start_proxy(leaf.path);
    start(&bench, through_proxy, peer_port(proxy), throwaway.authority, peer_port(origin),
          throwaway.authority);
    wait_for(&bench, "a round", is_known, 0);
    last = &target_of(&bench, 0)->last;
    assert_int_equal(one->result, last->outcome.result);
    assert_ends_in(last->proxy_expiries[0], one->seconds);
    assert_true(length_of(last, PHASE_PROXY_TLS, 0) > 0);
    assert_adds_up(last);
    if (one->result == RESULT_OK) {
      assert_ends_in(last->target_expiry, 3 * HOUR);
      assert_true(length_of(last, PHASE_TUNNEL, 0) > 0);
      assert_true(length_of(last, PHASE_TLS, 0) > 0);
    } else {
      assert_int_equal(0, last->target_expiry);
      assert_int_equal(0, last->outcome.hop);
      assert_int_equal(PHASE_PROXY_TLS, last->outcome.phase);
      assert_int_equal(PART_FAILED, target_of(&bench, 0)->parts[0]);
    }
    stop(&bench);
    peer_stop(proxy);
    peer_stop(origin);
  }
}

/* One origin and its certificate, seen in five ways. */
static const char several[] = "<Plugin egress_probe>\n"
                              "Interval 2\nTimeout 0.9\n"
                              "<Chain \"c\">\nLadder false\n"
                              "<Target \"good\">\nURL \"https://localhost:%1$u/\"\n"
                              "CACert \"%2$s\"\n</Target>\n"
                              "<Target \"authority\">\nURL \"https://localhost:%1$u/\"\n"
                              "CACert \"%3$s\"\n</Target>\n"
                              "<Target \"name\">\nURL \"https://127.0.0.1:%1$u/\"\n"
                              "CACert \"%2$s\"\n</Target>\n"
                              "<Target \"any\">\nURL \"https://localhost:%1$u/\"\n"
                              "VerifyPeer false\n</Target>\n"
                              "<Target \"again\">\nURL \"https://localhost:%1$u/\"\n"
                              "CACert \"%2$s\"\n</Target>\n"
                              "</Chain>\n"
                              "</Plugin>\n";

static bool has_rounds(const struct bench *bench, int rounds) {
  int64_t count = 0;

  for (size_t i = 0; i < RESULT_COUNT; i++)
    count += target_of(bench, 0)->counters.results[i];
  return count >= rounds;
}

/* That it was good for one target says nothing of the others, however often. */
static void test_one_certificate_for_several_targets(void **state) {
  static const enum result results[] = {RESULT_OK, RESULT_CERTIFICATE, RESULT_CERTIFICATE,
                                        RESULT_OK, RESULT_OK};
  struct throwaway_leaf leaf;
  struct throwaway second;
  struct peer *origin;
  struct bench bench;

  (void)state;
  throwaway_begin(&second);
  throwaway_issue(&throwaway, "localhost", HOUR, 0, &leaf);
  origin = start_origin(leaf.path);
  start(&bench, several, (unsigned)peer_port(origin), throwaway.authority,
        second.authority);
  for (int round = 1; round <= 3; round++) {
    wait_for(&bench, "another round", has_rounds, round);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
      assert_int_equal(results[i], target_of(&bench, i)->last.outcome.result);
  }
  stop(&bench);
  throwaway_end(&second);
  peer_stop(origin);
}

static void test_handshake_is_cut(void **state) {
  const struct peer_options cutting = {.role = PEER_PROXY, .cuts_handshake = true};
  struct throwaway_leaf leaf;
  struct peer *origin = peer_start(&cutting), *proxy;
  struct bench bench;

  (void)state;
  start(&bench, straight, peer_port(origin), throwaway.authority, "");
  wait_for(&bench, "a round", is_known, 0);
  assert_int_equal(RESULT_TLS, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(PHASE_TLS, target_of(&bench, 0)->last.outcome.phase);
  stop(&bench);

  throwaway_issue(&throwaway, "localhost", HOUR, 0, &leaf);
  proxy = start_proxy(leaf.path);
  start(&bench, through_proxy, peer_port(proxy), throwaway.authority, peer_port(origin),
        throwaway.authority);
  wait_for(&bench, "a round", is_known, 0);
  assert_int_equal(RESULT_TLS, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(PHASE_TLS, target_of(&bench, 0)->last.outcome.phase);
  assert_int_equal(OUTCOME_NO_HOP, target_of(&bench, 0)->last.outcome.hop);
  stop(&bench);

  start(&bench, through_proxy, peer_port(origin), throwaway.authority, peer_port(origin),
        throwaway.authority);
  wait_for(&bench, "a round", is_known, 0);
  assert_int_equal(RESULT_TLS, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(PHASE_PROXY_TLS, target_of(&bench, 0)->last.outcome.phase);
  assert_int_equal(0, target_of(&bench, 0)->last.outcome.hop);
  stop(&bench);
  peer_stop(proxy);
  peer_stop(origin);
}

static bool is_trusted_again(const struct bench *bench, int argument) {
  return has_result(bench, argument) && bench->report.tls_trouble.error == 0;
}

static bool has_tls_trouble(const struct bench *bench, int error) {
  return bench->report.tls_trouble.error == error;
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "we");

  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

/* In one step, as whoever renews certificates should. */
static void replace_file(const char *path, const char *with) {
  char next[256];

  snprintf(next, sizeof(next), "%s.next", path);
  assert_int_equal(0, link(with, next));
  assert_int_equal(0, rename(next, path));
}

/* Missing, then no certificate, then the right one, then another one: no restart is
 * needed, and a chain that was good does not stay so. */
static void test_ca_file_is_read_again(void **state) {
  struct throwaway_leaf leaf;
  struct throwaway second;
  char path[128];
  struct peer *origin;
  struct bench bench;

  (void)state;
  throwaway_issue(&throwaway, "localhost", HOUR, 0, &leaf);
  origin = start_origin(leaf.path);
  snprintf(path, sizeof(path), "%s/later", throwaway.folder);
  start(&bench, straight, peer_port(origin), path, "");
  wait_for(&bench, "the complaint", has_tls_trouble, ENOENT);
  assert_string_equal(path, bench.report.tls_trouble.file);
  assert_int_equal(RESULT_LOCAL, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(ENOENT, target_of(&bench, 0)->last.outcome.system_error);

  write_text(path, "no certificate\n");
  wait_for(&bench, "another complaint", has_tls_trouble, EINVAL);

  replace_file(path, throwaway.authority);
  wait_for(&bench, "trust", is_trusted_again, RESULT_OK);

  throwaway_begin(&second);
  replace_file(path, second.authority);
  wait_for(&bench, "distrust", has_result, RESULT_CERTIFICATE);
  stop(&bench);
  throwaway_end(&second);
  peer_stop(origin);
}

static const char optional[] = "<Plugin egress_probe>\n"
                               "Interval 2\nTimeout 0.9\n"
                               "<Chain \"c\">\n"
                               "<Target \"t\">\n"
                               "URL \"https://localhost:%u/\"\n"
                               "%s"
                               "%s"
                               "</Target>\n"
                               "</Chain>\n"
                               "</Plugin>\n";

/* A FIFO without a writer would hold up whoever opens it, and all that probes. Once a
 * file is in its place no restart is needed. */
static void test_what_is_no_file_holds_nothing_up(void **state) {
  char path[128], again[128], trusting[160], with_certificate[160], options[512];
  struct throwaway_leaf leaf;
  struct peer *origin;

  (void)state;
  throwaway_issue(&throwaway, "localhost", HOUR, 0, &leaf);
  origin = start_origin(leaf.path);
  snprintf(path, sizeof(path), "%s/fifo", throwaway.folder);
  snprintf(again, sizeof(again), "%s/again", throwaway.folder);
  snprintf(trusting, sizeof(trusting), "CACert \"%s\"\n", throwaway.authority);
  snprintf(with_certificate, sizeof(with_certificate), "ClientCert \"%s\"\n", leaf.path);
  for (int option = TLS_CA_CERT; option <= TLS_CLIENT_KEY; option++) {
    bool is_authority = option == TLS_CA_CERT;
    struct bench bench;

    assert_int_equal(0, mkfifo(path, 0600));
    snprintf(options, sizeof(options), "%s%s \"%s\"\n",
             option == TLS_CLIENT_KEY ? with_certificate : "",
             tls_option_name((enum tls_option)option), path);
    start(&bench, optional, peer_port(origin), options, is_authority ? "" : trusting);
    wait_for(&bench, "the complaint", has_tls_trouble, EINVAL);
    assert_int_equal(option, bench.report.tls_trouble.option);
    assert_string_equal(path, bench.report.tls_trouble.file);
    assert_int_equal(RESULT_LOCAL, target_of(&bench, 0)->last.outcome.result);

    assert_int_equal(0, link(is_authority ? throwaway.authority : leaf.path, again));
    assert_int_equal(0, rename(again, path));
    wait_for(&bench, "a good probe", is_trusted_again, RESULT_OK);
    stop(&bench);
    assert_int_equal(0, unlink(path));
  }
  peer_stop(origin);
}

/* Files of TLS are looked at where there may be TLS. */
static void test_no_file_is_missed_without_tls(void **state) {
  const struct peer_options options = {.role = PEER_ORIGIN};
  struct peer *origin = peer_start(&options);
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 2\nTimeout 0.9\n<Chain \"c\">\n<Target \"t\">\n"
        "URL \"http://127.0.0.1:%u/\"\nCACert \"/nowhere/at/all\"\n"
        "</Target>\n</Chain>\n</Plugin>\n",
        peer_port(origin));
  wait_for(&bench, "a round", is_known, 0);
  assert_int_equal(RESULT_OK, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(0, bench.report.tls_trouble.error);
  stop(&bench);
  peer_stop(origin);
}

/* It is a file, but libcurl can do nothing with it. */
static void test_client_certificate_that_is_none(void **state) {
  struct throwaway_leaf leaf;
  struct peer *origin;
  char path[128], option[160];
  struct bench bench;

  (void)state;
  throwaway_issue(&throwaway, "localhost", HOUR, 0, &leaf);
  origin = start_origin(leaf.path);
  snprintf(path, sizeof(path), "%s/none", throwaway.folder);
  write_text(path, "no certificate\n");
  snprintf(option, sizeof(option), "ClientCert \"%s\"\n", path);
  start(&bench, straight, peer_port(origin), throwaway.authority, option);
  wait_for(&bench, "the complaint", has_tls_trouble, EINVAL);
  assert_int_equal(TLS_CLIENT_CERT, bench.report.tls_trouble.option);
  assert_string_equal(path, bench.report.tls_trouble.file);
  assert_int_equal(RESULT_LOCAL, target_of(&bench, 0)->last.outcome.result);
  assert_int_equal(0, peer_requests(origin));
  stop(&bench);
  peer_stop(origin);
}

static void test_authorities_are_parsed_once(void **state) {
  X509_STORE *first = NULL, *again = NULL, *other = NULL;
  struct throwaway second;
  struct trust *trust = NULL;
  struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

  (void)state;
  throwaway_begin(&second);
  assert_int_equal(0, trust_new(&trust));
  assert_int_equal(0, trust_find(trust, throwaway.authority, &first));
  assert_int_equal(0, trust_find(trust, second.authority, &other));
  assert_int_equal(0, trust_find(trust, throwaway.authority, &again));
  assert_ptr_equal(first, again);
  assert_ptr_not_equal(first, other);

  /* Whoever holds a store may go on with it. */
  X509_STORE_up_ref(first);
  assert_int_equal(0, utimensat(AT_FDCWD, throwaway.authority, times, 0));
  assert_int_equal(0, trust_find(trust, throwaway.authority, &again));
  assert_ptr_not_equal(first, again);
  X509_STORE_free(first);

  assert_int_equal(-EINVAL, trust_find(trust, throwaway.folder, &again));
  assert_int_equal(-ENOENT, trust_find(trust, "/nowhere/at/all", &again));
  trust_free(trust);
  throwaway_end(&second);
}

/* Debian's, EL's: what the machine trusts. */
static void test_system_bundle(void **state) {
  X509_STORE *store = NULL, *by_name = NULL;
  struct trust *trust = NULL;

  (void)state;
  if (access(trust_system_bundle(), R_OK) != 0)
    skip();
  assert_int_equal(0, trust_new(&trust));
  assert_int_equal(0, trust_find(trust, NULL, &store));
  assert_int_equal(0, trust_find(trust, trust_system_bundle(), &by_name));
  assert_ptr_equal(store, by_name);
  trust_free(trust);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_certificates_of_a_target),
      cmocka_unit_test(test_certificates_of_a_proxy),
      cmocka_unit_test(test_one_certificate_for_several_targets),
      cmocka_unit_test(test_handshake_is_cut),
      cmocka_unit_test(test_ca_file_is_read_again),
      cmocka_unit_test(test_what_is_no_file_holds_nothing_up),
      cmocka_unit_test(test_client_certificate_that_is_none),
      cmocka_unit_test(test_no_file_is_missed_without_tls),
      cmocka_unit_test(test_authorities_are_parsed_once),
      cmocka_unit_test(test_system_bundle),
  };
  int failed;

  signal(SIGPIPE, SIG_IGN);
  poison_environment();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  throwaway_begin(&throwaway);
  failed = cmocka_run_group_tests_name("probe TLS", tests, NULL, NULL);
  throwaway_end(&throwaway);
  return failed;
}
