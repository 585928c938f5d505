/* SPDX-License-Identifier: MIT
 *
 * The answers of Google's metadata server, Compute API and Monitoring API as
 * structs (pure). One struct an answer: it is made ready once, filled by one walk a
 * page, and adds up over the pages. Absent fields stay as they were made. Numbers
 * are accepted as strings too (protobuf's JSON prints 64-bit ones that way).
 */
#ifndef EGRESS_GCP_JSON_H
#define EGRESS_GCP_JSON_H

#include "json_walk.h"

#define GCP_ABSENT (-1)

/* Google: "resource names are 1-63 characters long" (RFC 1035); a project's name
 * may have a domain before it. */
#define GCP_NAME_SIZE 64
#define GCP_PROJECT_SIZE 128
#define GCP_ADDRESS_SIZE 46
#define GCP_PAGE_TOKEN_SIZE 2048

/* Google: "access tokens: 2048 bytes". */
#define GCP_TOKEN_SIZE 4096

/* --- instance/service-accounts/default/token --------------------------------------- */

struct gcp_token_answer {
  char token[GCP_TOKEN_SIZE]; /* "": absent, too long, or with control bytes */
  int64_t expires_in;         /* seconds; GCP_ABSENT */
};

void gcp_token_answer_init(struct gcp_token_answer *answer);
int gcp_token_walk(struct gcp_token_answer *answer, struct json_walk **walk);

/* --- routers, routers/NAME ---------------------------------------------------------- */

#define GCP_NAT_RULES_MAX 64u

enum gcp_nat_type { GCP_NAT_PUBLIC, GCP_NAT_PRIVATE };

/* One NAT of one router. Numbers are GCP_ABSENT where the answer has none; times are
 * in seconds. */
struct gcp_nat {
  char router[GCP_NAME_SIZE];
  char network[GCP_NAME_SIZE]; /* the router's; the last part of its URL */
  char name[GCP_NAME_SIZE];
  enum gcp_nat_type type;
  bool all_subnetworks; /* serves the primary range of every one in the region */
  int64_t min_ports, max_ports;
  int64_t dynamic, endpoint_independent; /* 1, 0 */
  int64_t time_wait, effective_time_wait;
  int64_t established, transitory, udp;
  uint32_t rule_count;
  int64_t rules[GCP_NAT_RULES_MAX]; /* their numbers */
};

#define GCP_NATS_MAX 128u

struct gcp_nats {
  char page_token[GCP_PAGE_TOKEN_SIZE]; /* of the next page; "": there is none */
  size_t count;
  size_t omitted;       /* beyond GCP_NATS_MAX */
  size_t router_first;  /* of the router under way: index of its first NAT */
  char router[GCP_NAME_SIZE];
  char network[256];
  char type[16];
  char subnetworks[64];
  int64_t rule;
  struct gcp_nat nat; /* under way */
  struct gcp_nat nats[GCP_NATS_MAX];
};

void gcp_nats_init(struct gcp_nats *nats);
int gcp_router_list_walk(struct gcp_nats *nats, struct json_walk **walk);
int gcp_router_walk(struct gcp_nats *nats, struct json_walk **walk);

/* --- routers/NAME/getNatMappingInfo --------------------------------------------------- */

/* What was found for one NIC address, and one rule of the NAT (0: no rule). */
struct gcp_ports {
  bool found;
  int64_t now;     /* usable for new connections */
  int64_t drained; /* serve old connections only */
};

struct gcp_mapping_part {
  int64_t total, drained; /* GCP_ABSENT, then the sums of the ranges count */
  int64_t range_sum, drained_sum;
};

struct gcp_mapping {
  char page_token[GCP_PAGE_TOKEN_SIZE];
  char address[GCP_ADDRESS_SIZE]; /* asked for; set by gcp_mapping_init */
  int64_t rule;
  struct gcp_ports own;   /* of the address itself */
  struct gcp_ports alias; /* of alias ranges of the same NIC */
  /* Under way: */
  char source[GCP_ADDRESS_SIZE];
  char alias_range[GCP_ADDRESS_SIZE + 4];
  int64_t rule_number;
  struct gcp_mapping_part interface, rule_part, chosen;
};

/* Ports of the NAT itself (rule 0), or of one of its rules. */
void gcp_mapping_init(struct gcp_mapping *mapping, const char *address, int64_t rule);
int gcp_mapping_walk(struct gcp_mapping *mapping, struct json_walk **walk);

/* What the NIC holds: its own address's ports; its alias ranges' if those are all it
 * has. */
const struct gcp_ports *gcp_mapping_ports(const struct gcp_mapping *mapping);

/* "203.0.113.2:1024-1055": 32. 0 if it is no such range. */
int64_t gcp_port_range_size(const char *text, size_t length);

/* --- timeSeries ------------------------------------------------------------------------ */

enum gcp_protocol { GCP_TCP, GCP_UDP, GCP_OTHER_PROTOCOL };
#define GCP_PROTOCOLS 2 /* those that have ports */

enum gcp_drop_reason { GCP_OUT_OF_RESOURCES, GCP_ENDPOINT_CONFLICT, GCP_OTHER_REASON };
#define GCP_DROP_REASONS 3

struct gcp_point {
  int64_t end; /* of its interval, Unix time in seconds */
  int64_t value;
  enum gcp_protocol protocol;
  enum gcp_drop_reason reason;
};

#define GCP_POINTS_MAX 512u

struct gcp_series {
  char page_token[GCP_PAGE_TOKEN_SIZE];
  char gateway[GCP_NAME_SIZE]; /* series of other gateways are left out; "": none is */
  size_t count;
  size_t omitted; /* beyond GCP_POINTS_MAX */
  size_t series_first;
  char series_gateway[GCP_NAME_SIZE];
  char protocol[16];
  char reason[64];
  char end[40];
  int64_t value;
  struct gcp_point points[GCP_POINTS_MAX];
};

void gcp_series_init(struct gcp_series *series, const char *gateway);
int gcp_series_walk(struct gcp_series *series, struct json_walk **walk);

/* RFC 3339, as Google prints it: "2026-11-23T02:55:00Z", with or without a fraction
 * of a second or an offset. Returns 0 or -EINVAL. */
int gcp_parse_time(const char *text, int64_t *seconds);

/* --- An error ------------------------------------------------------------------------- */

enum gcp_refusal {
  GCP_REFUSED_OTHERWISE,
  GCP_REFUSED_SCOPE,      /* the token lacks an access scope */
  GCP_REFUSED_PERMISSION, /* IAM */
  GCP_REFUSED_DISABLED,   /* the API is not enabled in the project */
  GCP_REFUSED_QUOTA,
};

struct gcp_error {
  char message[256]; /* cut; "": none */
  enum gcp_refusal refusal;
};

void gcp_error_init(struct gcp_error *error);
int gcp_error_walk(struct gcp_error *error, struct json_walk **walk);

#endif
