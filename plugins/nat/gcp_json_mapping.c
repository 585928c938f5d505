/* SPDX-License-Identifier: MIT
 *
 * The NAT ports that a VM's NIC has now.
 */
#include "gcp_json.h"

#include <errno.h>
#include <string.h>

static void clear_part(struct gcp_mapping_part *part) {
  *part = (struct gcp_mapping_part){.total = GCP_ABSENT, .drained = GCP_ABSENT};
}

void gcp_mapping_init(struct gcp_mapping *mapping, const char *address, int64_t rule) {
  *mapping = (struct gcp_mapping){.rule = rule};
  strncpy(mapping->address, address, sizeof(mapping->address) - 1);
}

/* Google: a range includes its first and its last port. */
int64_t gcp_port_range_size(const char *text, size_t length) {
  const char *colon = memchr(text, ':', length), *dash;
  int64_t first, last;

  if (!colon)
    return 0;
  colon++;
  dash = memchr(colon, '-', length - (size_t)(colon - text));
  if (!dash || json_parse_integer(colon, (size_t)(dash - colon), &first) < 0 ||
      json_parse_integer(dash + 1, length - (size_t)(dash + 1 - text), &last) < 0)
    return 0;
  return first >= 0 && first <= last && last <= UINT16_MAX ? last - first + 1 : 0;
}

/* At most 64,512 ports an address: a sum that grows beyond this is no sum of ports. */
#define PORTS_SUM_MAX (INT64_C(1) << 32)

static void add_range(int64_t *sum, const char *text, size_t length) {
  if (*sum < PORTS_SUM_MAX)
    *sum += gcp_port_range_size(text, length);
}

static void take_range(void *into, const char *text, size_t length) {
  add_range(&((struct gcp_mapping *)into)->interface.range_sum, text, length);
}

static void take_drained_range(void *into, const char *text, size_t length) {
  add_range(&((struct gcp_mapping *)into)->interface.drained_sum, text, length);
}

static void take_rule_range(void *into, const char *text, size_t length) {
  add_range(&((struct gcp_mapping *)into)->rule_part.range_sum, text, length);
}

static void take_drained_rule_range(void *into, const char *text, size_t length) {
  add_range(&((struct gcp_mapping *)into)->rule_part.drained_sum, text, length);
}

static void begin_interface(void *into) {
  struct gcp_mapping *mapping = into;

  mapping->source[0] = mapping->alias_range[0] = '\0';
  clear_part(&mapping->interface);
  clear_part(&mapping->chosen);
}

static void begin_rule(void *into) {
  struct gcp_mapping *mapping = into;

  mapping->rule_number = GCP_ABSENT;
  clear_part(&mapping->rule_part);
}

static void end_rule(void *into) {
  struct gcp_mapping *mapping = into;

  if (mapping->rule > 0 && mapping->rule_number == mapping->rule)
    mapping->chosen = mapping->rule_part;
}

static int64_t number_or_sum(int64_t number, int64_t sum) {
  int64_t ports = number >= 0 ? number : sum;

  return ports < PORTS_SUM_MAX ? ports : PORTS_SUM_MAX;
}

static void end_interface(void *into) {
  struct gcp_mapping *mapping = into;
  const struct gcp_mapping_part *part =
      mapping->rule > 0 ? &mapping->chosen : &mapping->interface;
  struct gcp_ports *ports = mapping->alias_range[0] ? &mapping->alias : &mapping->own;

  if (strcmp(mapping->source, mapping->address) != 0 || ports->now > PORTS_SUM_MAX)
    return;
  ports->found = true;
  ports->now += number_or_sum(part->total, part->range_sum);
  ports->drained += number_or_sum(part->drained, part->drained_sum);
}

#define MAPPING(field) offsetof(struct gcp_mapping, field)
#define INTERFACE "result[].interfaceNatMappings[]"
#define RULE INTERFACE ".ruleMappings[]"

int gcp_mapping_walk(struct gcp_mapping *mapping, struct json_walk **walk) {
  static const struct json_rule rules[] = {
      {.path = "nextPageToken", .kind = JSON_TEXT, .offset = MAPPING(page_token),
       .size = GCP_PAGE_TOKEN_SIZE},
      {.path = INTERFACE, .kind = JSON_ELEMENT, .begin = begin_interface,
       .end = end_interface},
      {.path = INTERFACE ".sourceVirtualIp", .kind = JSON_TEXT, .offset = MAPPING(source),
       .size = sizeof(mapping->source)},
      {.path = INTERFACE ".sourceAliasIpRange", .kind = JSON_TEXT,
       .offset = MAPPING(alias_range), .size = sizeof(mapping->alias_range)},
      {.path = INTERFACE ".numTotalNatPorts", .kind = JSON_INTEGER,
       .offset = MAPPING(interface.total)},
      {.path = INTERFACE ".numTotalDrainNatPorts", .kind = JSON_INTEGER,
       .offset = MAPPING(interface.drained)},
      {.path = INTERFACE ".natIpPortRanges[]", .kind = JSON_STRING, .take = take_range},
      {.path = INTERFACE ".drainNatIpPortRanges[]", .kind = JSON_STRING,
       .take = take_drained_range},
      {.path = RULE, .kind = JSON_ELEMENT, .begin = begin_rule, .end = end_rule},
      {.path = RULE ".ruleNumber", .kind = JSON_INTEGER, .offset = MAPPING(rule_number)},
      {.path = RULE ".numTotalNatPorts", .kind = JSON_INTEGER,
       .offset = MAPPING(rule_part.total)},
      {.path = RULE ".numTotalDrainNatPorts", .kind = JSON_INTEGER,
       .offset = MAPPING(rule_part.drained)},
      {.path = RULE ".natIpPortRanges[]", .kind = JSON_STRING, .take = take_rule_range},
      {.path = RULE ".drainNatIpPortRanges[]", .kind = JSON_STRING,
       .take = take_drained_rule_range},
  };

  mapping->page_token[0] = '\0';
  return json_walk_new(rules, sizeof(rules) / sizeof(*rules), "", mapping, walk);
}

const struct gcp_ports *gcp_mapping_ports(const struct gcp_mapping *mapping) {
  return mapping->own.found ? &mapping->own : &mapping->alias;
}
