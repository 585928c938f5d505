/* SPDX-License-Identifier: MIT
 *
 * A <Plugin egress_probe> block as it stands in collectd.conf.
 */
#include "fuzz.h"
#include "option_tree.h"
#include "probe_config.h"

#include <stdlib.h>
#include <string.h>

static void check_chain(const struct probe_config *config,
                        const struct probe_chain *chain) {
  FUZZ_REQUIRE(chain->hop_count <= PROBE_CHAIN_HOPS_MAX);
  FUZZ_REQUIRE(chain->target_count > 0 && chain->target_count <= PROBE_CHAIN_TARGETS_MAX);
  FUZZ_REQUIRE(chain->timeout > 0);
  FUZZ_REQUIRE(probe_chain_busy(config, chain) <= chain->interval);
  for (size_t i = 0; i < chain->hop_count; i++)
    FUZZ_REQUIRE(chain->hops[i] < config->hop_count);
  for (size_t i = 0; i < chain->target_count; i++)
    FUZZ_REQUIRE(strlen(chain->name) + 1 + strlen(chain->targets[i].name) <=
                 PROBE_INSTANCE_MAX);
}

static void check(struct probe_config *config) {
  struct option_error error = {.text = ""};

  if (probe_config_settle(config, 10 * NANOSECONDS_PER_SECOND, true, &error) < 0) {
    FUZZ_REQUIRE(error.text[0] != '\0');
    return;
  }
  for (size_t i = 0; i < config->chain_count; i++)
    check_chain(config, &config->chains[i]);
  FUZZ_REQUIRE(probe_config_port_cost(config, 120 * NANOSECONDS_PER_SECOND).ports >= 0);
}

static void parse(const struct option *tree) {
  struct option_error error = {.text = ""};
  struct probe_config config;

  probe_config_init(&config);
  if (probe_config_parse(tree, &config, &error) < 0)
    FUZZ_REQUIRE(error.text[0] != '\0' && !strpbrk(error.text, "\n\r"));
  else
    check(&config);
  probe_config_clear(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  struct option *tree;

  FUZZ_REQUIRE(text != NULL);
  if (size > 0)
    memcpy(text, data, size);
  text[size] = '\0';
  tree = option_tree_parse(text);
  if (tree)
    parse(tree);
  option_tree_free(tree);
  free(text);
  return 0;
}
