/* SPDX-License-Identifier: MIT
 *
 * Reading edge: the networks of one gateway's BypassFile, and whether its files have
 * changed since they were read.
 */
#ifndef EGRESS_NAT_BYPASS_H
#define EGRESS_NAT_BYPASS_H

#include "nat_networks.h"

#include <sys/types.h>
#include <time.h>

#define NAT_BYPASS_FILES_MAX 32u

/* Which file it was, and of when; all zero: there was none. */
struct nat_file_stamp {
  dev_t device;
  ino_t number;
  off_t size;
  struct timespec modified, changed;
};

struct nat_bypass_file {
  char *path;
  bool first; /* of its option; the networks of the others are taken off this one's */
  struct nat_file_stamp stamp; /* when it was read last, or could not be */
};

/* All zero at first. */
struct nat_bypass_files {
  size_t count;
  struct nat_bypass_file files[NAT_BYPASS_FILES_MAX];
};

struct nat_bypass_error {
  char text[512]; /* which file, what was found, and what was expected */
};

void nat_bypass_free(struct nat_bypass_files *files);

/* Returns 0, -E2BIG or -ENOMEM. */
int nat_bypass_add(struct nat_bypass_files *files, const char *path, bool first);

/* Adds the networks of the files from the one at `begin` on to *networks, and notes their
 * stamps. Returns 0, or -EINVAL or -ENOMEM with *error filled and the set in between. */
int nat_bypass_read(struct nat_bypass_files *files, size_t begin,
                    struct nat_networks *networks, struct nat_bypass_error *error);

/* Whether a file is another one than was read last. One that could not be read is looked
 * at again when it has changed. A stat(2) each. */
bool nat_bypass_changed(const struct nat_bypass_files *files);

#endif
