/* SPDX-License-Identifier: MIT
 *
 * The times in a certificate.
 */
#ifndef EGRESS_ASN1_TIME_H
#define EGRESS_ASN1_TIME_H

#include <openssl/asn1.h>
#include <stdbool.h>
#include <time.h>

/* Seconds since 1970. Returns whether the time is well formed. */
static inline bool asn1_time(const ASN1_TIME *time, time_t *seconds) {
  struct tm parts = {0};

  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return false;
  *seconds = timegm(&parts);
  return true;
}

#endif
