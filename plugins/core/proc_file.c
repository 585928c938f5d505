/* SPDX-License-Identifier: MIT */
#include "proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

/* Up to the end of the file, or of the room. */
static int read_all(int file, char *text, size_t size) {
  size_t length = 0;

  while (length < size) {
    ssize_t more = read(file, text + length, size - length);

    if (more == 0)
      return (int)length;
    if (more < 0 && errno != EINTR)
      return -errno;
    length += more > 0 ? (size_t)more : 0;
  }
  return -EFBIG;
}

int proc_file_read(const char *path, char *text, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  int status;

  if (file < 0)
    return -errno;
  status = read_all(file, text, size < INT_MAX ? size : INT_MAX);
  close(file);
  return status;
}
