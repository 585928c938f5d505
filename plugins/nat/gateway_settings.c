/* SPDX-License-Identifier: MIT */
#include "gateway_settings.h"

#include <stdio.h>

static nanoseconds first_known(nanoseconds given, nanoseconds found) {
  return given > 0 ? given : found;
}

static bool word_or(enum nat_word given, bool found) {
  return given == NAT_UNSAID ? found : given == NAT_TRUE;
}

static bool set(nanoseconds *field, nanoseconds value) {
  bool changed = *field != value;

  __atomic_store_n(field, value, __ATOMIC_RELAXED);
  return changed;
}

bool gateway_settings_apply(struct nat_gateway_config *gateway,
                            const struct gateway_facts *facts,
                            const struct gateway_figures *figures) {
  const struct nat_gateway_given *given = &gateway->given;
  const struct nat_gateway_found found = {
      .allocated = facts->ports_now ? facts->ports_now : (uint32_t)figures->allocated,
      .limit = facts->ports_limit,
      .dynamic = facts->dynamic};
  bool bypass = facts->external[0] && facts->type == GCP_NAT_PUBLIC;
  bool independent = word_or(given->endpoint_independent, facts->endpoint_independent);
  bool dynamic = word_or(given->dynamic_ports, facts->dynamic);
  nanoseconds transitory = first_known(given->transitory_timeout, facts->transitory);
  nanoseconds udp = first_known(given->udp_timeout, facts->udp);
  bool changed;

  if (transitory == 0)
    transitory = NAT_TRANSITORY_DEFAULT;
  if (udp == 0)
    udp = NAT_UDP_DEFAULT;
  changed = found.allocated != gateway->found.allocated ||
            found.limit != gateway->found.limit || bypass != gateway->own_bypass ||
            found.dynamic != gateway->found.dynamic || dynamic != gateway->dynamic_ports;

  gateway->found = found;
  gateway->dynamic_ports = dynamic;
  __atomic_store_n(&gateway->own_bypass, bypass, __ATOMIC_RELAXED);
  if (gateway->endpoint_independent != independent) {
    __atomic_store_n(&gateway->endpoint_independent, independent, __ATOMIC_RELAXED);
    changed = true;
  }
  changed |= set(&gateway->udp_timeout, udp);
  changed |= set(&gateway->time_wait, first_known(given->time_wait, facts->time_wait));
  changed |= set(&gateway->established_timeout,
                 first_known(given->established_timeout, facts->established));
  changed |= set(&gateway->transitory_timeout, transitory);
  changed |= set(&gateway->reset_timeout,
                 given->reset_timeout >= 0 ? given->reset_timeout : transitory);
  return changed;
}

static void describe_ports(const struct gateway_facts *facts, char *text, size_t size) {
  if (facts->dynamic)
    snprintf(text, size, "dynamic allocation of up to %u ports", facts->ports_limit);
  else
    snprintf(text, size, "%u ports%s", facts->ports_limit,
             facts->ports_now ? "" : " (its setting; no mapping is shown yet)");
}

const char *gateway_settings_describe(const struct gateway_facts *facts, char *text,
                                      size_t size) {
  char ports[96], wait[64] = "TIME_WAIT not told";

  describe_ports(facts, ports, sizeof(ports));
  if (facts->time_wait > 0)
    snprintf(wait, sizeof(wait), "TIME_WAIT %.15g s",
             nanoseconds_to_seconds(facts->time_wait));
  snprintf(text, size,
           "%s NAT \"%s\" of router \"%s\" (project \"%s\", region \"%s\"): %s, %s%s",
           facts->type == GCP_NAT_PRIVATE ? "private" : "public", facts->nat,
           facts->router, facts->project, facts->region, ports, wait,
           facts->endpoint_independent ? ", endpoint-independent mapping" : "");
  return text;
}
