/* SPDX-License-Identifier: MIT */
#include "regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int regular_file_open(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status;
  int result;

  if (file < 0)
    return -errno;
  result = fstat(file, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
  if (result == 0)
    return file;
  close(file);
  return result;
}

int regular_file_check(const char *path) {
  int file = regular_file_open(path);

  if (file < 0)
    return file;
  close(file);
  return 0;
}
