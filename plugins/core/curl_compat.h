/* SPDX-License-Identifier: MIT
 *
 * The one place for what differs between versions of libcurl (7.61 and up).
 */
#ifndef EGRESS_CURL_COMPAT_H
#define EGRESS_CURL_COMPAT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <time.h>

/* Return from a function of type CURLcode if libcurl complains. `easy` is the
 * handle in the function at hand. */
#define CURL_TRY(call)                                                                   \
  do {                                                                                   \
    CURLcode code_ = (call);                                                             \
    if (code_ != CURLE_OK)                                                               \
      return code_;                                                                      \
  } while (0)
#define CURL_SET(option, value) CURL_TRY(curl_easy_setopt(easy, option, value))

/* 7.87: a transfer that ends while its name is still being resolved leaves the
 * resolver's thread behind, instead of waiting for it: without it a dead DNS
 * server holds up every other probe, and the shutdown. The thread frees what it
 * holds when it is done. */
#if LIBCURL_VERSION_NUM >= 0x075700
#define CURL_CAN_LEAVE_RESOLVER true
static inline CURLcode curl_leave_resolver(CURL *easy) {
  return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}
#else
#define CURL_CAN_LEAVE_RESOLVER false
static inline CURLcode curl_leave_resolver(CURL *easy) {
  (void)easy;
  return CURLE_OK;
}
#endif

/* 7.85: protocols by name; by bits before, and deprecated since. */
static inline CURLcode curl_allow_http_only(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                          (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* 7.64: HTTP/0.9, that is any nonsense, is no answer; the default since 7.66. */
static inline CURLcode curl_refuse_http09(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x074000
  return curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
#else
  (void)easy;
  return CURLE_OK;
#endif
}

/* 7.80: a callback for "the connection stands, the request goes out now". Before, only
 * the debug callback tells, and whoever asks for it has every step put into words. */
#if LIBCURL_VERSION_NUM >= 0x075000
#define CURL_HAS_PREREQUEST true
static inline CURLcode curl_set_prerequest(CURL *easy, curl_prereq_callback call,
                                           void *data) {
  CURL_SET(CURLOPT_PREREQFUNCTION, call);
  CURL_SET(CURLOPT_PREREQDATA, data);
  return CURLE_OK;
}
#else
#define CURL_HAS_PREREQUEST false
#define CURL_PREREQFUNC_OK 0
typedef int (*curl_prereq_callback)(void *data, char *remote, char *local,
                                    int remote_port, int local_port);
static inline CURLcode curl_set_prerequest(CURL *easy, curl_prereq_callback call,
                                           void *data) {
  (void)easy;
  (void)call;
  (void)data;
  return CURLE_OK;
}
#endif

/* 7.66: waits its whole time also where libcurl has nothing to watch for the moment,
 * as while a name is being resolved. */
static inline CURLMcode curl_wait(CURLM *multi, int milliseconds) {
#if LIBCURL_VERSION_NUM >= 0x074200
  return curl_multi_poll(multi, NULL, 0, milliseconds, NULL);
#else
  int watched = 0;
  CURLMcode code = curl_multi_wait(multi, NULL, 0, milliseconds, &watched);
  const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

  if (watched == 0)
    nanosleep(&pause, NULL);
  return code;
#endif
}

/* 7.88.0 and 7.88.1 connect a socket that CURL_SOCKOPT_ALREADY_CONNECTED was said of
 * (curl #10626). A socket that was connected without blocking takes that once. */
static inline bool curl_connects_again(void) {
  unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;

  return version == 0x075800 || version == 0x075801;
}

/* 7.70: the file of authorities that libcurl was built with. NULL: not known. */
static inline const char *curl_default_bundle(void) {
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

  return info->age >= CURLVERSION_SEVENTH ? info->cainfo : NULL;
#else
  return NULL;
#endif
}

enum curl_socks_answer { CURL_SOCKS_NONE, CURL_SOCKS_FAILED, CURL_SOCKS_DENIED };

/* 7.73: a code of its own for SOCKS, with the details. */
static inline enum curl_socks_answer curl_socks_answer(CURL *easy, CURLcode code) {
#if LIBCURL_VERSION_NUM >= 0x074900
  long detail = CURLPX_OK;

  if (code != CURLE_PROXY)
    return CURL_SOCKS_NONE;
  curl_easy_getinfo(easy, CURLINFO_PROXY_ERROR, &detail);
  return detail == CURLPX_REPLY_NOT_ALLOWED || detail == CURLPX_USER_REJECTED ||
                 detail == CURLPX_NO_AUTH
             ? CURL_SOCKS_DENIED
             : CURL_SOCKS_FAILED;
#else
  (void)easy;
  (void)code;
  return CURL_SOCKS_NONE;
#endif
}

#endif
