/* SPDX-License-Identifier: MIT
 *
 * Edge: a password from a file.
 */
#ifndef EGRESS_SECRET_H
#define EGRESS_SECRET_H

#include <stddef.h>

#define SECRET_MAX 1024 /* bytes, with the final NUL */

struct secret {
  char text[SECRET_MAX];
};

/* The first line of a regular file, without its line end. Returns 0, or -errno:
 * -EINVAL for an empty line or a control character, -EFBIG for a line that is too
 * long, -EACCES, -ENOENT, ... In case of error the secret is empty. */
int secret_read(const char *path, struct secret *secret);

/* Overwrites it in memory. */
void secret_wipe(struct secret *secret);

#endif
