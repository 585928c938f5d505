/* SPDX-License-Identifier: MIT */
#include "probe_config.h"

#include "probe_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void probe_config_init(struct probe_config *config) {
  *config = (struct probe_config){
      .verdict_after = 2,
      .ladder_every = 10,
      .histogram = true,
  };
}

void probe_config_clear(struct probe_config *config) {
  for (size_t i = 0; i < config->chain_count; i++)
    probe_chain_clear(&config->chains[i]);
  for (size_t i = 0; i < config->hop_count; i++)
    probe_hop_clear(&config->hops[i]);
  free(config->chains);
  free(config->hops);
  free(config->user_agent);
  *config = (struct probe_config){0};
}

static int read_hop(const struct option *option, struct probe_config *config,
                    struct option_error *error) {
  struct probe_hop *hops;
  int result;

  if (config->hop_count == PROBE_HOPS_MAX)
    return option_fail(option, error, "more than %d hops", PROBE_HOPS_MAX);
  hops = realloc(config->hops, (config->hop_count + 1) * sizeof(hops[0]));
  if (!hops)
    return -ENOMEM;
  config->hops = hops;
  hops[config->hop_count] = (struct probe_hop){0};
  result = probe_hop_parse(option, &hops[config->hop_count], error);
  for (size_t i = 0; i < config->hop_count && result == 0; i++)
    if (strcmp(hops[i].name, hops[config->hop_count].name) == 0)
      result = option_fail(option, error, "there is a <Hop> of this name already");
  config->hop_count++;
  return result;
}

static int read_chain(const struct option *option, void *into,
                      struct option_error *error) {
  struct probe_config *config = into;
  struct probe_chain *chains;
  int result;

  if (config->chain_count == PROBE_CHAINS_MAX)
    return option_fail(option, error, "more than %d chains", PROBE_CHAINS_MAX);
  chains = realloc(config->chains, (config->chain_count + 1) * sizeof(chains[0]));
  if (!chains)
    return -ENOMEM;
  config->chains = chains;
  chains[config->chain_count] = (struct probe_chain){0};
  result = probe_chain_parse(option, config, &chains[config->chain_count], error);
  for (size_t i = 0; i < config->chain_count && result == 0; i++)
    if (strcmp(chains[i].name, chains[config->chain_count].name) == 0)
      result = option_fail(option, error, "there is a <Chain> of this name already");
  config->chain_count++;
  return result;
}

/* Hops were read before all else, so that chains may come first in the block. */
static int skip(const struct option *option, void *into, struct option_error *error) {
  (void)option;
  (void)into;
  (void)error;
  return 0;
}

static int read_user_agent(const struct option *option, void *into,
                           struct option_error *error) {
  struct probe_config *config = into;
  const char *text = NULL;
  int result = option_get_text(option, &text, error);

  if (result < 0)
    return result;
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      return option_fail(option, error, "expected text without control characters");
  free(config->user_agent);
  config->user_agent = strdup(text);
  return config->user_agent ? 0 : -ENOMEM;
}

#define FIELD(member) offsetof(struct probe_config, member)
static const struct option_rule rules[] = {
    {.name = "Interval", .kind = OPTION_DURATION, .offset = FIELD(interval),
     .minimum = PROBE_INTERVAL_MIN, .maximum = PROBE_INTERVAL_MAX},
    {.name = "Timeout", .kind = OPTION_DURATION, .offset = FIELD(timeout),
     .minimum = 0.01, .maximum = 3600},
    {.name = "VerdictAfter", .kind = OPTION_INTEGER, .offset = FIELD(verdict_after),
     .minimum = 1, .maximum = 100},
    {.name = "LadderEvery", .kind = OPTION_INTEGER, .offset = FIELD(ladder_every),
     .minimum = 0, .maximum = 100000},
    {.name = "Retries", .kind = OPTION_INTEGER, .offset = FIELD(retries), .minimum = 0,
     .maximum = 10},
    {.name = "Histogram", .kind = OPTION_FLAG, .offset = FIELD(histogram)},
    {.name = "UserAgent", .kind = OPTION_CUSTOM, .read = read_user_agent},
    {.name = "Hop", .kind = OPTION_CUSTOM, .read = skip, .repeats = true},
    {.name = "Chain", .kind = OPTION_CUSTOM, .read = read_chain, .repeats = true},
};

/* Of two blocks that give the same option neither would be the right one. */
static int check_given(const struct option *block, struct probe_config *config,
                       struct option_error *error) {
  uint32_t given = 0;

  for (size_t i = 0; i < block->child_count; i++)
    for (size_t j = 0; j < sizeof(rules) / sizeof(rules[0]); j++) {
      if (rules[j].repeats || strcasecmp(rules[j].name, block->children[i].name) != 0)
        continue;
      if (config->given & 1u << j)
        return option_fail(&block->children[i], error,
                           "given in an earlier <Plugin \"egress_probe\"> block; allowed "
                           "once in all of them");
      given |= 1u << j;
    }
  config->given |= given;
  return 0;
}

