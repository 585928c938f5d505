/* SPDX-License-Identifier: MIT
 *
 * TLS: the authorities to trust, shared by all probes, and how long certificates
 * last.
 */
#include "transfer.h"

#include "asn1_time.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

static bool is_to_proxy(const struct transfer *transfer) {
  return phases_current(&transfer->phases) == PHASE_PROXY_TLS;
}

static const struct probe_tls *tls_now(const struct transfer *transfer) {
  return is_to_proxy(transfer) ? &transfer_hop(transfer)->tls : &transfer->target->tls;
}

static time_t expiry_of(const X509 *certificate) {
  time_t end = 0;

  return certificate && asn1_time(X509_get0_notAfter(certificate), &end) ? end : 0;
}

/* Called for every certificate, good or bad: so its end is known in either case,
 * without a second handshake. The verdict is OpenSSL's own. What it met on the way, such
 * as a signature with another key, would hide from libcurl that it is about the
 * certificate. */
static int on_certificate(X509_STORE_CTX *store, void *data) {
  struct transfer *transfer = data;
  int result;

  *(is_to_proxy(transfer) ? &transfer->proxy_expiries[transfer->place]
                          : &transfer->target_expiry) =
      expiry_of(X509_STORE_CTX_get0_cert(store));
  result = tls_now(transfer)->verify_peer ? trust_verify(transfer->host->trust, store)
                                          : X509_verify_cert(store);
  if (result != 1)
    ERR_clear_error();
  return result;
}

/* As the store of verification it counts before the context's own, whenever libcurl
 * should fill that one. The context takes a reference. */
static CURLcode bring_authorities(struct transfer *transfer, SSL_CTX *context) {
  const struct probe_tls *tls = tls_now(transfer);
  X509_STORE *store = NULL;
  int result;

  if (!tls->verify_peer)
    return CURLE_OK;
  result = trust_find(transfer->host->trust, tls->ca_cert, &store);
  if (result == 0)
    return SSL_CTX_set1_verify_cert_store(context, store) == 1 ? CURLE_OK
                                                               : CURLE_OUT_OF_MEMORY;
  transfer->tls_trouble = (struct tls_trouble){
      .error = -result,
      .option = TLS_CA_CERT,
      .file = tls->ca_cert ? tls->ca_cert : trust_system_bundle()};
  return CURLE_SSL_CACERT_BADFILE;
}

/* It is read before on_tls is called. */
void transfer_note_client_cert(struct transfer *transfer) {
  bool to_proxy = transfer->plan.proxy_tls &&
                  phases_current(&transfer->phases) <= PHASE_PROXY_TLS;
  const char *file = to_proxy ? transfer_hop(transfer)->tls.client_cert
                              : transfer->target->tls.client_cert;

  transfer->attempt.system_error = EINVAL;
  transfer->tls_trouble = (struct tls_trouble){
      .error = EINVAL, .option = TLS_CLIENT_CERT, .file = file ? file : "-"};
}

static CURLcode on_tls(CURL *easy, void *context, void *data) {
  struct transfer *transfer = data;

  (void)easy;
  phases_on_tls(&transfer->phases, clock_now(CLOCK_MONOTONIC));
  transfer_lift_limit(transfer);
  SSL_CTX_set_cert_verify_callback(context, on_certificate, transfer);
  return bring_authorities(transfer, context);
}

/* With another TLS library, or another OpenSSL than ours, the context that the
 * callback is given would be something else. */
bool transfer_has_openssl(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  char expected[32];

  snprintf(expected, sizeof(expected), "OpenSSL/%lu.", OpenSSL_version_num() >> 28);
  return info->ssl_version &&
         strncmp(info->ssl_version, expected, strlen(expected)) == 0;
}

CURLcode transfer_watch_tls(struct transfer *transfer) {
  CURL *easy = transfer->easy;

  if (!transfer->host->trust)
    return CURLE_OK;
  CURL_SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
  CURL_SET(CURLOPT_SSL_CTX_DATA, transfer);
  return CURLE_OK;
}
