/* SPDX-License-Identifier: MIT
 *
 * /proc/net/sockstat and /proc/net/stat/nf_conntrack: each parser is given all.
 */
#include "egress/conntrack.h"
#include "egress/sockstat.h"
#include "fuzz.h"

static void take_cpu(const struct conntrack_cpu *cpu, void *data) {
  unsigned *count = data;

  FUZZ_REQUIRE(cpu->cpu == *count);
  FUZZ_REQUIRE(cpu->present != 0 && cpu->present < 1u << CONNTRACK_EVENT_COUNT);
  ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  struct sockstat sockstat;
  unsigned cpus = 0;

  if (sockstat_parse(text, size, &sockstat) == 0)
    FUZZ_REQUIRE(sockstat.present != 0);
  FUZZ_REQUIRE(sockstat.present < 1u << SOCKSTAT_FIELD_COUNT);
  for (unsigned field = 0; field < SOCKSTAT_FIELD_COUNT; field++)
    FUZZ_REQUIRE(sockstat.present & 1u << field || sockstat.values[field] == 0);
  conntrack_parse_stat(text, size, take_cpu, &cpus);
  FUZZ_REQUIRE(cpus <= CONNTRACK_CPUS_MAX);
  return 0;
}
