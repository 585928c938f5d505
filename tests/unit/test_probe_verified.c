/* SPDX-License-Identifier: MIT
 *
 * Chains that are not verified twice, and those that are.
 */
#include "unit.h"

#include "throwaway.h"
#include "verified.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define HOUR 3600L

static struct throwaway throwaway;

static X509 *issue(long seconds, int self_signed) {
  struct throwaway_leaf leaf;
  X509 *certificate;
  FILE *file;

  throwaway_issue(&throwaway, "localhost", seconds, self_signed, &leaf);
  file = fopen(leaf.path, "re");
  assert_non_null(file);
  certificate = PEM_read_X509(file, NULL, NULL, NULL);
  fclose(file);
  assert_non_null(certificate);
  return certificate;
}

static X509_STORE *open_authorities(void) {
  X509_STORE *store = X509_STORE_new();

  assert_int_equal(1, X509_STORE_load_locations(store, throwaway.authority, NULL));
  return store;
}

/* What OpenSSL is asked about one server, and what it says. */
struct answer {
  bool good;
  bool computed; /* OpenSSL has built a chain */
  int error;
};

/* A server sends its own certificate first, `more` after it; NULL: nothing. */
static struct answer ask(struct verified *verified, X509_STORE *store, X509 *certificate,
                         X509 *more) {
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  struct answer answer;

  sk_X509_push(sent, certificate);
  if (more)
    sk_X509_push(sent, more);
  assert_int_equal(1, X509_STORE_CTX_init(context, store, certificate, sent));
  answer.good = verified_check(verified, context) == 1;
  answer.computed = X509_STORE_CTX_get0_chain(context) != NULL;
  answer.error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  sk_X509_free(sent);
  return answer;
}

static void assert_answer(bool good, bool computed, int error, struct answer answer) {
  assert_int_equal(good, answer.good);
  assert_int_equal(computed, answer.computed);
  assert_int_equal(error, answer.error);
}

static void test_a_good_chain_is_verified_once(void **state) {
  X509 *certificate = issue(HOUR, 0), *other = issue(HOUR, 0);
  X509_STORE *store = open_authorities(), *same = open_authorities();
  struct verified *verified = NULL;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  assert_answer(true, true, X509_V_OK, ask(verified, store, certificate, NULL));
  assert_answer(true, false, X509_V_OK, ask(verified, store, certificate, NULL));
  /* Anything else is another question. */
  assert_answer(true, true, X509_V_OK, ask(verified, store, other, NULL));
  assert_answer(true, true, X509_V_OK, ask(verified, store, certificate, other));
  assert_answer(true, true, X509_V_OK, ask(verified, same, other, NULL));
  verified_forget(verified);
  assert_answer(true, true, X509_V_OK, ask(verified, store, certificate, NULL));
  assert_answer(true, false, X509_V_OK, ask(verified, store, certificate, NULL));
  verified_free(verified);
  X509_STORE_free(store);
  X509_STORE_free(same);
  X509_free(certificate);
  X509_free(other);
}

static void test_a_bad_one_is_bad_each_time(void **state) {
  X509 *expired = issue(-HOUR, 0), *own = issue(HOUR, 1);
  X509_STORE *store = open_authorities();
  struct verified *verified = NULL;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  for (int i = 0; i < 2; i++) {
    assert_answer(false, true, X509_V_ERR_CERT_HAS_EXPIRED,
                  ask(verified, store, expired, NULL));
    assert_answer(false, true, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                  ask(verified, store, own, NULL));
  }
  verified_free(verified);
  X509_STORE_free(store);
  X509_free(expired);
  X509_free(own);
}

/* Verified or not, it is bad once its time has passed. */
static void test_a_good_one_ends(void **state) {
  X509_STORE *store = open_authorities();
  X509 *certificate = issue(2, 0);
  struct verified *verified = NULL;
  struct answer answer;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  do {
    answer = ask(verified, store, certificate, NULL);
    usleep(50000);
  } while (answer.good);
  assert_answer(false, true, X509_V_ERR_CERT_HAS_EXPIRED, answer);
  assert_true(X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0);
  verified_free(verified);
  X509_STORE_free(store);
  X509_free(certificate);
}

/* Longer than what is remembered of a chain, and sound. */
static void test_a_long_chain(void **state) {
  X509 *certificate = issue(HOUR, 0), *other = issue(HOUR, 0);
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  X509_STORE *store = open_authorities();
  struct verified *verified = NULL;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  sk_X509_push(sent, certificate);
  for (int i = 0; i < 100; i++)
    sk_X509_push(sent, other);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(1, X509_STORE_CTX_init(context, store, certificate, sent));
    assert_int_equal(1, verified_check(verified, context));
    assert_non_null(X509_STORE_CTX_get0_chain(context));
    X509_STORE_CTX_cleanup(context);
  }
  verified_free(verified);
  X509_STORE_CTX_free(context);
  sk_X509_free(sent);
  X509_STORE_free(store);
  X509_free(certificate);
  X509_free(other);
}

static int set_up(void **state) {
  (void)state;
  throwaway_begin(&throwaway);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  throwaway_end(&throwaway);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_good_chain_is_verified_once),
      cmocka_unit_test(test_a_bad_one_is_bad_each_time),
      cmocka_unit_test(test_a_good_one_ends),
      cmocka_unit_test(test_a_long_chain),
  };

  return cmocka_run_group_tests_name("probe verified", tests, set_up, tear_down);
}
