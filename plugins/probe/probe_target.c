/* SPDX-License-Identifier: MIT
 *
 * <Target "name"> and <Control "name"> blocks.
 */
#include "probe_config.h"

#include "egress/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define METHOD_MAX 32
#define REDIRECTS_MAX 20
#define REDIRECTS_DEFAULT 10

static int read_url(const struct option *option, void *into,
                    struct option_error *error) {
  struct probe_target *target = into;

  return probe_option_url(option, PROBE_URL_OF_TARGET, &target->url, error);
}

static int read_header(const struct option *option, void *into,
                       struct option_error *error) {
  struct probe_target *target = into;

  return probe_headers_add(option, &target->headers, error);
}

static int read_method(const struct option *option, void *into,
                       struct option_error *error) {
  struct probe_target *target = into;
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  if (strlen(text) > METHOD_MAX ||
      text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] != '\0' ||
      strcmp(text, "CONNECT") == 0)
    return option_fail(option, error,
                       "expected a method in capitals such as \"GET\", \"HEAD\" or \"POST\", not "
                       "CONNECT");
  target->method = strdup(text);
  return target->method ? 0 : -ENOMEM;
}

static int read_status(const struct option *option, void *into,
                       struct option_error *error) {
  struct probe_target *target = into;
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result == 0)
    result = expectation_set_status(&target->expectation, text);
  else
    return result;
  return result == -EINVAL
             ? option_fail(option, error,
                           "expected statuses from 100 to 599 and ranges of them, "
                           "such as \"200-399\" or \"200,204\", at most %d",
                           STATUS_RANGES_MAX)
             : result;
}

static int read_body(const struct option *option, void *into,
                     struct option_error *error) {
  struct probe_target *target = into;
  char complaint[128] = "";
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  result = expectation_set_body(&target->expectation, text, complaint, sizeof(complaint));
  return result == -EINVAL
             ? option_fail(option, error, "expected a regular expression, see pcre2pattern(3): %s",
                           complaint)
             : result;
}

static int read_source(const struct option *option, void *into,
                       struct option_error *error) {
  struct probe_target *target = into;
  struct net_address address;
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  if (net_address_parse(text, &address) < 0)
    return option_fail(option, error, "expected an IPv4 or IPv6 address");
  target->source_address = strdup(text);
  return target->source_address ? 0 : -ENOMEM;
}

static const char *const families[] = {"any", "ipv4", "ipv6", NULL};

#define FIELD(member) offsetof(struct probe_target, member)
static const struct option_rule rules[] = {
    {.name = "URL", .kind = OPTION_CUSTOM, .read = read_url, .secret = true},
    {.name = "Method", .kind = OPTION_CUSTOM, .read = read_method},
    {.name = "Header", .kind = OPTION_CUSTOM, .read = read_header, .repeats = true,
     .secret = true},
    {.name = "Body", .kind = OPTION_TEXT, .offset = FIELD(body), .secret = true},
    {.name = "ExpectStatus", .kind = OPTION_CUSTOM, .read = read_status},
    {.name = "ExpectBody", .kind = OPTION_CUSTOM, .read = read_body},
    {.name = "MaxBody", .kind = OPTION_INTEGER, .offset = FIELD(max_body), .minimum = 0,
     .maximum = PROBE_MAX_BODY_LIMIT},
    {.name = "FollowRedirects", .kind = OPTION_FLAG, .offset = FIELD(follow_redirects)},
    {.name = "MaxRedirects", .kind = OPTION_INTEGER, .offset = FIELD(max_redirects),
     .minimum = 0, .maximum = REDIRECTS_MAX},
    {.name = "AddressFamily", .kind = OPTION_CHOICE, .offset = FIELD(address_family),
     .choices = families},
    {.name = "SourceAddress", .kind = OPTION_CUSTOM, .read = read_source},
    {.name = "CACert", .kind = OPTION_TEXT, .offset = FIELD(tls.ca_cert)},
    {.name = "ClientCert", .kind = OPTION_TEXT, .offset = FIELD(tls.client_cert)},
    {.name = "ClientKey", .kind = OPTION_TEXT, .offset = FIELD(tls.client_key)},
    {.name = "VerifyPeer", .kind = OPTION_FLAG, .offset = FIELD(tls.verify_peer)},
    {.name = "VerifyHost", .kind = OPTION_FLAG, .offset = FIELD(tls.verify_host)},
};

static bool is_head(const struct probe_target *target) {
  return target->method && strcmp(target->method, "HEAD") == 0;
}

/* The address was looked at when it was read. */
static bool is_of_another_family(const struct probe_target *target) {
  struct net_address address;
  int family;

  if (!target->source_address || target->address_family == PROBE_FAMILY_ANY ||
      net_address_parse(target->source_address, &address) < 0)
    return false;
  family = net_address_is_ipv4(&address) ? PROBE_FAMILY_IPV4 : PROBE_FAMILY_IPV6;
  return family != target->address_family;
}

static int check(const struct option *option, const struct probe_target *target,
                 struct option_error *error) {
  if (!target->url.text)
    return option_fail(option, error,
                       "URL is missing; expected URL \"https://host/\" or \"tcp://host:port\"");
  if (target->url.scheme == PROBE_SCHEME_TCP &&
      (target->method || target->body || target->headers.count > 0 ||
       target->expectation.status_text || target->expectation.body_text ||
       target->follow_redirects))
    return option_fail(option, error,
                       "a tcp:// URL is only connected to; Method, Header, Body, "
                       "ExpectStatus, ExpectBody and FollowRedirects are for http "
                       "and https");
  if (target->body && is_head(target))
    return option_fail(option, error,
                       "Body is not sent with Method \"HEAD\"; leave one of them out");
  if (is_of_another_family(target))
    return option_fail(option, error,
                       "SourceAddress \"%s\" is not of the AddressFamily; expected one of "
                       "the same family",
                       target->source_address);
  if (target->expectation.body_text && (target->max_body == 0 || is_head(target)))
    return option_fail(option, error,
                       "ExpectBody needs a body: not Method \"HEAD\", not MaxBody 0");
  return probe_tls_check(option, &target->tls, error);
}

/* A Control shows that a path works: whatever Google's front end answers, it was
 * reached. A target is expected to do its work. */
static int set_default_status(struct probe_target *target) {
  return target->expectation.status_text || target->control
             ? 0
             : expectation_set_status(&target->expectation, "200-299");
}

int probe_target_parse(const struct option *option, bool control,
                       struct probe_target *target, size_t name_limit,
                       struct option_error *error) {
  int result;

  *target = (struct probe_target){
      .control = control,
      .max_body = PROBE_MAX_BODY_DEFAULT,
      .max_redirects = REDIRECTS_DEFAULT,
      .tls = {.verify_peer = true, .verify_host = true},
  };
  result = option_take_label(option, name_limit, NULL, &target->name, error);
  if (result < 0)
    return result;
  result = option_walk(option, rules, sizeof(rules) / sizeof(rules[0]), target, error);
  if (result == 0)
    result = check(option, target, error);
  return result < 0 ? result : set_default_status(target);
}

void probe_target_clear(struct probe_target *target) {
  free(target->name);
  probe_url_clear(&target->url);
  free(target->method);
  probe_headers_clear(&target->headers);
  free(target->body);
  expectation_clear(&target->expectation);
  free(target->source_address);
  probe_tls_clear(&target->tls);
  *target = (struct probe_target){0};
}
