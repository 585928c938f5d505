/* SPDX-License-Identifier: MIT
 *
 * Every option of a handle is set here, also where libcurl's default would do if
 * it were not for an environment variable.
 */
#include "transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A new connection each time, or there is nothing to measure. */
static CURLcode set_connection(CURL *easy) {
  CURL_SET(CURLOPT_NOSIGNAL, 1L);
  CURL_SET(CURLOPT_FRESH_CONNECT, 1L);
  CURL_SET(CURLOPT_FORBID_REUSE, 1L);
  CURL_SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  CURL_SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  CURL_SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  CURL_SET(CURLOPT_NOPROXY, "");
  CURL_SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  CURL_SET(CURLOPT_FOLLOWLOCATION, 0L);
  CURL_TRY(curl_allow_http_only(easy));
  CURL_TRY(curl_refuse_http09(easy));
  return curl_leave_resolver(easy);
}

/* Debian's default CAPATH turns libcurl's cache of parsed CAs off: 40 ms for each
 * probe. NULL turns CAPATH off. */
static CURLcode set_target_tls(CURL *easy, const struct probe_tls *tls,
                               bool with_client_cert) {
  CURL_SET(CURLOPT_CAPATH, NULL);
  if (tls->ca_cert)
    CURL_SET(CURLOPT_CAINFO, tls->ca_cert);
  CURL_SET(CURLOPT_SSL_VERIFYPEER, tls->verify_peer ? 1L : 0L);
  CURL_SET(CURLOPT_SSL_VERIFYHOST, tls->verify_host ? 2L : 0L);
  CURL_SET(CURLOPT_SSLCERT, with_client_cert ? tls->client_cert : NULL);
  CURL_SET(CURLOPT_SSLKEY, with_client_cert ? tls->client_key : NULL);
  return CURLE_OK;
}

static CURLcode set_proxy_tls(CURL *easy, const struct probe_tls *tls) {
  CURL_SET(CURLOPT_PROXY_CAPATH, NULL);
  if (tls->ca_cert)
    CURL_SET(CURLOPT_PROXY_CAINFO, tls->ca_cert);
  CURL_SET(CURLOPT_PROXY_SSL_VERIFYPEER, tls->verify_peer ? 1L : 0L);
  CURL_SET(CURLOPT_PROXY_SSL_VERIFYHOST, tls->verify_host ? 2L : 0L);
  CURL_SET(CURLOPT_PROXY_SSLCERT, tls->client_cert);
  CURL_SET(CURLOPT_PROXY_SSLKEY, tls->client_key);
  return CURLE_OK;
}

static CURLcode append_headers(const struct probe_headers *headers,
                               struct curl_slist **list) {
  for (size_t i = 0; i < headers->count; i++) {
    struct curl_slist *longer = curl_slist_append(*list, headers->lines[i]);

    if (!longer)
      return CURLE_OUT_OF_MEMORY;
    *list = longer;
  }
  return CURLE_OK;
}

