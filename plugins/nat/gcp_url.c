/* SPDX-License-Identifier: MIT */
#include "gcp_url.h"

#include "egress/address.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 253 /* RFC 1035, 2.3.4 */

/* The bytes of the host, without port and brackets; 0 if there is none. */
static size_t find_host(const char **text) {
  size_t length;

  if (**text != '[')
    return strcspn(*text, ":/");
  ++*text;
  length = strcspn(*text, "]");
  return (*text)[length] == ']' ? length : 0;
}

static bool is_near(const char *host, size_t length) {
  static const char *const link_local[] = {"169.254.0.0/16", "fe80::/10"};
  char text[NET_ENDPOINT_TEXT_MAX];
  struct net_address address;
  struct net_prefix prefix;

  if (length >= sizeof(text))
    return false;
  memcpy(text, host, length);
  text[length] = '\0';
  if (net_address_parse(text, &address) < 0)
    return false;
  for (size_t i = 0; i < sizeof(link_local) / sizeof(*link_local); i++)
    if (net_prefix_parse(link_local[i], &prefix) == 0 &&
        net_prefix_contains(&prefix, &address))
      return true;
  return net_address_scope(&address) == NET_SCOPE_LOOPBACK;
}

/* ":1" to ":65535", or nothing; then a path, or nothing. */
static bool is_rest_allowed(const char *rest) {
  unsigned port = 0;

  if (*rest == ':') {
    size_t digits = strspn(++rest, "0123456789");

    if (digits == 0 || digits > 5 || sscanf(rest, "%5u", &port) != 1 || port == 0 ||
        port > UINT16_MAX)
      return false;
    rest += digits;
  }
  return *rest == '\0' || *rest == '/';
}

bool gcp_url_is_allowed(const char *text) {
  bool secure = strncasecmp(text, "https://", 8) == 0;
  size_t length;

  if (!secure && strncasecmp(text, "http://", 7) != 0)
    return false;
  for (const char *byte = text; *byte; byte++)
    if ((unsigned char)*byte <= ' ' || (unsigned char)*byte >= 0x7f ||
        strchr("@?#\\", *byte))
      return false;
  text += secure ? 8 : 7;
  length = find_host(&text);
  if (length == 0 || length > HOST_MAX || !(secure || is_near(text, length)))
    return false;
  return is_rest_allowed(text + length + (text[length] == ']'));
}

void gcp_url_begin(struct gcp_url *url, const char *base) {
  url->length = strlen(base);
  while (url->length > 0 && base[url->length - 1] == '/')
    url->length--;
  if (url->length >= sizeof(url->text))
    url->length = 0;
  memcpy(url->text, base, url->length);
  url->text[url->length] = '\0';
}

static void add(struct gcp_url *url, const char *text, size_t length) {
  if (url->text[0] == '\0' || length >= sizeof(url->text) - url->length) {
    url->text[0] = '\0';
    return;
  }
  memcpy(url->text + url->length, text, length);
  url->length += length;
  url->text[url->length] = '\0';
}

void gcp_url_add(struct gcp_url *url, const char *text) { add(url, text, strlen(text)); }

static bool is_unreserved(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("-._~", byte));
}

void gcp_url_add_escaped(struct gcp_url *url, const char *text) {
  for (; *text; text++) {
    char code[4];

    snprintf(code, sizeof(code), "%%%02X", (unsigned char)*text);
    if (is_unreserved(*text))
      add(url, text, 1);
    else
      add(url, code, 3);
  }
}
