/* SPDX-License-Identifier: MIT */
#include "nat_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* An instance holds 127 bytes; a gateway's is "NAME:tcp". */
#define GATEWAY_NAME_MAX (127 - sizeof(":tcp") + 1)
#define DESTINATION_NAME_MAX 127

/* Google, "Public NAT: minimum and maximum ports per VM": at most 65,536; with
 * dynamic allocation powers of 2, the least 32. */
#define PORTS_MAX 65536
#define DYNAMIC_PORTS_MIN 32

/* No timeout is longer than a day, and less than the half of what 28 bits of
 * milliseconds hold. */
#define TIMEOUT_MAX 86400.0

#define IDLE_PERIOD_MAX (60 * NANOSECONDS_PER_SECOND)

/* Google: "rule number: 0 to 65000"; 0 stands for no rule here. */
#define NAT_RULE_MAX 65000

void nat_config_free(struct nat_config *config) {
  for (size_t i = 0; i < config->named_count; i++) {
    free(config->named[i].name);
    nat_networks_free(&config->named[i].networks);
  }
  for (size_t i = 0; i < config->gateway_count; i++) {
    free(config->gateways[i].name);
    nat_traffic_free(&config->gateways[i].traffic);
    nat_networks_free(&config->gateways[i].bypass);
    nat_bypass_free(&config->gateways[i].bypass_files);
    gateway_source_free(&config->gateways[i].source);
  }
  *config = (struct nat_config)NAT_CONFIG_DEFAULTS;
}

/* --- Networks ------------------------------------------------------------------- */

static int read_networks(const struct option *option, struct nat_networks *networks,
                         struct option_error *error) {
  int result = option_require_texts(option, error);

  for (size_t i = 0; i < option->value_count && result == 0; i++) {
    struct net_prefix prefix;

    if (net_prefix_parse(option->values[i].string, &prefix) < 0)
      return option_fail(option, error,
                         "\"%s\" is no network; expected one such as "
                         "\"192.0.2.0/24\", without bits beyond its length, or an address",
                         option->values[i].string);
    result = nat_networks_add(networks, &prefix);
    if (result == -E2BIG)
      return option_fail(option, error, "more than %u networks in one list",
                         NAT_NETWORKS_MAX);
  }
  return result;
}

static int read_gateway_network(const struct option *option, void *gateway,
                                struct option_error *error) {
  return read_networks(option,
                       &((struct nat_gateway_config *)gateway)->traffic.networks, error);
}

static int read_bypass(const struct option *option, void *gateway,
                       struct option_error *error) {
  return read_networks(option, &((struct nat_gateway_config *)gateway)->bypass, error);
}

static int read_source_network(const struct option *option, void *gateway,
                               struct option_error *error) {
  return read_networks(option, &((struct nat_gateway_config *)gateway)->traffic.sources,
                       error);
}

/* Read at once, for an error names the option. */
static int read_bypass_file(const struct option *option, void *gateway,
                            struct option_error *error) {
  struct nat_gateway_config *own = gateway;
  size_t begin = own->bypass_files.count;
  struct nat_bypass_error reason;
  int result = option_require_texts(option, error);

  for (size_t i = 0; i < option->value_count && result == 0; i++)
    result = nat_bypass_add(&own->bypass_files, option->values[i].string, i == 0);
  if (result == -E2BIG)
    return option_fail(option, error, "more than %u files", NAT_BYPASS_FILES_MAX);
  if (result == 0) {
    result = nat_bypass_read(&own->bypass_files, begin, &own->traffic.bypass, &reason);
    if (result == -EINVAL)
      option_fail(option, error, "%s", reason.text);
  }
  return result;
}

static int complete_bypass(const struct option *block, struct nat_gateway_config *gateway,
                           struct option_error *error) {
  int result = nat_networks_add_all(&gateway->traffic.bypass, &gateway->bypass);

  return result == -E2BIG ? option_fail(block, error, "more than %u ranges that bypass",
                                        NAT_NETWORKS_MAX)
                          : result;
}

int nat_config_reread_bypass(struct nat_gateway_config *gateway,
                             struct nat_networks *bypass, struct nat_bypass_error *error) {
  int status = nat_bypass_read(&gateway->bypass_files, 0, bypass, error);

  if (status < 0)
    return status;
  if (nat_networks_add_all(bypass, &gateway->bypass) == 0)
    return 0;
  snprintf(error->text, sizeof(error->text), "more than %u ranges that bypass",
           NAT_NETWORKS_MAX);
  return -EINVAL;
}

static int read_named_network(const struct option *option, void *named,
                              struct option_error *error) {
  return read_networks(option, &((struct nat_named *)named)->networks, error);
}