int probe_config_parse(const struct option *block, void *into,
                       struct option_error *error) {
  struct probe_config *config = into;
  int result = check_given(block, config, error);

  for (size_t i = 0; i < block->child_count && result == 0; i++)
    if (strcasecmp(block->children[i].name, "Hop") == 0)
      result = read_hop(&block->children[i], config, error);
  if (result == 0)
    result = option_walk(block, rules, sizeof(rules) / sizeof(rules[0]), config, error);
  if (result == -ENOMEM)
    snprintf(error->text, sizeof(error->text), "out of memory");
  return result;
}

/* --- Once collectd's interval is known --------------------------------------- */

nanoseconds probe_chain_busy(const struct probe_config *config,
                             const struct probe_chain *chain) {
  return chain->timeout * (config->retries + 1 + (chain->ladder ? 1 : 0));
}

/* Four fifths of the interval, shared by the attempts and the ladder: 0.4 each
 * without retries. */
static nanoseconds default_timeout(const struct probe_config *config,
                                   const struct probe_chain *chain) {
  return chain->interval * 4 / 5 / (config->retries + 2);
}

static void settle_chain(const struct probe_config *config, nanoseconds default_interval,
                         struct probe_chain *chain) {
  chain->interval = chain->own_interval > 0 ? chain->own_interval
                    : config->interval > 0  ? config->interval
                                            : default_interval;
  chain->timeout = config->timeout > 0 ? config->timeout : default_timeout(config, chain);
}

static int check_chain(const struct probe_config *config, const struct probe_chain *chain,
                       struct option_error *error) {
  if (probe_chain_busy(config, chain) <= chain->interval)
    return 0;
  snprintf(error->text, sizeof(error->text),
           "<Plugin \"egress_probe\"> <Chain \"%s\">: Timeout %.15g does not fit into "
           "Interval %.15g: %lld attempt(s)%s need %.15g s; shorten Timeout or lengthen "
           "Interval",
           chain->name, nanoseconds_to_seconds(chain->timeout),
           nanoseconds_to_seconds(chain->interval), (long long)config->retries + 1,
           chain->ladder ? " and the ladder" : "",
           nanoseconds_to_seconds(probe_chain_busy(config, chain)));
  return -EINVAL;
}

int probe_config_settle(struct probe_config *config, nanoseconds default_interval,
                        bool is_last, struct option_error *error) {
  int result = 0;

  for (size_t i = 0; i < config->chain_count && result == 0; i++) {
    struct probe_chain *chain = &config->chains[i];
    bool is_certain = is_last || chain->own_interval > 0 || config->interval > 0;

    settle_chain(config, default_interval, chain);
    if (is_certain)
      result = check_chain(config, chain, error);
  }
  return result;
}

/* --- The prober's own cost ------------------------------------------------------ */

static int compare_urls(const void *one, const void *other) {
  const struct probe_port_cost *first = one;
  const struct probe_port_cost *second = other;

  if (first->url->port != second->url->port)
    return first->url->port < second->url->port ? -1 : 1;
  return strcasecmp(first->url->host, second->url->host);
}

/* Each probe holds one port, at the NAT or before it, until TIME_WAIT is over; and
 * in a round with a ladder one more for every later place that is entered. */
static double ports_per_target(const struct probe_config *config,
                               const struct probe_chain *chain, nanoseconds time_wait) {
  double rounds = (double)time_wait / (double)chain->interval;
  double later = (double)(chain->hop_count > 0 ? chain->hop_count - 1 : 0) +
                 (chain->direct && chain->hop_count > 0 ? 1 : 0);

  if (chain->ladder && config->ladder_every > 0)
    rounds += rounds * later / (double)config->ladder_every;
  return rounds;
}

static size_t collect_costs(const struct probe_config *config, nanoseconds time_wait,
                            struct probe_port_cost *costs) {
  size_t count = 0;

  for (size_t i = 0; i < config->chain_count; i++) {
    const struct probe_chain *chain = &config->chains[i];

    for (size_t j = 0; j < chain->target_count; j++)
      if (!chain->targets[j].control)
        costs[count++] = (struct probe_port_cost){
            &chain->targets[j].url, ports_per_target(config, chain, time_wait)};
  }
  return count;
}

struct probe_port_cost probe_config_port_cost(const struct probe_config *config,
                                              nanoseconds time_wait) {
  struct probe_port_cost largest = {0}, current = {0};
  struct probe_port_cost *costs;
  size_t count = 0;

  for (size_t i = 0; i < config->chain_count; i++)
    count += config->chains[i].target_count;
  costs = calloc(count > 0 ? count : 1, sizeof(costs[0]));
  if (!costs)
    return largest;
  count = collect_costs(config, time_wait, costs);
  qsort(costs, count, sizeof(costs[0]), compare_urls);
  for (size_t i = 0; i < count; i++) {
    if (current.url && compare_urls(&current, &costs[i]) == 0)
      current.ports += costs[i].ports;
    else
      current = costs[i];
    if (current.ports > largest.ports)
      largest = current;
  }
  free(costs);
  return largest;
}
