/* SPDX-License-Identifier: MIT */
#include "secret.h"

#include "regular_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void secret_wipe(struct secret *secret) { explicit_bzero(secret, sizeof(*secret)); }

static ssize_t read_file(const char *path, char *text, size_t size) {
  int file = regular_file_open(path);
  ssize_t length;

  if (file < 0)
    return file;
  length = read(file, text, size);
  if (length < 0)
    length = -errno;
  close(file);
  return length;
}

static bool is_clean(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
      return false;
  return length > 0;
}

int secret_read(const char *path, struct secret *secret) {
  ssize_t size = read_file(path, secret->text, sizeof(secret->text));
  size_t length = 0;
  int result = 0;

  if (size < 0)
    result = (int)size;
  while (result == 0 && length < (size_t)size && secret->text[length] != '\n')
    length++;
  if (result == 0 && length == sizeof(secret->text))
    result = -EFBIG;
  if (result == 0 && length > 0 && secret->text[length - 1] == '\r')
    length--;
  if (result == 0 && !is_clean(secret->text, length))
    result = -EINVAL;
  if (result < 0) {
    secret_wipe(secret);
    return result;
  }
  explicit_bzero(secret->text + length, sizeof(secret->text) - length);
  return 0;
}