/* --- Where to ask ------------------------------------------------------------------ */

static struct gateway_source *source_of(void *gateway) {
  return &((struct nat_gateway_config *)gateway)->source;
}

static int read_project(const struct option *option, void *gateway,
                        struct option_error *error) {
  return gateway_source_read_project(option, source_of(gateway), error);
}

static int read_region(const struct option *option, void *gateway,
                       struct option_error *error) {
  return gateway_source_read_name(option, &source_of(gateway)->region, error);
}

static int read_router(const struct option *option, void *gateway,
                       struct option_error *error) {
  return gateway_source_read_name(option, &source_of(gateway)->router, error);
}

static int read_nat_name(const struct option *option, void *gateway,
                         struct option_error *error) {
  return gateway_source_read_name(option, &source_of(gateway)->nat, error);
}

static int read_metadata_url(const struct option *option, void *gateway,
                             struct option_error *error) {
  return gateway_source_read_url(option, &source_of(gateway)->metadata_url, error);
}

static int read_compute_url(const struct option *option, void *gateway,
                            struct option_error *error) {
  return gateway_source_read_url(option, &source_of(gateway)->compute_url, error);
}

static int read_monitoring_url(const struct option *option, void *gateway,
                               struct option_error *error) {
  return gateway_source_read_url(option, &source_of(gateway)->monitoring_url, error);
}

/* --- Blocks ----------------------------------------------------------------------- */

static bool is_power_of_two(int64_t number) { return (number & (number - 1)) == 0; }

static int check_ports(const struct option *block,
                       const struct nat_gateway_config *gateway,
                       struct option_error *error) {
  int64_t least = gateway->ports_per_vm, most = gateway->max_ports_per_vm;

  if (!gateway->dynamic_ports && most > 0)
    return option_fail(block, error,
                       "MaxPortsPerVM %lld has a meaning with DynamicPorts true only; "
                       "without it PortsPerVM is the limit",
                       (long long)most);
  if (!gateway->dynamic_ports)
    return 0;
  if ((least > 0 && (!is_power_of_two(least) || least < DYNAMIC_PORTS_MIN)) ||
      (most > 0 && (!is_power_of_two(most) || most < DYNAMIC_PORTS_MIN)))
    return option_fail(block, error,
                       "with DynamicPorts true PortsPerVM and MaxPortsPerVM are powers of "
                       "2 from %d to %d",
                       DYNAMIC_PORTS_MIN, PORTS_MAX);
  if (most > 0 && most < least)
    return option_fail(block, error, "MaxPortsPerVM %lld is less than PortsPerVM %lld",
                       (long long)most, (long long)least);
  return 0;
}

/* Google, "Public NAT: Endpoint-Independent Mapping": not together with dynamic port
 * allocation. */
static int check_mapping(const struct option *block,
                         const struct nat_gateway_config *gateway,
                         struct option_error *error) {
  if (!gateway->endpoint_independent || !gateway->dynamic_ports)
    return 0;
  return option_fail(block, error,
                     "EndpointIndependentMapping true and DynamicPorts true exclude each "
                     "other; give one of them");
}

/* A flag that is not in the block says nothing; one that is may say false. */
static enum nat_word word_of(const struct option *block, const char *name, bool value) {
  for (size_t i = 0; i < block->child_count; i++)
    if (strcasecmp(block->children[i].name, name) == 0)
      return value ? NAT_TRUE : NAT_FALSE;
  return NAT_UNSAID;
}

static void complete_timeouts(struct nat_gateway_config *gateway) {
  if (gateway->udp_timeout == 0)
    gateway->udp_timeout = NAT_UDP_DEFAULT;
  if (gateway->transitory_timeout == 0)
    gateway->transitory_timeout = NAT_TRANSITORY_DEFAULT;
  if (gateway->reset_timeout < 0)
    gateway->reset_timeout = gateway->transitory_timeout;
}

#define GATEWAY_FIELD(name) offsetof(struct nat_gateway_config, name)

