/* SPDX-License-Identifier: MIT
 *
 * Model: the configuration of egress_probe. Nothing is read from files or the
 * network here; PasswordFile, CACert and the like are opened when they are used.
 */
#ifndef EGRESS_PROBE_CONFIG_H
#define EGRESS_PROBE_CONFIG_H

#include "egress/clock.h"
#include "egress/option.h"

#include "expectation.h"
#include "probe_url.h"

#define PROBE_HOPS_MAX 64         /* defined */
#define PROBE_CHAINS_MAX 64
#define PROBE_CHAIN_HOPS_MAX 8    /* in one chain */
#define PROBE_CHAIN_TARGETS_MAX 4096 /* targets and controls of one chain */
#define PROBE_HEADERS_MAX 32
#define PROBE_HEADER_MAX 4096     /* bytes */
#define PROBE_INSTANCE_MAX 127    /* DATA_MAX_NAME_LEN of collectd, less the NUL */
#define PROBE_MAX_BODY_DEFAULT (64 * 1024)
#define PROBE_MAX_BODY_LIMIT (16 * 1024 * 1024)

struct probe_headers {
  size_t count;
  char **lines; /* "Name: value" */
};

struct probe_tls {
  char *ca_cert, *client_cert, *client_key; /* files; NULL: libcurl's default, none */
  bool verify_peer, verify_host;
};

struct probe_hop {
  char *name;
  struct probe_url url;
  char *user, *password_file;
  struct probe_headers headers;
  struct probe_tls tls;
  nanoseconds connect_timeout; /* DNS and TCP; 0: the whole time limit */
};

enum probe_address_family { PROBE_FAMILY_ANY, PROBE_FAMILY_IPV4, PROBE_FAMILY_IPV6 };

struct probe_target {
  char *name;
  bool control; /* reaches Google without the NAT: tells NAT from proxy */
  struct probe_url url;
  char *method; /* NULL: GET, or POST with a body */
  struct probe_headers headers;
  char *body;
  struct expectation expectation;
  int64_t max_body; /* bytes looked at; the rest is not fetched */
  bool follow_redirects;
  int64_t max_redirects;
  int address_family; /* enum probe_address_family */
  char *source_address;
  struct probe_tls tls;
};

enum probe_mode {
  PROBE_MODE_CASCADE, /* each proxy forwards to the next by its own settings */
  PROBE_MODE_NESTED,  /* the prober asks each proxy for the next with CONNECT */
};

struct probe_chain {
  char *name;
  size_t hop_count;
  size_t hops[PROBE_CHAIN_HOPS_MAX]; /* indices into the configuration's hops */
  int mode;                          /* enum probe_mode */
  bool direct, ladder;
  nanoseconds own_interval; /* 0: none given */
  nanoseconds interval;     /* filled by probe_config_settle */
  nanoseconds timeout;      /* of one probe; the same */
  size_t target_count;  /* targets in the order given, controls among them */
  struct probe_target *targets;
};

struct probe_config {
  nanoseconds interval; /* 0: that of collectd */
  nanoseconds timeout;  /* 0: what fits */
  int64_t verdict_after, ladder_every, retries;
  bool histogram;
  char *user_agent;
  uint32_t given; /* options of the plugin that some block has given, a bit each */
  size_t hop_count;
  struct probe_hop *hops;
  size_t chain_count;
  struct probe_chain *chains;
};

/* Defaults; free with probe_config_clear. */
void probe_config_init(struct probe_config *config);
void probe_config_clear(struct probe_config *config);

/* One <Plugin> block into a struct probe_config; a further block adds to it. Returns
 * 0, or -EINVAL (-ENOMEM) with *error filled. What the blocks have in common is
 * looked at by probe_config_settle. */
int probe_config_parse(const struct option *block, void *config,
                       struct option_error *error);

/* Fills in the interval and the time limit of each chain, from what the blocks say
 * whatever their order, and once collectd's own interval is known. Again after each
 * block. Returns 0, or -EINVAL with *error filled: a round with its ladder must fit
 * into the interval. Unless `is_last` another block may still bring the Interval
 * that none has given. */
int probe_config_settle(struct probe_config *config, nanoseconds default_interval,
                        bool is_last, struct option_error *error);

/* The longest that the probes of one round take: first attempts and retries, and
 * then the ladder. */
nanoseconds probe_chain_busy(const struct probe_config *config,
                             const struct probe_chain *chain);

size_t probe_chain_count_targets(const struct probe_chain *chain, bool controls);

/* What a chain's own probes hold of the NAT ports toward one host:port. */
struct probe_port_cost {
  const struct probe_url *url; /* NULL: no target at all */
  double ports;
};

/* The host:port toward which the configuration holds most. `time_wait` is how
 * long a closed connection holds its port. */
struct probe_port_cost probe_config_port_cost(const struct probe_config *config,
                                              nanoseconds time_wait);

/* --- Parts, for the files of this model ----------------------------------- */

/* <Target> and <Control>. */
int probe_target_parse(const struct option *option, bool control,
                       struct probe_target *target, size_t name_limit,
                       struct option_error *error);
void probe_target_clear(struct probe_target *target);

/* <Hop>. */
int probe_hop_parse(const struct option *option, struct probe_hop *hop,
                    struct option_error *error);
void probe_hop_clear(struct probe_hop *hop);

/* Appends `Name: value`. */
int probe_headers_add(const struct option *option, struct probe_headers *headers,
                      struct option_error *error);
void probe_headers_clear(struct probe_headers *headers);
int probe_option_url(const struct option *option, enum probe_url_use use,
                     struct probe_url *url, struct option_error *error);
void probe_tls_clear(struct probe_tls *tls);
/* ClientKey wants ClientCert, VerifyHost true wants VerifyPeer true, ... */
int probe_tls_check(const struct option *block, const struct probe_tls *tls,
                    struct option_error *error);

#endif
