/* SPDX-License-Identifier: MIT
 *
 * Chains of certificates that OpenSSL has found good. Whether a chain is good depends
 * on its certificates, the authorities and the time: as long as the very same chain
 * comes, the authorities stay, and no certificate of it has ended, the answer is the
 * same, and its signatures need not be computed again. That is a twelfth of an HTTPS
 * probe. What was not good is looked at anew each time. For one thread alone.
 */
#ifndef EGRESS_VERIFIED_H
#define EGRESS_VERIFIED_H

#include <openssl/x509_vfy.h>

struct verified;

/* Returns 0 or -ENOMEM. */
int verified_new(struct verified **verified);
void verified_free(struct verified *verified);

/* Some authorities have changed. */
void verified_forget(struct verified *verified);

/* As X509_verify_cert(3). The context's store must stay as it is, at its address, until
 * verified_forget; its other parameters must be the same at each call. */
int verified_check(struct verified *verified, X509_STORE_CTX *context);

#endif
