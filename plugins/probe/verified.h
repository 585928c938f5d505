/* SPDX-License-Identifier: MIT
 *
 * Model: chains of certificates that OpenSSL has found good. Whether a chain is good
 * depends on its certificates, the authorities, what is asked of them, and the time. As
 * long as the very same chain comes with the same authorities, and each certificate in
 * it is valid, what was right before is right, and no signature need be computed again:
 * a twelfth of the CPU time of an HTTPS probe. What was not good is looked at anew each
 * time. For one thread alone.
 */
#ifndef EGRESS_VERIFIED_H
#define EGRESS_VERIFIED_H

#include <openssl/x509_vfy.h>
#include <time.h>

struct verified;

/* Returns 0 or -ENOMEM. */
int verified_new(struct verified **verified);
void verified_free(struct verified *verified);

/* Some authorities are not used any more: gives their memory back. */
void verified_forget(struct verified *verified);

/* As X509_verify_cert(3), with the time of day. A store is taken for what it was when
 * it first came: what it trusts must not be changed. */
int verified_check(struct verified *verified, X509_STORE_CTX *context, time_t now);

#endif
