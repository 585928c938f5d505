/* SPDX-License-Identifier: MIT */
#include "verified.h"

#include "asn1_time.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One that needs the place of another takes it. */
#define PLACES 1024

/* A server sends three; a longer chain is verified each time. */
#define CERTIFICATES_MAX 8

/* What OpenSSL is asked. */
struct question {
  unsigned char sent[SHA256_DIGEST_LENGTH]; /* all certificates, in their order */
  X509_STORE *authorities;
  unsigned long flags;
  int depth, level;
};

/* The answer was yes. */
struct chain {
  struct question question; /* authorities NULL: the place is free. Else it holds a
                               reference: no other store can have that address */
  time_t begin, end;        /* when all certificates of the chain are valid */
};

struct verified {
  struct chain chains[PLACES];
};

int verified_new(struct verified **verified) {
  *verified = calloc(1, sizeof(**verified));
  return *verified ? 0 : -ENOMEM;
}

void verified_forget(struct verified *verified) {
  for (size_t i = 0; i < PLACES; i++)
    X509_STORE_free(verified->chains[i].question.authorities);
  *verified = (struct verified){0};
}

void verified_free(struct verified *verified) {
  if (!verified)
    return;
  verified_forget(verified);
  free(verified);
}

/* --- The question ---------------------------------------------------------------- */

static bool set_sent(struct question *question, X509_STORE_CTX *context) {
  unsigned char digests[(1 + CERTIFICATES_MAX) * SHA256_DIGEST_LENGTH];
  const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(context);
  int count = sent ? sk_X509_num(sent) : 0;

  if (count > CERTIFICATES_MAX ||
      X509_digest(X509_STORE_CTX_get0_cert(context), EVP_sha256(), digests, NULL) != 1)
    return false;
  for (int i = 0; i < count; i++)
    if (X509_digest(sk_X509_value(sent, i), EVP_sha256(),
                    digests + (size_t)(1 + i) * SHA256_DIGEST_LENGTH, NULL) != 1)
      return false;
  return SHA256(digests, (size_t)(1 + count) * SHA256_DIGEST_LENGTH, question->sent) !=
         NULL;
}

/* Before 3.0 nobody can tell; libcurl checks the name itself. */
static bool asks_for_name(X509_VERIFY_PARAM *asked) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  return X509_VERIFY_PARAM_get0_host(asked, 0) != NULL;
#else
  (void)asked;
  return false;
#endif
}

/* Whether it is one whose answer can be kept. */
static bool set_question(struct question *question, X509_STORE_CTX *context) {
  X509_VERIFY_PARAM *asked = X509_STORE_CTX_get0_param(context);

  question->authorities = X509_STORE_CTX_get0_store(context);
  question->flags = X509_VERIFY_PARAM_get_flags(asked);
  question->depth = X509_VERIFY_PARAM_get_depth(asked);
  question->level = X509_VERIFY_PARAM_get_auth_level(asked);
  return question->authorities && !asks_for_name(asked) && set_sent(question, context);
}

static bool is_same(const struct question *one, const struct question *other) {
  return one->authorities == other->authorities && one->flags == other->flags &&
         one->depth == other->depth && one->level == other->level &&
         memcmp(one->sent, other->sent, sizeof(one->sent)) == 0;
}

/* --- The answer ------------------------------------------------------------------- */

static struct chain *place_of(struct verified *verified, const struct question *question) {
  unsigned number;

  memcpy(&number, question->sent, sizeof(number));
  return &verified->chains[number % PLACES];
}

/* Of the whole chain, up to the authority that ends it. */
static bool set_times(struct chain *chain, X509_STORE_CTX *context) {
  const STACK_OF(X509) *found = X509_STORE_CTX_get0_chain(context);

  if (!found || sk_X509_num(found) == 0)
    return false;
  for (int i = 0; i < sk_X509_num(found); i++) {
    const X509 *certificate = sk_X509_value(found, i);
    time_t begin, end;

    if (!asn1_time(X509_get0_notBefore(certificate), &begin) ||
        !asn1_time(X509_get0_notAfter(certificate), &end))
      return false;
    if (i == 0 || begin > chain->begin)
      chain->begin = begin;
    if (i == 0 || end < chain->end)
      chain->end = end;
  }
  return true;
}

static void keep(struct chain *place, const struct chain *chain) {
  if (X509_STORE_up_ref(chain->question.authorities) != 1)
    return;
  X509_STORE_free(place->question.authorities);
  *place = *chain;
}

int verified_check(struct verified *verified, X509_STORE_CTX *context, time_t now) {
  struct chain chain = {0};
  struct chain *place;
  int result;

  if (!set_question(&chain.question, context))
    return X509_verify_cert(context);
  place = place_of(verified, &chain.question);
  if (is_same(&place->question, &chain.question) && place->begin <= now &&
      now < place->end) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  result = X509_verify_cert(context);
  if (result == 1 && X509_STORE_CTX_get_error(context) == X509_V_OK &&
      set_times(&chain, context))
    keep(place, &chain);
  return result;
}
