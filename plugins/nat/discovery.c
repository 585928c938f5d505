/* SPDX-License-Identifier: MIT */
#include "discovery.h"

#include <stdio.h>
#include <string.h>

/* Google, "Public NAT: ports per VM": 64 unless set; with dynamic allocation 32 to
 * 65,536; counts are rounded up to a power of 2. */
#define STATIC_DEFAULT 64
#define DYNAMIC_MAX_DEFAULT 65536
#define PORTS_MAX 65536

/* Google, "Tune NAT configuration": timeouts that are not set. Not so TIME_WAIT's:
 * its default depends on the gateway's age and region. */
#define ESTABLISHED_DEFAULT 1200
#define TRANSITORY_DEFAULT 30
#define UDP_DEFAULT 30
#define TIMEOUT_MAX 86400

const char *discovery_project(const struct discovery_wish *wish,
                              const struct gcp_vm *vm) {
  return wish->project ? wish->project : vm->network_project;
}

const char *discovery_region(const struct discovery_wish *wish, const struct gcp_vm *vm) {
  return wish->region ? wish->region : vm->region;
}

/* --- Which ------------------------------------------------------------------------ */

static bool is_named(const struct gcp_nat *nat, const struct discovery_wish *wish) {
  return (!wish->router || strcmp(wish->router, nat->router) == 0) &&
         (!wish->nat || strcmp(wish->nat, nat->name) == 0);
}

bool discovery_may_serve(const struct gcp_nat *nat, const struct discovery_wish *wish,
                         const struct gcp_vm *vm) {
  return is_named(nat, wish) && strcmp(nat->network, vm->network) == 0 &&
         (wish->nat || nat->type == GCP_NAT_PUBLIC);
}

int discovery_certain(const struct gcp_nats *nats, const struct discovery_wish *wish,
                      const struct gcp_vm *vm) {
  int found = -1;

  for (size_t i = 0; i < nats->count; i++) {
    if (!discovery_may_serve(&nats->nats[i], wish, vm))
      continue;
    if (found >= 0)
      return -1;
    found = (int)i;
  }
  return found >= 0 && nats->nats[found].all_subnetworks ? found : -1;
}

static size_t count_may_serve(const struct gcp_nats *nats,
                              const struct discovery_wish *wish,
                              const struct gcp_vm *vm) {
  size_t count = 0;

  for (size_t i = 0; i < nats->count; i++)
    count += discovery_may_serve(&nats->nats[i], wish, vm);
  return count;
}

void discovery_explain(const struct gcp_nats *nats, const struct discovery_wish *wish,
                       const struct gcp_vm *vm, struct gcp_trouble *trouble) {
  const char *project = discovery_project(wish, vm);
  const char *region = discovery_region(wish, vm);
  size_t candidates = count_may_serve(nats, wish, vm);

  if (candidates > 0)
    gcp_trouble_set(trouble,
                    "no NAT has ports for %s: asked %zu of network \"%s\" in project "
                    "\"%s\", region \"%s\"; is this subnetwork one of theirs?",
                    vm->address, candidates, vm->network, project, region);
  else if (wish->router || wish->nat)
    gcp_trouble_set(trouble,
                    "no NAT of the name given (Router \"%s\", NatName \"%s\") on network "
                    "\"%s\" in project \"%s\", region \"%s\"",
                    wish->router ? wish->router : "", wish->nat ? wish->nat : "",
                    vm->network, project, region);
  else
    gcp_trouble_set(trouble,
                    "no public NAT on network \"%s\" in project \"%s\", region \"%s\" (a "
                    "private one has to be given as NatName)",
                    vm->network, project, region);
}

bool discovery_has_rule(const struct gcp_nat *nat, const struct discovery_wish *wish) {
  if (wish->rule == 0)
    return true;
  for (uint32_t i = 0; i < nat->rule_count; i++)
    if (nat->rules[i] == wish->rule)
      return true;
  return false;
}

/* --- What --------------------------------------------------------------------------- */

static uint32_t round_up(int64_t ports) {
  uint32_t power = 1;

  while (power < ports && power < PORTS_MAX)
    power *= 2;
  return power;
}

static uint32_t bounded(int64_t ports) {
  return ports < UINT32_MAX ? (uint32_t)ports : UINT32_MAX;
}

/* Without dynamic allocation the ports are all there will be; those that a machine
 * with alias ranges gets are more than the setting says. */
static uint32_t limit_of(const struct gcp_nat *nat, uint32_t ports_now) {
  if (nat->dynamic == 1)
    return round_up(nat->max_ports > 0 ? nat->max_ports : DYNAMIC_MAX_DEFAULT);
  if (ports_now > 0)
    return ports_now;
  return round_up(nat->min_ports > 0 ? nat->min_ports : STATIC_DEFAULT);
}

static nanoseconds seconds_or(int64_t seconds, int64_t otherwise) {
  return (seconds > 0 && seconds <= TIMEOUT_MAX ? seconds : otherwise) *
         NANOSECONDS_PER_SECOND;
}

static void copy_text(char *to, size_t size, const char *from) {
  snprintf(to, size, "%s", from);
}

void discovery_conclude(const struct gcp_nat *nat, const struct gcp_ports *ports,
                        const struct discovery_wish *wish, const struct gcp_vm *vm,
                        struct gateway_facts *facts) {
  *facts = (struct gateway_facts){
      .known = true,
      .type = nat->type,
      .dynamic = nat->dynamic == 1,
      .endpoint_independent = nat->endpoint_independent == 1,
      .time_wait = seconds_or(nat->effective_time_wait, 0),
      .established = seconds_or(nat->established, ESTABLISHED_DEFAULT),
      .transitory = seconds_or(nat->transitory, TRANSITORY_DEFAULT),
      .udp = seconds_or(nat->udp, UDP_DEFAULT),
  };
  if (facts->time_wait == 0)
    facts->time_wait = seconds_or(nat->time_wait, 0);
  if (ports && ports->found) {
    facts->ports_now = bounded(ports->now);
    facts->ports_drained = bounded(ports->drained);
  }
  facts->ports_limit = limit_of(nat, facts->ports_now);
  copy_text(facts->project, sizeof(facts->project), discovery_project(wish, vm));
  copy_text(facts->region, sizeof(facts->region), discovery_region(wish, vm));
  copy_text(facts->router, sizeof(facts->router), nat->router);
  copy_text(facts->nat, sizeof(facts->nat), nat->name);
  copy_text(facts->external, sizeof(facts->external), vm->external);
}

/* --- When --------------------------------------------------------------------------- */

nanoseconds discovery_pause(nanoseconds interval, bool busy, unsigned failures,
                            double share) {
  nanoseconds pause = interval;

  if (busy && failures == 0 && pause > DISCOVERY_BUSY_SECONDS * NANOSECONDS_PER_SECOND)
    pause = DISCOVERY_BUSY_SECONDS * NANOSECONDS_PER_SECOND;
  for (unsigned i = 0; i < failures && pause < DISCOVERY_BACKOFF_MAX * interval; i++)
    pause *= 2;
  if (pause > DISCOVERY_BACKOFF_MAX * interval)
    pause = DISCOVERY_BACKOFF_MAX * interval;
  return (nanoseconds)((double)pause * (0.9 + 0.2 * share));
}
