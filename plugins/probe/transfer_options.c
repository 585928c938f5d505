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

/* The authorities are ours to bring, see transfer_tls.c; with another TLS library
 * libcurl reads the file. Debian's default CAPATH would be read besides. */
static CURLcode set_target_tls(const struct transfer *transfer) {
  const struct probe_tls *tls = &transfer->target->tls;
  bool with_client_cert = !transfer->stripped && !transfer->left_origin;
  bool ours = transfer->host->trust != NULL;
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_CAPATH, NULL);
  if (tls->ca_cert || ours)
    CURL_SET(CURLOPT_CAINFO, ours ? NULL : tls->ca_cert);
  CURL_SET(CURLOPT_SSL_VERIFYPEER, tls->verify_peer ? 1L : 0L);
  CURL_SET(CURLOPT_SSL_VERIFYHOST, tls->verify_host ? 2L : 0L);
  CURL_SET(CURLOPT_SSLCERT, with_client_cert ? tls->client_cert : NULL);
  CURL_SET(CURLOPT_SSLKEY, with_client_cert ? tls->client_key : NULL);
  return CURLE_OK;
}

static CURLcode set_proxy_tls(const struct transfer *transfer) {
  const struct probe_tls *tls = &transfer_hop(transfer)->tls;
  bool ours = transfer->host->trust != NULL;
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_PROXY_CAPATH, NULL);
  if (tls->ca_cert || ours)
    CURL_SET(CURLOPT_PROXY_CAINFO, ours ? NULL : tls->ca_cert);
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
  const struct probe_hop *hop = transfer_hop(transfer);
  const struct secret *secret = &transfer->order.secrets[transfer->place];
  CURL *easy = transfer->easy;

  if (!hop->user)
    return CURLE_OK;
  CURL_SET(CURLOPT_PROXYUSERNAME, hop->user);
  CURL_SET(CURLOPT_PROXYPASSWORD, hop->password_file ? secret->text : "");
  CURL_SET(CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
  CURL_SET(CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
  return CURLE_OK;
}

/* The connection is there already, so the name is not to be resolved: it may mean
 * nothing here. The address is never used. Such entries outlive the handle, hence a
 * cache of their own. */
static CURLcode set_no_resolving(struct transfer *transfer) {
  const struct probe_url *url = &transfer_hop(transfer)->url;
  struct transfer_step *step = transfer_step_now(transfer);
  CURL *easy = transfer->easy;
  struct net_address literal;
  char entry[320]; /* a name of 255 bytes, :65535:127.0.0.1 */

  CURL_SET(CURLOPT_SHARE, transfer->host->names);
  if (net_address_parse(url->host, &literal) == 0)
    return CURLE_OK;
  snprintf(entry, sizeof(entry), "%s:%u:127.0.0.1", url->host, url->port);
  step->names = curl_slist_append(NULL, entry);
  if (!step->names)
    return CURLE_OUT_OF_MEMORY;
  CURL_SET(CURLOPT_RESOLVE, step->names);
  return CURLE_OK;
}

/* "" and not NULL: NULL lets http_proxy and its like in. */
static CURLcode set_proxy(struct transfer *transfer) {
  CURL *easy = transfer->easy;
  const struct probe_hop *hop = transfer_hop(transfer);
  struct transfer_step *step = transfer_step_now(transfer);

  if (!hop) {
    CURL_SET(CURLOPT_PROXY, "");
    return CURLE_OK;
  }
  CURL_SET(CURLOPT_PROXY, hop->url.text);
  /* Without it libcurl takes 1080 where the URL names no port, even for http. */
  CURL_SET(CURLOPT_PROXYPORT, (long)hop->url.port);
  CURL_SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
  CURL_TRY(append_headers(&hop->headers, &step->proxy_headers));
  CURL_SET(CURLOPT_PROXYHEADER, step->proxy_headers);
  CURL_TRY(set_credentials(transfer));
  if (transfer_is_behind(transfer))
    CURL_TRY(set_no_resolving(transfer));
  return set_proxy_tls(transfer);
}

/* "host!": an address, never the name of an interface. */
static CURLcode set_source(const struct transfer *transfer) {
  const char *address = transfer->target->source_address;
  CURL *easy = transfer->easy;
  char source[128];

  if (!address || transfer_is_behind(transfer))
    return CURLE_OK;
  snprintf(source, sizeof(source), "host!%s", address);
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

  if (!transfer->through)
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

/* What was asked for twice is not sent twice: after a redirect it is a GET (or HEAD)
 * without a body. */
static CURLcode set_request(struct transfer *transfer) {
  struct transfer_step *step = transfer_step_now(transfer);
  CURL *easy = transfer->easy;

  if (!transfer->stripped && !transfer->left_origin) {
    CURL_TRY(append_headers(&transfer->target->headers, &step->headers));
    CURL_SET(CURLOPT_HTTPHEADER, step->headers);
  }
  return set_method(transfer, !transfer->stripped && transfer->redirects == 0);
}

static bool is_https(const char *url) { return strncasecmp(url, "https:", 6) == 0; }

static bool is_http_proxy(const struct probe_hop *hop) {
  return hop && hop->url.scheme != PROBE_SCHEME_SOCKS5H;
}

/* A plain http:// request goes to a proxy as it is, all else through CONNECT. */
static CURLcode set_url(struct transfer *transfer, const char *url, bool connect_only) {
  const struct probe_hop *hop = transfer_hop(transfer);
  bool tunnel = is_http_proxy(hop) && (connect_only || is_https(url));
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_URL, url);
  CURL_SET(CURLOPT_HTTPPROXYTUNNEL, tunnel ? 1L : 0L);
  CURL_SET(CURLOPT_CONNECT_ONLY, connect_only ? 1L : 0L);
  transfer->plan = (struct phase_plan){
      .proxy_tls = hop && hop->url.scheme == PROBE_SCHEME_HTTPS,
      .tunnel = tunnel || (hop && !is_http_proxy(hop)),
      .target_tls = is_https(url),
  };
  transfer->attempt.plain_proxy = is_http_proxy(hop) && !tunnel;
  return transfer_watch_requests(transfer, tunnel, !connect_only);
}

/* A place that is only connected to; http:// stands for nothing. */
static CURLcode set_connect(struct transfer *transfer, const struct probe_url *to) {
  char url[320]; /* http://[255 bytes]:65535/ */
  char endpoint[272];

  probe_url_endpoint(to, endpoint, sizeof(endpoint));
  snprintf(url, sizeof(url), "http://%s/", endpoint);
  return set_url(transfer, url, true);
}

static CURLcode set_target(struct transfer *transfer) {
  const struct probe_target *target = transfer->target;

  CURL_TRY(set_target_tls(transfer));
  CURL_TRY(set_family(transfer));
  CURL_TRY(set_request(transfer));
  return set_url(transfer, transfer->url ? transfer->url : target->url.text,
                 target->url.scheme == PROBE_SCHEME_TCP);
}

CURLcode transfer_set_options(struct transfer *transfer) {
  const struct probe_config *config = transfer->order.config;
  const struct probe_chain *chain = transfer->order.chain;
  const struct probe_hop *next = transfer_next_hop(transfer);
  CURL *easy = transfer->easy;

  CURL_TRY(set_connection(easy));
  CURL_SET(CURLOPT_USERAGENT, config->user_agent ? config->user_agent : "collectd-egress");
  CURL_TRY(transfer_watch(transfer));
  CURL_TRY(set_proxy(transfer));
  if (!transfer->target)
    return set_connect(transfer,
                       &config->hops[chain->hops[transfer->order.leg.entry]].url);
  CURL_TRY(set_source(transfer));
  if (!next)
    return set_target(transfer);
  /* The connection must outlive the request; nobody else is given it all the same. */
  CURL_SET(CURLOPT_FORBID_REUSE, 0L);
  return set_connect(transfer, &next->url);
}
