/* SPDX-License-Identifier: MIT
 *
 * Edge: certificate authorities, parsed once for each CA file and shared by all
 * probes. libcurl keeps one parsed file at most, and a system's bundle of some 145
 * certificates takes 40 ms to parse: dear at every probe. For one thread alone.
 */
#ifndef EGRESS_TRUST_H
#define EGRESS_TRUST_H

#include <openssl/x509_vfy.h>

struct trust;

/* Returns 0 or -ENOMEM. */
int trust_new(struct trust **trust);
void trust_free(struct trust *trust);

/* The authorities in `path`; NULL: the system's bundle. The file is parsed at its
 * first use and again when it has changed. *store belongs to `trust`: whoever keeps
 * it takes a reference. Returns 0 or -errno; -EINVAL: no certificate is in it. */
int trust_find(struct trust *trust, const char *path, X509_STORE **store);

/* As X509_verify_cert(3), with a store that trust_find has given: see verified.h. */
int trust_verify(struct trust *trust, X509_STORE_CTX *context);

/* The file that NULL stands for. */
const char *trust_system_bundle(void);

#endif
