/* SPDX-License-Identifier: MIT */
#include "proxy_answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const reason_texts[] = {
    [PROXY_REASON_CONNECT_FAILED] = "could not connect onward",
    [PROXY_REASON_REFUSED] = "connection refused further on",
    [PROXY_REASON_CONNECT_TIMEOUT] = "connecting onward timed out",
    [PROXY_REASON_UNREACHABLE] = "no route further on",
    [PROXY_REASON_DNS] = "could not resolve the name",
    [PROXY_REASON_CANNOT_FORWARD] = "could not forward",
    [PROXY_REASON_DENIED] = "access denied",
    [PROXY_REASON_CREDENTIALS] = "credentials refused",
    [PROXY_REASON_READ] = "no answer further on",
    [PROXY_REASON_TLS] = "TLS failed further on",
    [PROXY_REASON_OVERLOAD] = "connection limit reached",
    [PROXY_REASON_INTERNAL] = "internal error",
};

const char *proxy_reason_text(enum proxy_reason reason) { return reason_texts[reason]; }

struct word {
  const char *text;
  enum proxy_reason reason;
};

/* Squid's err_type (src/err_type.h), as X-Squid-Error begins. */
static const struct word squid_words[] = {
    {"ERR_CONNECT_FAIL", PROXY_REASON_CONNECT_FAILED},
    {"ERR_CANNOT_FORWARD", PROXY_REASON_CANNOT_FORWARD},
    {"ERR_DNS_FAIL", PROXY_REASON_DNS},
    {"ERR_ACCESS_DENIED", PROXY_REASON_DENIED},
    {"ERR_CACHE_ACCESS_DENIED", PROXY_REASON_CREDENTIALS},
    {"ERR_READ_TIMEOUT", PROXY_REASON_READ},
    {"ERR_READ_ERROR", PROXY_REASON_READ},
    {"ERR_WRITE_ERROR", PROXY_REASON_READ},
    {"ERR_ZERO_SIZE_OBJECT", PROXY_REASON_READ},
    {"ERR_GATEWAY_FAILURE", PROXY_REASON_CANNOT_FORWARD},
    {"ERR_SECURE_CONNECT_FAIL", PROXY_REASON_TLS},
    {"ERR_SOCKET_FAILURE", PROXY_REASON_INTERNAL},
    {NULL, PROXY_REASON_INTERNAL},
};

/* The second word of X-Squid-Error is an errno of the proxy's system: Linux. */
static const struct word squid_errors[] = {
    {"111", PROXY_REASON_REFUSED},     {"110", PROXY_REASON_CONNECT_TIMEOUT},
    {"113", PROXY_REASON_UNREACHABLE}, {"101", PROXY_REASON_UNREACHABLE},
    {NULL, PROXY_REASON_NONE},
};

/* Error types of RFC 9209, section 2.3. */
static const struct word status_words[] = {
    {"dns_timeout", PROXY_REASON_DNS},
    {"dns_error", PROXY_REASON_DNS},
    {"destination_not_found", PROXY_REASON_CANNOT_FORWARD},
    {"destination_unavailable", PROXY_REASON_CANNOT_FORWARD},
    {"destination_ip_prohibited", PROXY_REASON_DENIED},
    {"destination_ip_unroutable", PROXY_REASON_UNREACHABLE},
    {"connection_refused", PROXY_REASON_REFUSED},
    {"connection_terminated", PROXY_REASON_READ},
    {"connection_timeout", PROXY_REASON_CONNECT_TIMEOUT},
    {"connection_read_timeout", PROXY_REASON_READ},
    {"connection_write_timeout", PROXY_REASON_READ},
    {"connection_limit_reached", PROXY_REASON_OVERLOAD},
    {"tls_protocol_error", PROXY_REASON_TLS},
    {"tls_certificate_error", PROXY_REASON_TLS},
    {"tls_alert_received", PROXY_REASON_TLS},
    {"http_request_denied", PROXY_REASON_DENIED},
    {"http_response_timeout", PROXY_REASON_READ},
    {"http_response_incomplete", PROXY_REASON_READ},
    {"proxy_internal_error", PROXY_REASON_INTERNAL},
    {"proxy_configuration_error", PROXY_REASON_INTERNAL},
    {NULL, PROXY_REASON_INTERNAL},
};

