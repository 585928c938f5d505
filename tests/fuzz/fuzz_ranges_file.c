/* SPDX-License-Identifier: MIT
 *
 * A file of networks as Google publishes it.
 */
#include "fuzz.h"
#include "nat_ranges_file.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct nat_networks networks = {0};
  struct nat_ranges_error error = {.text = ""};
  int status = nat_ranges_parse(data, size, &networks, &error);

  FUZZ_REQUIRE(status == 0 || status == -EINVAL);
  FUZZ_REQUIRE((status == 0) == (error.text[0] == '\0'));
  FUZZ_REQUIRE(status < 0 || networks.count > 0);
  for (size_t i = 1; i < networks.count; i++)
    FUZZ_REQUIRE(memcmp(&networks.ranges[i - 1].last, &networks.ranges[i].first,
                        sizeof(struct net_address)) < 0);
  nat_networks_free(&networks);
  return 0;
}
