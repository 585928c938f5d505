/* SPDX-License-Identifier: MIT
 *
 * <Hop "name"> blocks.
 */
#include "probe_config.h"

#include <stdlib.h>
#include <string.h>

/* They are type instances of `fault` and `hop_up`, beside the hops. */
static const char *const reserved_names[] = {"egress", "target", "local", "unknown",
                                             NULL};

/* `proxy_tls-NAME` is the longest instance made of a hop's name. */
#define HOP_NAME_MAX (PROBE_INSTANCE_MAX - (sizeof("proxy_tls-") - 1))

static int read_url(const struct option *option, void *into,
                    struct option_error *error) {
  struct probe_hop *hop = into;

  return probe_option_url(option, PROBE_URL_OF_HOP, &hop->url, error);
}

static int read_header(const struct option *option, void *into,
                       struct option_error *error) {
  struct probe_hop *hop = into;

  return probe_headers_add(option, &hop->headers, error);
}

#define FIELD(member) offsetof(struct probe_hop, member)
static const struct option_rule rules[] = {
    {.name = "URL", .kind = OPTION_CUSTOM, .read = read_url, .secret = true},
    {.name = "User", .kind = OPTION_TEXT, .offset = FIELD(user), .secret = true},
    {.name = "PasswordFile", .kind = OPTION_TEXT, .offset = FIELD(password_file)},
    {.name = "ProxyHeader", .kind = OPTION_CUSTOM, .read = read_header, .repeats = true,
     .secret = true},
    {.name = "CACert", .kind = OPTION_TEXT, .offset = FIELD(tls.ca_cert)},
    {.name = "ClientCert", .kind = OPTION_TEXT, .offset = FIELD(tls.client_cert)},
    {.name = "ClientKey", .kind = OPTION_TEXT, .offset = FIELD(tls.client_key)},
    {.name = "VerifyPeer", .kind = OPTION_FLAG, .offset = FIELD(tls.verify_peer)},
    {.name = "VerifyHost", .kind = OPTION_FLAG, .offset = FIELD(tls.verify_host)},
    {.name = "ConnectTimeout", .kind = OPTION_DURATION, .offset = FIELD(connect_timeout),
     .minimum = 0.001, .maximum = 3600},
};

static int check(const struct option *option, const struct probe_hop *hop,
                 struct option_error *error) {
  if (!hop->url.text)
    return option_fail(option, error, "URL is missing; expected URL \"http://host:port\"");
  if (hop->password_file && !hop->user)
    return option_fail(option, error, "PasswordFile is given without User; give both");
  if (hop->user && strchr(hop->user, ':'))
    return option_fail(option, error,
                       "User may not hold ':' (RFC 7617); the password belongs "
                       "into PasswordFile");
  if (hop->url.scheme == PROBE_SCHEME_SOCKS5H && hop->headers.count > 0)
    return option_fail(option, error, "ProxyHeader is of no use for a socks5h:// hop");
  return probe_tls_check(option, &hop->tls, error);
}

int probe_hop_parse(const struct option *option, struct probe_hop *hop,
                    struct option_error *error) {
  int result = option_take_label(option, HOP_NAME_MAX, reserved_names, &hop->name, error);

  hop->tls.verify_peer = true;
  hop->tls.verify_host = true;
  if (result < 0)
    return result;
  result = option_walk(option, rules, sizeof(rules) / sizeof(rules[0]), hop, error);
  return result < 0 ? result : check(option, hop, error);
}

void probe_hop_clear(struct probe_hop *hop) {
  free(hop->name);
  probe_url_clear(&hop->url);
  free(hop->user);
  free(hop->password_file);
  probe_headers_clear(&hop->headers);
  probe_tls_clear(&hop->tls);
  *hop = (struct probe_hop){0};
}