struct slice {
  const char *text;
  size_t length;
};

static struct slice trim(struct slice slice) {
  while (slice.length > 0 && isspace((unsigned char)slice.text[0]))
    slice = (struct slice){slice.text + 1, slice.length - 1};
  while (slice.length > 0 && isspace((unsigned char)slice.text[slice.length - 1]))
    slice.length--;
  return slice;
}

static size_t word_length(struct slice slice) {
  size_t length = 0;

  while (length < slice.length &&
         (isalnum((unsigned char)slice.text[length]) || slice.text[length] == '_'))
    length++;
  return length;
}

static enum proxy_reason look_up(const struct word *words, struct slice slice) {
  size_t length = word_length(slice);

  while (words->text && (strlen(words->text) != length ||
                         strncmp(words->text, slice.text, length) != 0))
    words++;
  return words->reason;
}

/* "ERR_CONNECT_FAIL 111" */
static void add_squid_error(struct proxy_answer *answer, struct slice value) {
  size_t length = word_length(value);
  enum proxy_reason precise = PROXY_REASON_NONE;

  answer->from_proxy = true;
  answer->reason = look_up(squid_words, value);
  if (answer->reason == PROXY_REASON_CONNECT_FAILED)
    precise = look_up(
        squid_errors, trim((struct slice){value.text + length, value.length - length}));
  if (precise != PROXY_REASON_NONE)
    answer->reason = precise;
}

/* `name; error=connection_timeout; details="..."`: the parameter of the last
 * proxy that named one wins, as it stands nearest to us. Quoted text is skipped. */
static void add_proxy_status(struct proxy_answer *answer, struct slice value) {
  static const char key[] = "error=";
  bool quoted = false, at_parameter = false;

  for (size_t i = 0; i < value.length; i++) {
    char c = value.text[i];
    size_t left = value.length - i;

    if (c == '"' && (i == 0 || value.text[i - 1] != '\\'))
      quoted = !quoted;
    if (!quoted && at_parameter && left > strlen(key) &&
        strncmp(value.text + i, key, strlen(key)) == 0) {
      answer->from_proxy = true;
      answer->reason = look_up(status_words, (struct slice){value.text + i + strlen(key),
                                                            left - strlen(key)});
    }
    at_parameter = !quoted && (c == ';' || (at_parameter && c == ' '));
  }
}

/* One proxy for each element of the list (RFC 9110, section 7.6.3). */
static void add_via(struct proxy_answer *answer, struct slice value) {
  bool in_element = false, in_comment = false;

  for (size_t i = 0; i < value.length; i++) {
    char c = value.text[i];

    in_comment = c == '(' || (in_comment && c != ')');
    if (c == ',' && !in_comment)
      in_element = false;
    else if (!in_element && !isspace((unsigned char)c)) {
      in_element = true;
      if (answer->via < PROXY_ANSWER_VIA_MAX)
        answer->via++;
    }
  }
}

void proxy_answer_add(struct proxy_answer *answer, const char *line, size_t length) {
  static const struct {
    const char *name;
    void (*add)(struct proxy_answer *answer, struct slice value);
  } headers[] = {
      {"x-squid-error", add_squid_error},
      {"proxy-status", add_proxy_status},
      {"via", add_via},
  };
  const char *colon = length > 0 ? memchr(line, ':', length) : NULL;
  struct slice name, value;

  if (!colon)
    return;
  name = (struct slice){line, (size_t)(colon - line)};
  value = trim((struct slice){colon + 1, length - name.length - 1});
  for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
    if (strlen(headers[i].name) == name.length &&
        strncasecmp(headers[i].name, name.text, name.length) == 0)
      headers[i].add(answer, value);
}

int status_line_parse(const char *line, size_t length) {
  const char *space = length > 5 && strncmp(line, "HTTP/", 5) == 0
                          ? memchr(line, ' ', length)
                          : NULL;
  int status = 0;

  if (!space || (size_t)(line + length - space) < 4)
    return 0;
  for (size_t i = 1; i <= 3; i++) {
    if (!isdigit((unsigned char)space[i]))
      return 0;
    status = status * 10 + (space[i] - '0');
  }
  return status >= 100 && status <= 599 ? status : 0;
}
