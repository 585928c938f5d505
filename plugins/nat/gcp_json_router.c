/* SPDX-License-Identifier: MIT
 *
 * Routers and their NATs.
 */
#include "gcp_json.h"

#include <string.h>

#define NAT(field) offsetof(struct gcp_nats, nat.field)

static void clear_nat(struct gcp_nat *nat) {
  *nat = (struct gcp_nat){
      .min_ports = GCP_ABSENT,
      .max_ports = GCP_ABSENT,
      .dynamic = GCP_ABSENT,
      .endpoint_independent = GCP_ABSENT,
      .time_wait = GCP_ABSENT,
      .effective_time_wait = GCP_ABSENT,
      .established = GCP_ABSENT,
      .transitory = GCP_ABSENT,
      .udp = GCP_ABSENT,
  };
}

void gcp_nats_init(struct gcp_nats *nats) {
  nats->page_token[0] = '\0';
  nats->count = nats->omitted = nats->router_first = 0;
  nats->router[0] = nats->network[0] = nats->type[0] = nats->subnetworks[0] = '\0';
  nats->rule = GCP_ABSENT;
  clear_nat(&nats->nat);
}

static void begin_router(void *into) {
  struct gcp_nats *nats = into;

  nats->router_first = nats->count;
  nats->router[0] = nats->network[0] = '\0';
}

static void begin_nat(void *into) {
  struct gcp_nats *nats = into;

  clear_nat(&nats->nat);
  nats->type[0] = nats->subnetworks[0] = '\0';
}

static void begin_rule(void *into) { ((struct gcp_nats *)into)->rule = GCP_ABSENT; }

static void end_rule(void *into) {
  struct gcp_nats *nats = into;
  struct gcp_nat *nat = &nats->nat;

  if (nats->rule >= 0 && nat->rule_count < GCP_NAT_RULES_MAX)
    nat->rules[nat->rule_count++] = nats->rule;
}

static void end_nat(void *into) {
  struct gcp_nats *nats = into;

  nats->nat.type = strcmp(nats->type, "PRIVATE") == 0 ? GCP_NAT_PRIVATE : GCP_NAT_PUBLIC;
  nats->nat.all_subnetworks =
      strcmp(nats->subnetworks, "ALL_SUBNETWORKS_ALL_IP_RANGES") == 0 ||
      strcmp(nats->subnetworks, "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES") == 0;
  if (nats->nat.name[0] == '\0')
    return;
  if (nats->count < GCP_NATS_MAX)
    nats->nats[nats->count++] = nats->nat;
  else
    nats->omitted++;
}

/* The router's own fields may come after its NATs. */
static void end_router(void *into) {
  struct gcp_nats *nats = into;
  const char *slash = strrchr(nats->network, '/');
  const char *network = slash ? slash + 1 : nats->network;
  size_t size = strlen(network) + 1;

  for (size_t i = nats->router_first; i < nats->count; i++) {
    memcpy(nats->nats[i].router, nats->router, sizeof(nats->router));
    if (size <= sizeof(nats->nats[i].network))
      memcpy(nats->nats[i].network, network, size);
  }
  nats->router_first = nats->count;
}

/* One router stands where an item of the list does. */
static const struct json_rule rules[] = {
    {.path = "nextPageToken", .kind = JSON_TEXT,
     .offset = offsetof(struct gcp_nats, page_token), .size = GCP_PAGE_TOKEN_SIZE},
    {.path = "items[]", .kind = JSON_ELEMENT, .begin = begin_router, .end = end_router},
    {.path = "items[].name", .kind = JSON_TEXT,
     .offset = offsetof(struct gcp_nats, router), .size = GCP_NAME_SIZE},
    {.path = "items[].network", .kind = JSON_TEXT,
     .offset = offsetof(struct gcp_nats, network),
     .size = sizeof(((struct gcp_nats *)NULL)->network)},
    {.path = "items[].nats[]", .kind = JSON_ELEMENT, .begin = begin_nat, .end = end_nat},
    {.path = "items[].nats[].name", .kind = JSON_TEXT, .offset = NAT(name),
     .size = GCP_NAME_SIZE},
    {.path = "items[].nats[].type", .kind = JSON_TEXT,
     .offset = offsetof(struct gcp_nats, type),
     .size = sizeof(((struct gcp_nats *)NULL)->type)},
    {.path = "items[].nats[].sourceSubnetworkIpRangesToNat", .kind = JSON_TEXT,
     .offset = offsetof(struct gcp_nats, subnetworks),
     .size = sizeof(((struct gcp_nats *)NULL)->subnetworks)},
    {.path = "items[].nats[].minPortsPerVm", .kind = JSON_INTEGER,
     .offset = NAT(min_ports)},
    {.path = "items[].nats[].maxPortsPerVm", .kind = JSON_INTEGER,
     .offset = NAT(max_ports)},
    {.path = "items[].nats[].enableDynamicPortAllocation", .kind = JSON_FLAG,
     .offset = NAT(dynamic)},
    {.path = "items[].nats[].enableEndpointIndependentMapping", .kind = JSON_FLAG,
     .offset = NAT(endpoint_independent)},
    {.path = "items[].nats[].tcpTimeWaitTimeoutSec", .kind = JSON_INTEGER,
     .offset = NAT(time_wait)},
    {.path = "items[].nats[].effectiveTcpTimeWaitTimeoutSec", .kind = JSON_INTEGER,
     .offset = NAT(effective_time_wait)},
    {.path = "items[].nats[].tcpEstablishedIdleTimeoutSec", .kind = JSON_INTEGER,
     .offset = NAT(established)},
    {.path = "items[].nats[].tcpTransitoryIdleTimeoutSec", .kind = JSON_INTEGER,
     .offset = NAT(transitory)},
    {.path = "items[].nats[].udpIdleTimeoutSec", .kind = JSON_INTEGER,
     .offset = NAT(udp)},
    {.path = "items[].nats[].rules[]", .kind = JSON_ELEMENT, .begin = begin_rule,
     .end = end_rule},
    {.path = "items[].nats[].rules[].ruleNumber", .kind = JSON_INTEGER,
     .offset = offsetof(struct gcp_nats, rule)},
};

int gcp_router_list_walk(struct gcp_nats *nats, struct json_walk **walk) {
  nats->page_token[0] = '\0';
  return json_walk_new(rules, sizeof(rules) / sizeof(*rules), "", nats, walk);
}

int gcp_router_walk(struct gcp_nats *nats, struct json_walk **walk) {
  nats->page_token[0] = '\0';
  return json_walk_new(rules, sizeof(rules) / sizeof(*rules), "items[]", nats, walk);
}
