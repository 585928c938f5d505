/* SPDX-License-Identifier: MIT
 *
 * A list of networks as Google publishes it: goog.json (all that is Google's), and
 * cloud.json (of these, what customers rent).
 */
#ifndef EGRESS_NAT_RANGES_FILE_H
#define EGRESS_NAT_RANGES_FILE_H

#include "nat_networks.h"

#define NAT_RANGES_FILE_MAX (4u * 1024 * 1024) /* goog.json has 8 KB, cloud.json 120 */

struct nat_ranges_error {
  char text[160]; /* what was found, and what was expected */
};

/* The networks of {"prefixes": [{"ipv4Prefix": "..."} or {"ipv6Prefix": "..."}]}, added to
 * *networks; all else in the object is passed over. Returns 0, or -EINVAL or -ENOMEM
 * with *error filled. */
int nat_ranges_parse(const void *text, size_t size, struct nat_networks *networks,
                     struct nat_ranges_error *error);

/* The same from a regular file, of at most NAT_RANGES_FILE_MAX bytes. */
int nat_ranges_read(const char *path, struct nat_networks *networks,
                    struct nat_ranges_error *error);

#endif
