/* SPDX-License-Identifier: MIT
 *
 * Chains that are not verified twice, and those that are.
 */
#include "unit.h"

#include "asn1_time.h"
#include "throwaway.h"
#include "verified.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>

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
static struct answer ask_at(struct verified *verified, X509_STORE *store,
                            X509 *certificate, X509 *more, time_t now) {
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  struct answer answer;

  sk_X509_push(sent, certificate);
  if (more)
    sk_X509_push(sent, more);
  assert_int_equal(1, X509_STORE_CTX_init(context, store, certificate, sent));
  answer.good = verified_check(verified, context, now) == 1;
  answer.computed = X509_STORE_CTX_get0_chain(context) != NULL;
  answer.error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  sk_X509_free(sent);
  return answer;
}

static struct answer ask(struct verified *verified, X509_STORE *store, X509 *certificate,
                         X509 *more) {
  return ask_at(verified, store, certificate, more, time(NULL));
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

/* Outside the times of its certificates a chain is verified again; OpenSSL goes by the
 * time of day, and finds it good. */
static void test_a_good_one_has_its_time(void **state) {
  X509_STORE *store = open_authorities();
  X509 *certificate = issue(HOUR, 0);
  struct verified *verified = NULL;
  time_t begin = 0, end = 0;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  assert_true(asn1_time(X509_get0_notBefore(certificate), &begin));
  assert_true(asn1_time(X509_get0_notAfter(certificate), &end));
  assert_answer(true, true, X509_V_OK, ask_at(verified, store, certificate, NULL, begin));
  assert_answer(true, false, X509_V_OK, ask_at(verified, store, certificate, NULL, begin));
  assert_answer(true, true, X509_V_OK,
                ask_at(verified, store, certificate, NULL, begin - 1));
  assert_answer(true, false, X509_V_OK,
                ask_at(verified, store, certificate, NULL, end - 1));
  assert_answer(true, true, X509_V_OK, ask_at(verified, store, certificate, NULL, end));
  verified_free(verified);
  X509_STORE_free(store);
  X509_free(certificate);
}

/* Authorities that are gone are not taken for others that come after them: of so many
 * one would be where they were, had their place been given back. */
static void test_authorities_that_are_gone(void **state) {
  X509_STORE *store = open_authorities(), *others[1000];
  X509 *certificate = issue(HOUR, 0);
  struct verified *verified = NULL;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  assert_answer(true, true, X509_V_OK, ask(verified, store, certificate, NULL));
  X509_STORE_free(store);
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    others[i] = X509_STORE_new();
    assert_false(ask(verified, others[i], certificate, NULL).good);
  }
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
    X509_STORE_free(others[i]);
  verified_free(verified);
  X509_free(certificate);
}

/* With other parameters it is another question, and one about a name is not kept. */
static void test_parameters(void **state) {
  X509_STORE *store = open_authorities();
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  X509 *certificate = issue(HOUR, 0);
  struct verified *verified = NULL;

  (void)state;
  assert_int_equal(0, verified_new(&verified));
  sk_X509_push(sent, certificate);
  for (int i = 0; i < 4; i++) {
    X509_VERIFY_PARAM *asked;

    assert_int_equal(1, X509_STORE_CTX_init(context, store, certificate, sent));
    asked = X509_STORE_CTX_get0_param(context);
    if (i == 1)
      X509_VERIFY_PARAM_set_flags(asked, X509_V_FLAG_X509_STRICT);
    if (i == 2)
      X509_VERIFY_PARAM_set_depth(asked, 7);
    if (i == 3)
      X509_VERIFY_PARAM_set_auth_level(asked, 1);
    verified_check(verified, context, time(NULL));
    assert_non_null(X509_STORE_CTX_get0_chain(context));
    X509_STORE_CTX_cleanup(context);
  }
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  for (int i = 0; i < 2; i++) {
    assert_int_equal(1, X509_STORE_CTX_init(context, store, certificate, sent));
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), "localhost", 0);
    assert_int_equal(1, verified_check(verified, context, time(NULL)));
    assert_non_null(X509_STORE_CTX_get0_chain(context));
    X509_STORE_CTX_cleanup(context);
  }
#endif
  verified_free(verified);
  X509_STORE_CTX_free(context);
  sk_X509_free(sent);
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
    assert_int_equal(1, verified_check(verified, context, time(NULL)));
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
      cmocka_unit_test(test_a_good_one_has_its_time),
      cmocka_unit_test(test_authorities_that_are_gone),
      cmocka_unit_test(test_parameters),
      cmocka_unit_test(test_a_long_chain),
  };

  return cmocka_run_group_tests_name("probe verified", tests, set_up, tear_down);
}
