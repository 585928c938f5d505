/* SPDX-License-Identifier: MIT
 *
 * Recorded datagrams (tests/fuzz/capture.c) for the unit tests.
 */
#ifndef EGRESS_CAPTURE_FILE_H
#define EGRESS_CAPTURE_FILE_H

#include "unit.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>

/* The whole file in a block for free(); *size is its length. */
static inline void *capture_read(const char *name, size_t *size) {
  char path[4096];
  void *data = malloc(65536);
  FILE *file;

  assert_non_null(data);
  snprintf(path, sizeof(path), "%s/%s", CAPTURE_DIRECTORY, name);
  file = fopen(path, "r");
  if (!file)
    fail_msg("%s cannot be opened", path);
  *size = fread(data, 1, 65536, file);
  assert_int_equal(ferror(file), 0);
  fclose(file);
  assert_true(*size >= sizeof(struct nlmsghdr));
  return data;
}

#endif
