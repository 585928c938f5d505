/* SPDX-License-Identifier: MIT
 *
 * The configuration of egress_nat (pure, but for the files that it names).
 */
#ifndef EGRESS_NAT_CONFIG_H
#define EGRESS_NAT_CONFIG_H

#include "gateway_source.h"
#include "nat_bypass.h"
#include "nat_traffic.h"

#include "egress/clock.h"
#include "egress/option.h"

#define NAT_GATEWAYS_MAX 16u
#define NAT_NAMED_MAX 256u

/* <Destination "name">: shown by its name, whatever it holds. */
struct nat_named {
  char *name;
  struct nat_networks networks;
};

/* Google, "Public NAT timeouts": 30 s unless set otherwise. */
#define NAT_TRANSITORY_DEFAULT (30 * NANOSECONDS_PER_SECOND)
#define NAT_UDP_DEFAULT (30 * NANOSECONDS_PER_SECOND)

enum nat_word { NAT_UNSAID, NAT_FALSE, NAT_TRUE };

/* What the block itself says, before defaults and discovery; 0: nothing. */
struct nat_gateway_given {
  enum nat_word endpoint_independent, dynamic_ports;
  nanoseconds udp_timeout, time_wait, established_timeout, transitory_timeout;
  nanoseconds reset_timeout; /* negative: nothing */
};

/* Ports that were found out; 0: not known. What the block says beats them. */
struct nat_gateway_found {
  uint32_t allocated, limit;
  bool dynamic; /* so that `limit` is that of dynamic allocation */
};

struct nat_gateway_config {
  char *name;
  int64_t ports_per_vm;     /* 0: not known */
  int64_t max_ports_per_vm; /* with dynamic allocation; 0: not known */
  bool dynamic_ports;
  nanoseconds time_wait;           /* 0: not known */
  nanoseconds established_timeout; /* 0: not given, idle connections count */
  nanoseconds transitory_timeout;
  nanoseconds reset_timeout;
  nanoseconds udp_timeout;
  bool endpoint_independent; /* a port for each local IP:port, whatever the destination.
                                Atomic, as own_bypass */
  struct nat_traffic traffic;
  struct nat_networks bypass; /* of `traffic`, what does not come from these: */
  struct nat_bypass_files bypass_files;
  struct gateway_source source;
  struct nat_gateway_given given;
  struct nat_gateway_found found;
  bool own_bypass; /* connections of this machine's own do not take the gateway: its
                      NIC has an external address. Atomic: flow passes of other
                      threads look at it, and at established_timeout. */
};

enum nat_source { NAT_SOURCE_AUTO, NAT_SOURCE_SOCKETS, NAT_SOURCE_CONNTRACK };

struct nat_config {
  int source; /* enum nat_source */
  int64_t top_destinations;
  int64_t destination_min_ports;
  size_t named_count;
  struct nat_named named[NAT_NAMED_MAX];
  size_t gateway_count; /* the first one that takes a connection has it */
  struct nat_gateway_config gateways[NAT_GATEWAYS_MAX];
};

#define NAT_CONFIG_DEFAULTS                                                              \
  {                                                                                      \
    .source = NAT_SOURCE_AUTO, .top_destinations = 10, .destination_min_ports = 2        \
  }

/* Leaves the defaults. */
void nat_config_free(struct nat_config *config);

/* Reads <Plugin egress_nat> into a struct nat_config, which may hold what an
 * earlier block said. Returns 0, -EINVAL or -ENOMEM with *error filled. */
int nat_config_parse(const struct option *block, void *config,
                     struct option_error *error);

/* Without a <Gateway> block there is one named "nat" of which nothing is known.
 * Returns 0 or -ENOMEM. */
int nat_config_complete(struct nat_config *config);

/* How often the idle connections are looked for, which needs tcp_info: once a minute,
 * and within a tenth of the shortest EstablishedTimeout. 0: no gateway has one, nor may
 * yet be found to. */
nanoseconds nat_config_idle_period(const struct nat_config *config);

/* What bypasses the gateway, its files as they are now, into *bypass, which is empty.
 * Returns 0, or -EINVAL or -ENOMEM with *error filled: some of it is there then. */
int nat_config_reread_bypass(struct nat_gateway_config *gateway,
                             struct nat_networks *bypass, struct nat_bypass_error *error);

/* Ports that the VM has now, and can grow to; 0: not known. */
uint32_t nat_gateway_allocated(const struct nat_gateway_config *gateway);
uint32_t nat_gateway_limit(const struct nat_gateway_config *gateway);

#endif
