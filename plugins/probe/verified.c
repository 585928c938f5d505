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

struct chain {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  const X509_STORE *authorities; /* NULL: the place is free */
  time_t begin, end;             /* when all its certificates are valid */
};

struct verified {
  struct chain chains[PLACES];
};

int verified_new(struct verified **verified) {
  *verified = calloc(1, sizeof(**verified));
  return *verified ? 0 : -ENOMEM;
}

void verified_free(struct verified *verified) { free(verified); }

void verified_forget(struct verified *verified) { *verified = (struct verified){0}; }

/* Of all that the server has sent, in its order. */
static bool digest_of(X509_STORE_CTX *context, unsigned char digest[SHA256_DIGEST_LENGTH]) {
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
  return SHA256(digests, (size_t)(1 + count) * SHA256_DIGEST_LENGTH, digest) != NULL;
}

static struct chain *place_of(struct verified *verified, const struct chain *chain) {
  unsigned number;

  memcpy(&number, chain->digest, sizeof(number));
  return &verified->chains[number % PLACES];
}

static bool is_good(const struct chain *known, const struct chain *asked, time_t now) {
  return known->authorities == asked->authorities &&
         memcmp(known->digest, asked->digest, sizeof(known->digest)) == 0 &&
         known->begin <= now && now < known->end;
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

int verified_check(struct verified *verified, X509_STORE_CTX *context) {
  struct chain chain = {.authorities = X509_STORE_CTX_get0_store(context)};
  struct chain *place;
  int result;

  if (!digest_of(context, chain.digest))
    return X509_verify_cert(context);
  place = place_of(verified, &chain);
  if (is_good(place, &chain, time(NULL))) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  result = X509_verify_cert(context);
  if (result == 1 && X509_STORE_CTX_get_error(context) == X509_V_OK &&
      set_times(&chain, context))
    *place = chain;
  return result;
}
