/* SPDX-License-Identifier: MIT
 *
 * <Chain "name"> blocks.
 */
#include "probe_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A chain being read, beside the hops it may name. */
struct reader {
  struct probe_chain chain;
  const struct probe_config *config;
};

static int find_hop(const struct probe_config *config, const char *name, size_t *index) {
  for (size_t i = 0; i < config->hop_count; i++)
    if (strcmp(config->hops[i].name, name) == 0) {
      *index = i;
      return 0;
    }
  return -ENOENT;
}

static int fail_unknown_hop(const struct option *option, const struct probe_config *config,
                            const char *name, struct option_error *error) {
  char known[256] = "none";

  for (size_t i = 0, used = 0; i < config->hop_count && used < sizeof(known); i++)
    used += (size_t)snprintf(known + used, sizeof(known) - used, "%s\"%s\"",
                             i > 0 ? ", " : "", config->hops[i].name);
  return option_fail(option, error,
                     "there is no <Hop \"%s\"> in this block or an earlier one; there are: %s", name,
                     known);
}

static int add_hop(const struct option *option, struct reader *reader, const char *name,
                   struct option_error *error) {
  struct probe_chain *chain = &reader->chain;
  size_t hop = 0;

  if (find_hop(reader->config, name, &hop) < 0)
    return fail_unknown_hop(option, reader->config, name, error);
  if (chain->hop_count == PROBE_CHAIN_HOPS_MAX)
    return option_fail(option, error, "expected at most %d hops", PROBE_CHAIN_HOPS_MAX);
  for (size_t i = 0; i < chain->hop_count; i++)
    if (chain->hops[i] == hop)
      return option_fail(option, error, "\"%s\" is given twice; a chain passes a hop once",
                         name);
  chain->hops[chain->hop_count++] = hop;
  return 0;
}

static int read_hops(const struct option *option, void *into,
                     struct option_error *error) {
  int result = option_require_texts(option, error);

  for (size_t i = 0; i < option->value_count && result == 0; i++)
    result = add_hop(option, into, option->values[i].string, error);
  return result;
}

static int check_unique(const struct option *option, const struct probe_chain *chain,
                        const char *name, struct option_error *error) {
  for (size_t i = 0; i + 1 < chain->target_count; i++)
    if (strcmp(chain->targets[i].name, name) == 0)
      return option_fail(option, error,
                         "the chain has a target or control of this name already");
  return 0;
}

static int add_target(const struct option *option, bool control,
                      struct probe_chain *chain, struct option_error *error) {
  struct probe_target *targets;
  size_t name_limit = PROBE_INSTANCE_MAX - strlen(chain->name) - 1;
  int result;

  if (chain->target_count == PROBE_CHAIN_TARGETS_MAX)
    return option_fail(option, error, "more than %d targets and controls in a chain",
                       PROBE_CHAIN_TARGETS_MAX);
  targets = realloc(chain->targets, (chain->target_count + 1) * sizeof(targets[0]));
  if (!targets)
    return -ENOMEM;
  chain->targets = targets;
  result = probe_target_parse(option, control, &targets[chain->target_count], name_limit,
                              error);
  chain->target_count++;
  return result < 0
             ? result
             : check_unique(option, chain, targets[chain->target_count - 1].name, error);
}

static int read_target(const struct option *option, void *into,
                       struct option_error *error) {
  struct reader *reader = into;

  return add_target(option, false, &reader->chain, error);
}

static int read_control(const struct option *option, void *into,
                        struct option_error *error) {
  struct reader *reader = into;

  return add_target(option, true, &reader->chain, error);
}

static const char *const modes[] = {"cascade", "nested", NULL};

#define FIELD(member) offsetof(struct reader, chain.member)
static const struct option_rule rules[] = {
    {.name = "Hops", .kind = OPTION_CUSTOM, .read = read_hops},
    {.name = "Mode", .kind = OPTION_CHOICE, .offset = FIELD(mode), .choices = modes},
    {.name = "Direct", .kind = OPTION_FLAG, .offset = FIELD(direct)},
    {.name = "Ladder", .kind = OPTION_FLAG, .offset = FIELD(ladder)},
    {.name = "Interval", .kind = OPTION_DURATION, .offset = FIELD(own_interval),
     .minimum = PROBE_INTERVAL_MIN, .maximum = PROBE_INTERVAL_MAX},
    {.name = "Target", .kind = OPTION_CUSTOM, .read = read_target, .repeats = true},
    {.name = "Control", .kind = OPTION_CUSTOM, .read = read_control, .repeats = true},
};

int probe_chain_parse(const struct option *option, const struct probe_config *config,
                      struct probe_chain *chain, struct option_error *error) {
  struct reader reader = {.chain.ladder = true, .config = config};
  /* ':' and at least one byte of a target's name follow. */
  int result = option_take_label(option, PROBE_INSTANCE_MAX - 2, NULL, &reader.chain.name,
                                 error);

  if (result < 0)
    return result;
  result = option_walk(option, rules, sizeof(rules) / sizeof(rules[0]), &reader, error);
  *chain = reader.chain;
  if (result == 0 && probe_chain_count_targets(chain, false) == 0)
    result = option_fail(option, error, "expected at least one <Target \"name\">");
  return result;
}

void probe_chain_clear(struct probe_chain *chain) {
  for (size_t i = 0; i < chain->target_count; i++)
    probe_target_clear(&chain->targets[i]);
  free(chain->targets);
  free(chain->name);
  *chain = (struct probe_chain){0};
}

size_t probe_chain_count_targets(const struct probe_chain *chain, bool controls) {
  size_t count = 0;

  for (size_t i = 0; i < chain->target_count; i++)
    if (chain->targets[i].control == controls)
      count++;
  return count;
}