static int read_gateway_options(const struct option *block,
                                struct nat_gateway_config *gateway,
                                struct option_error *error) {
  static const struct option_rule rules[] = {
      {.name = "PortsPerVM", .kind = OPTION_INTEGER, .offset = GATEWAY_FIELD(ports_per_vm),
       .minimum = 1, .maximum = PORTS_MAX},
      {.name = "MaxPortsPerVM", .kind = OPTION_INTEGER,
       .offset = GATEWAY_FIELD(max_ports_per_vm), .minimum = 1, .maximum = PORTS_MAX},
      {.name = "DynamicPorts", .kind = OPTION_FLAG,
       .offset = GATEWAY_FIELD(dynamic_ports)},
      {.name = "EndpointIndependentMapping", .kind = OPTION_FLAG,
       .offset = GATEWAY_FIELD(endpoint_independent)},
      {.name = "TimeWait", .kind = OPTION_DURATION, .offset = GATEWAY_FIELD(time_wait),
       .minimum = 1, .maximum = TIMEOUT_MAX},
      {.name = "EstablishedTimeout", .kind = OPTION_DURATION,
       .offset = GATEWAY_FIELD(established_timeout), .minimum = 1,
       .maximum = TIMEOUT_MAX},
      {.name = "TransitoryTimeout", .kind = OPTION_DURATION,
       .offset = GATEWAY_FIELD(transitory_timeout), .minimum = 1, .maximum = TIMEOUT_MAX},
      {.name = "ResetTimeout", .kind = OPTION_DURATION,
       .offset = GATEWAY_FIELD(reset_timeout), .minimum = 0, .maximum = TIMEOUT_MAX},
      {.name = "UDPTimeout", .kind = OPTION_DURATION,
       .offset = GATEWAY_FIELD(udp_timeout), .minimum = 1, .maximum = TIMEOUT_MAX},
      {.name = "Network", .kind = OPTION_CUSTOM, .read = read_gateway_network,
       .repeats = true},
      {.name = "SourceNetwork", .kind = OPTION_CUSTOM, .read = read_source_network,
       .repeats = true},
      {.name = "BypassFile", .kind = OPTION_CUSTOM, .read = read_bypass_file,
       .repeats = true},
      {.name = "Bypass", .kind = OPTION_CUSTOM, .read = read_bypass, .repeats = true},
      {.name = "BypassDefaults", .kind = OPTION_FLAG,
       .offset = GATEWAY_FIELD(traffic.bypass_defaults)},
      {.name = "Discover", .kind = OPTION_FLAG, .offset = GATEWAY_FIELD(source.discover)},
      {.name = "DiscoverInterval", .kind = OPTION_DURATION,
       .offset = GATEWAY_FIELD(source.interval), .minimum = 1, .maximum = TIMEOUT_MAX},
      {.name = "CloudMonitoring", .kind = OPTION_FLAG,
       .offset = GATEWAY_FIELD(source.cloud_monitoring)},
      {.name = "Project", .kind = OPTION_CUSTOM, .read = read_project},
      {.name = "Region", .kind = OPTION_CUSTOM, .read = read_region},
      {.name = "Router", .kind = OPTION_CUSTOM, .read = read_router},
      {.name = "NatName", .kind = OPTION_CUSTOM, .read = read_nat_name},
      {.name = "NatRule", .kind = OPTION_INTEGER, .offset = GATEWAY_FIELD(source.rule),
       .minimum = 1, .maximum = NAT_RULE_MAX},
      {.name = "MetadataURL", .kind = OPTION_CUSTOM, .read = read_metadata_url},
      {.name = "ComputeURL", .kind = OPTION_CUSTOM, .read = read_compute_url},
      {.name = "MonitoringURL", .kind = OPTION_CUSTOM, .read = read_monitoring_url},
      {.name = "CACert", .kind = OPTION_TEXT, .offset = GATEWAY_FIELD(source.ca_cert)},
  };
  int result =
      option_walk(block, rules, sizeof(rules) / sizeof(*rules), gateway, error);

  if (result < 0)
    return result;
  gateway->given = (struct nat_gateway_given){
      .endpoint_independent =
          word_of(block, "EndpointIndependentMapping", gateway->endpoint_independent),
      .dynamic_ports = word_of(block, "DynamicPorts", gateway->dynamic_ports),
      .udp_timeout = gateway->udp_timeout,
      .time_wait = gateway->time_wait,
      .established_timeout = gateway->established_timeout,
      .transitory_timeout = gateway->transitory_timeout,
      .reset_timeout = gateway->reset_timeout,
  };
  complete_timeouts(gateway);
  result = complete_bypass(block, gateway, error);
  if (result == 0)
    result = check_mapping(block, gateway, error);
  if (result == 0)
    result = check_ports(block, gateway, error);
  return result < 0 ? result : gateway_source_check(block, &gateway->source, error);
}

static void init_gateway(struct nat_gateway_config *gateway) {
  *gateway = (struct nat_gateway_config){.reset_timeout = -1,
                                         .given = {.reset_timeout = -1},
                                         .traffic = {.bypass_defaults = true},
                                         .source = GATEWAY_SOURCE_DEFAULTS};
}