static CURLcode set_credentials(const struct transfer *transfer) {
  CURL *easy = transfer->easy;

  if (!transfer->hop->user)
    return CURLE_OK;
  CURL_SET(CURLOPT_PROXYUSERNAME, transfer->hop->user);
  CURL_SET(CURLOPT_PROXYPASSWORD, transfer->order.password ? transfer->order.password : "");
  CURL_SET(CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
  CURL_SET(CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
  return CURLE_OK;
}

/* "" and not NULL: NULL lets http_proxy and its like in. */
static CURLcode set_proxy(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  const struct probe_hop *hop = transfer->hop;

  if (!hop) {
    CURL_SET(CURLOPT_PROXY, "");
    return CURLE_OK;
  }
  CURL_SET(CURLOPT_PROXY, hop->url.text);
  /* Without it libcurl takes 1080 where the URL names no port, even for http. */
  CURL_SET(CURLOPT_PROXYPORT, (long)hop->url.port);
  CURL_SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
  CURL_TRY(append_headers(&hop->headers, &transfer->proxy_headers));
  CURL_SET(CURLOPT_PROXYHEADER, transfer->proxy_headers);
  CURL_TRY(set_credentials(transfer));
  return set_proxy_tls(easy, &hop->tls);
}

/* "host!": an address, never the name of an interface. */
static CURLcode set_source(CURL *easy, const struct probe_target *target) {
  char source[128];

  if (!target->source_address)
    return CURLE_OK;
  snprintf(source, sizeof(source), "host!%s", target->source_address);
  CURL_SET(CURLOPT_INTERFACE, source);
  return CURLE_OK;
}

/* Of a name that the prober resolves for the target: only straight out. */
static CURLcode set_family(const struct transfer *transfer) {
  static const long resolve[] = {
      [PROBE_FAMILY_ANY] = CURL_IPRESOLVE_WHATEVER,
      [PROBE_FAMILY_IPV4] = CURL_IPRESOLVE_V4,
      [PROBE_FAMILY_IPV6] = CURL_IPRESOLVE_V6,
  };
  CURL *easy = transfer->easy;

  if (!transfer->hop)
    CURL_SET(CURLOPT_IPRESOLVE, resolve[transfer->target->address_family]);
  return CURLE_OK;
}

static CURLcode set_method(const struct transfer *transfer, bool with_body) {
  const char *method = transfer->target->method;
  CURL *easy = transfer->easy;

  if (method && strcmp(method, "HEAD") == 0) {
    CURL_SET(CURLOPT_NOBODY, 1L);
    return CURLE_OK;
  }
  CURL_SET(CURLOPT_HTTPGET, 1L);
  if (with_body && transfer->target->body) {
    CURL_SET(CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->target->body));
    CURL_SET(CURLOPT_POSTFIELDS, transfer->target->body);
  }
  CURL_SET(CURLOPT_CUSTOMREQUEST, with_body ? method : NULL);
  return CURLE_OK;
}

static CURLcode set_request(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  const char *agent = transfer->order.config->user_agent;

  CURL_SET(CURLOPT_USERAGENT, agent ? agent : "collectd-egress");
  if (!transfer->stripped) {
    CURL_TRY(append_headers(&transfer->target->headers, &transfer->headers));
    CURL_SET(CURLOPT_HTTPHEADER, transfer->headers);
  }
  return set_method(transfer, !transfer->stripped);
}

static bool is_https(const char *url) { return strncasecmp(url, "https:", 6) == 0; }

static bool is_http_proxy(const struct probe_hop *hop) {
  return hop && hop->url.scheme != PROBE_SCHEME_SOCKS5H;
}

/* A plain http:// request goes to a proxy as it is, all else through CONNECT. */
CURLcode transfer_set_url(struct transfer *transfer, const char *url) {
  bool connect_only = !transfer->target || transfer->target->url.scheme == PROBE_SCHEME_TCP;
  bool tunnel = is_http_proxy(transfer->hop) && (connect_only || is_https(url));
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_URL, url);
  CURL_SET(CURLOPT_HTTPPROXYTUNNEL, tunnel ? 1L : 0L);
  CURL_SET(CURLOPT_CONNECT_ONLY, connect_only ? 1L : 0L);
  transfer->phases.plan = (struct phase_plan){
      .proxy_tls = transfer->hop && transfer->hop->url.scheme == PROBE_SCHEME_HTTPS,
      .tunnel = tunnel,
      .target_tls = is_https(url),
  };
  transfer->attempt.plain_proxy = is_http_proxy(transfer->hop) && !tunnel;
  if (transfer->left_origin) {
    CURL_SET(CURLOPT_HTTPHEADER, NULL);
    CURL_SET(CURLOPT_SSLCERT, NULL);
    CURL_SET(CURLOPT_SSLKEY, NULL);
  }
  return CURLE_OK;
}

CURLcode transfer_set_options(struct transfer *transfer) {
  const struct probe_target *target = transfer->target;
  char url[320]; /* http://[255 bytes]:65535/ */
  char endpoint[272];

  CURL_TRY(set_connection(transfer->easy));
  CURL_TRY(transfer_watch(transfer));
  CURL_TRY(set_proxy(transfer));
  if (!target) {
    const struct leg *leg = &transfer->order.leg;
    const size_t hop = transfer->order.chain->hops[leg->entry];

    probe_url_endpoint(&transfer->order.config->hops[hop].url, endpoint,
                       sizeof(endpoint));
    snprintf(url, sizeof(url), "http://%s/", endpoint);
    return transfer_set_url(transfer, url);
  }
  CURL_TRY(set_target_tls(transfer->easy, &target->tls, !transfer->stripped));
  CURL_TRY(set_source(transfer->easy, target));
  CURL_TRY(set_family(transfer));
  CURL_TRY(set_request(transfer));
  return transfer_set_url(transfer, target->url.text);
}
