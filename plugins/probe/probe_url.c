/* SPDX-License-Identifier: MIT */
#include "probe_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A path, a query or a fragment means nothing to a proxy or a TCP connect. */
static const struct scheme {
  const char *name;
  enum probe_scheme scheme;
  bool of_hop, of_target, port_required, bare;
} schemes[] = {
    {"http", PROBE_SCHEME_HTTP, true, true, false, false},
    {"https", PROBE_SCHEME_HTTPS, true, true, false, false},
    {"socks5h", PROBE_SCHEME_SOCKS5H, true, false, false, true},
    {"tcp", PROBE_SCHEME_TCP, false, true, true, true},
};

/* RFC 1928 names no default port for a URL; 1080 is IANA's for SOCKS. */
#define SOCKS_PORT 1080

static void free_handle(CURLU **handle) { curl_url_cleanup(*handle); }
static void free_part(char **part) { curl_free(*part); }
#define AUTO_HANDLE __attribute__((cleanup(free_handle))) CURLU *
#define AUTO_PART __attribute__((cleanup(free_part))) char *

void probe_url_clear(struct probe_url *url) {
  free(url->text);
  free(url->host);
  *url = (struct probe_url){0};
}

__attribute__((format(printf, 2, 3))) static int
complain(char complaint[PROBE_URL_COMPLAINT_SIZE], const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(complaint, PROBE_URL_COMPLAINT_SIZE, format, arguments);
  va_end(arguments);
  return -EINVAL;
}

static bool has_part(CURLU *handle, CURLUPart part) {
  AUTO_PART text = NULL;

  return curl_url_get(handle, part, &text, 0) == CURLUE_OK && text[0] != '\0' &&
         !(part == CURLUPART_PATH && strcmp(text, "/") == 0);
}

static const struct scheme *find_scheme(CURLU *handle, enum probe_url_use use) {
  AUTO_PART name = NULL;

  if (curl_url_get(handle, CURLUPART_SCHEME, &name, 0) != CURLUE_OK)
    return NULL;
  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
    if (strcasecmp(schemes[i].name, name) == 0 &&
        (use == PROBE_URL_OF_HOP ? schemes[i].of_hop : schemes[i].of_target))
      return &schemes[i];
  return NULL;
}

static int check_parts(CURLU *handle, const struct scheme *scheme,
                       enum probe_url_use use, char *complaint) {
  bool bare = scheme->bare || use == PROBE_URL_OF_HOP;

  if (has_part(handle, CURLUPART_USER) || has_part(handle, CURLUPART_PASSWORD))
    return complain(complaint, "a URL may not hold a user or a password: %s",
                    use == PROBE_URL_OF_HOP
                        ? "put them into User and PasswordFile of the hop"
                        : "put them into a Header of the target");
  if (bare && (has_part(handle, CURLUPART_PATH) || has_part(handle, CURLUPART_QUERY)))
    return complain(complaint, "expected %s://host:port and nothing after it",
                    scheme->name);
  if (has_part(handle, CURLUPART_FRAGMENT))
    return complain(complaint, "a fragment (#...) is never sent; leave it out");
  return 0;
}

static int take_port(CURLU *handle, const struct scheme *scheme, uint16_t *port,
                     char *complaint) {
  AUTO_PART text = NULL;
  bool is_socks = scheme->scheme == PROBE_SCHEME_SOCKS5H;
  CURLUcode code = curl_url_get(handle, CURLUPART_PORT, &text,
                                is_socks ? 0 : CURLU_DEFAULT_PORT);
  long number = 0;

  if (code == CURLUE_OK)
    number = strtol(text, NULL, 10);
  else if (is_socks)
    number = SOCKS_PORT;
  else if (scheme->port_required)
    return complain(complaint, "expected a port: %s://host:port", scheme->name);
  if (number < 1 || number > UINT16_MAX)
    return complain(complaint, "expected a port from 1 to 65535");
  *port = (uint16_t)number;
  return 0;
}

/* Curl writes an IPv6 literal with brackets, getaddrinfo wants none. */
static int take_host(CURLU *handle, char **host, char *complaint) {
  AUTO_PART text = NULL;
  size_t length;

  if (curl_url_get(handle, CURLUPART_HOST, &text, 0) != CURLUE_OK || text[0] == '\0')
    return complain(complaint, "expected a host");
  length = strlen(text);
  *host = text[0] == '[' && length > 2 ? strndup(text + 1, length - 2) : strdup(text);
  return *host ? 0 : -ENOMEM;
}

static int take_text(CURLU *handle, const struct scheme *scheme, char **text) {
  AUTO_PART whole = NULL;

  if (scheme->scheme == PROBE_SCHEME_TCP &&
      curl_url_set(handle, CURLUPART_SCHEME, "http", 0) != CURLUE_OK)
    return -ENOMEM;
  if (curl_url_get(handle, CURLUPART_URL, &whole, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return -ENOMEM;
  *text = strdup(whole);
  return *text ? 0 : -ENOMEM;
}

static int fill(CURLU *handle, enum probe_url_use use, struct probe_url *url,
                char *complaint) {
  const struct scheme *scheme = find_scheme(handle, use);
  int result;

  if (!scheme)
    return complain(complaint, "expected %s",
                    use == PROBE_URL_OF_HOP ? "http://, https:// or socks5h://"
                                            : "http://, https:// or tcp://");
  url->scheme = scheme->scheme;
  result = check_parts(handle, scheme, use, complaint);
  if (result == 0)
    result = take_port(handle, scheme, &url->port, complaint);
  if (result == 0)
    result = take_host(handle, &url->host, complaint);
  return result < 0 ? result : take_text(handle, scheme, &url->text);
}

int probe_url_parse(const char *text, enum probe_url_use use, struct probe_url *url,
                    char complaint[PROBE_URL_COMPLAINT_SIZE]) {
  AUTO_HANDLE handle = curl_url();
  int result;

  complaint[0] = '\0';
  *url = (struct probe_url){0};
  if (!handle)
    return -ENOMEM;
  if (curl_url_set(handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return complain(complaint, "not a URL; expected something like %s",
                    use == PROBE_URL_OF_HOP ? "\"http://10.0.0.9:3128\""
                                            : "\"https://example.com/\"");
  result = fill(handle, use, url, complaint);
  if (result < 0)
    probe_url_clear(url);
  return result;
}

const char *probe_url_endpoint(const struct probe_url *url, char *text, size_t size) {
  bool literal = strchr(url->host, ':') != NULL;

  snprintf(text, size, literal ? "[%s]:%u" : "%s:%u", url->host, (unsigned)url->port);
  return text;
}

static bool same_part(CURLU *one, CURLU *other, CURLUPart part) {
  AUTO_PART first = NULL;
  AUTO_PART second = NULL;

  return curl_url_get(one, part, &first, CURLU_DEFAULT_PORT) == CURLUE_OK &&
         curl_url_get(other, part, &second, CURLU_DEFAULT_PORT) == CURLUE_OK &&
         strcasecmp(first, second) == 0;
}

bool probe_url_same_origin(const char *one, const char *other) {
  AUTO_HANDLE first = curl_url();
  AUTO_HANDLE second = curl_url();

  return first && second && curl_url_set(first, CURLUPART_URL, one, 0) == CURLUE_OK &&
         curl_url_set(second, CURLUPART_URL, other, 0) == CURLUE_OK &&
         same_part(first, second, CURLUPART_SCHEME) &&
         same_part(first, second, CURLUPART_HOST) &&
         same_part(first, second, CURLUPART_PORT);
}
