/* SPDX-License-Identifier: MIT
 *
 * Edge: files that the configuration names. To open a FIFO is to wait for its writer,
 * and a directory or a device is not meant either.
 */
#ifndef EGRESS_REGULAR_FILE_H
#define EGRESS_REGULAR_FILE_H

/* Never waits. Returns a descriptor for reading, or -errno: -EINVAL if it is not a
 * regular file. */
int regular_file_open(const char *path);

/* Whether it could be opened: 0 or -errno. */
int regular_file_check(const char *path);

#endif
