/* SPDX-License-Identifier: MIT
 *
 * What hops, targets and chains have in common: URLs, headers, TLS.
 */
#include "probe_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int probe_option_url(const struct option *option, enum probe_url_use use,
                     struct probe_url *url, struct option_error *error) {
  char complaint[PROBE_URL_COMPLAINT_SIZE];
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  result = probe_url_parse(text, use, url, complaint);
  if (result != -EINVAL)
    return result;
  return option_fail(option, error, "%s", complaint);
}

/* RFC 9110, section 5.6.2: the characters of a field name. */
static size_t token_length(const char *text) {
  return strspn(text, "!#$%&'*+-.^_`|~0123456789"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

static bool is_header(const char *text) {
  size_t name = token_length(text);

  if (name == 0 || text[name] != ':' || strlen(text) > PROBE_HEADER_MAX)
    return false;
  for (const char *c = text + name; *c; c++)
    if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
      return false;
  return true;
}

int probe_headers_add(const struct option *option, struct probe_headers *headers,
                      struct option_error *error) {
  char **lines = NULL;

  if (option->value_count != 1 || option->values[0].type != OPTION_STRING ||
      !is_header(option->values[0].string))
    return option_fail_secret(
        option, error, "expected one \"Name: value\" without control characters, at most %d bytes",
        PROBE_HEADER_MAX);
  if (headers->count == PROBE_HEADERS_MAX)
    return option_fail_secret(option, error, "more than %d headers in this block",
                              PROBE_HEADERS_MAX);
  lines = realloc(headers->lines, (headers->count + 1) * sizeof(lines[0]));
  if (!lines)
    return -ENOMEM;
  headers->lines = lines;
  lines[headers->count] = strdup(option->values[0].string);
  if (!lines[headers->count])
    return -ENOMEM;
  headers->count++;
  return 0;
}

void probe_headers_clear(struct probe_headers *headers) {
  for (size_t i = 0; i < headers->count; i++)
    free(headers->lines[i]);
  free(headers->lines);
  *headers = (struct probe_headers){0};
}

void probe_tls_clear(struct probe_tls *tls) {
  free(tls->ca_cert);
  free(tls->client_cert);
  free(tls->client_key);
  *tls = (struct probe_tls){0};
}

int probe_tls_check(const struct option *block, const struct probe_tls *tls,
                    struct option_error *error) {
  if (tls->client_key && !tls->client_cert)
    return option_fail(block, error, "ClientKey is given without ClientCert; give both");
  return 0;
}