static int read_gateway(const struct option *block, void *into,
                        struct option_error *error) {
  struct nat_config *config = into;
  struct nat_gateway_config *gateway = &config->gateways[config->gateway_count];
  int result;

  if (config->gateway_count == NAT_GATEWAYS_MAX)
    return option_fail(block, error, "more than %u gateways", NAT_GATEWAYS_MAX);
  init_gateway(gateway);
  config->gateway_count++;
  result = option_take_label(block, GATEWAY_NAME_MAX, NULL, &gateway->name, error);
  if (result < 0)
    return result;
  for (size_t i = 0; i + 1 < config->gateway_count; i++)
    if (strcmp(config->gateways[i].name, gateway->name) == 0)
      return option_fail(block, error, "a gateway of this name was given before");
  return read_gateway_options(block, gateway, error);
}

static int read_named(const struct option *block, void *into,
                      struct option_error *error) {
  static const struct option_rule rules[] = {
      {.name = "Network", .kind = OPTION_CUSTOM, .read = read_named_network,
       .repeats = true},
  };
  struct nat_config *config = into;
  struct nat_named *named = &config->named[config->named_count];
  int result;

  if (config->named_count == NAT_NAMED_MAX)
    return option_fail(block, error, "more than %u named destinations", NAT_NAMED_MAX);
  *named = (struct nat_named){0};
  config->named_count++;
  result = option_take_label(block, DESTINATION_NAME_MAX, NULL, &named->name, error);
  for (size_t i = 0; i + 1 < config->named_count && result == 0; i++)
    if (strcmp(config->named[i].name, named->name) == 0)
      result = option_fail(block, error, "a destination of this name was given before");
  if (result == 0)
    result = option_walk(block, rules, sizeof(rules) / sizeof(*rules), named, error);
  if (result == 0 && named->networks.count == 0)
    result = option_fail(block, error, "no Network; expected at least one, such as "
                                       "Network \"192.0.2.0/24\"");
  return result;
}

#define FIELD(name) offsetof(struct nat_config, name)

int nat_config_parse(const struct option *block, void *config,
                     struct option_error *error) {
  static const char *const sources[] = {"auto", "sockets", "conntrack", NULL};
  static const struct option_rule rules[] = {
      {.name = "Source", .kind = OPTION_CHOICE, .offset = FIELD(source),
       .choices = sources},
      {.name = "TopDestinations", .kind = OPTION_INTEGER,
       .offset = FIELD(top_destinations), .minimum = 0, .maximum = 1000},
      {.name = "DestinationMinPorts", .kind = OPTION_INTEGER,
       .offset = FIELD(destination_min_ports), .minimum = 1, .maximum = PORTS_MAX},
      {.name = "Destination", .kind = OPTION_CUSTOM, .read = read_named, .repeats = true},
      {.name = "Gateway", .kind = OPTION_CUSTOM, .read = read_gateway, .repeats = true},
  };

  return option_walk(block, rules, sizeof(rules) / sizeof(*rules), config, error);
}

int nat_config_complete(struct nat_config *config) {
  struct nat_gateway_config *gateway = &config->gateways[0];

  if (config->gateway_count > 0)
    return 0;
  init_gateway(gateway);
  complete_timeouts(gateway);
  gateway->name = strdup("nat");
  if (!gateway->name)
    return -ENOMEM;
  config->gateway_count = 1;
  return 0;
}

nanoseconds nat_config_idle_period(const struct nat_config *config) {
  nanoseconds period = 0;

  for (size_t i = 0; i < config->gateway_count; i++) {
    const struct nat_gateway_config *gateway = &config->gateways[i];
    nanoseconds own =
        __atomic_load_n(&gateway->established_timeout, __ATOMIC_RELAXED) / 10;

    if (own > IDLE_PERIOD_MAX || (own == 0 && gateway->source.discover))
      own = IDLE_PERIOD_MAX;
    if (own > 0 && (period == 0 || own < period))
      period = own;
  }
  return period;
}

/* What dynamic allocation has granted for the moment the configuration cannot say. */
uint32_t nat_gateway_allocated(const struct nat_gateway_config *gateway) {
  if (!gateway->dynamic_ports && gateway->ports_per_vm > 0)
    return (uint32_t)gateway->ports_per_vm;
  return gateway->found.allocated;
}

/* Where the block denies the dynamic allocation that was found, what there is now is all. */
uint32_t nat_gateway_limit(const struct nat_gateway_config *gateway) {
  int64_t given =
      gateway->dynamic_ports ? gateway->max_ports_per_vm : gateway->ports_per_vm;

  if (given > 0)
    return (uint32_t)given;
  return gateway->found.dynamic && !gateway->dynamic_ports ? gateway->found.allocated
                                                           : gateway->found.limit;
}
