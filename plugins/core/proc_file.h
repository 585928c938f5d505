/* SPDX-License-Identifier: MIT
 *
 * Reading edge: small files of /proc, whole.
 */
#ifndef EGRESS_PROC_FILE_H
#define EGRESS_PROC_FILE_H

#include <stddef.h>

/* The network namespace of the calling thread; /proc/net is that of the process's
 * first one. */
#define PROC_NET "/proc/thread-self/net/"

/* Reads up to `size` bytes, without a final NUL. Returns how many there are; -EFBIG
 * for more than `size`, or another -errno. */
int proc_file_read(const char *path, char *text, size_t size);

#endif
