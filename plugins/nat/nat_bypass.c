/* SPDX-License-Identifier: MIT */
#include "nat_bypass.h"

#include "nat_ranges_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void nat_bypass_free(struct nat_bypass_files *files) {
  for (size_t i = 0; i < files->count; i++)
    free(files->files[i].path);
  *files = (struct nat_bypass_files){.count = 0};
}

int nat_bypass_add(struct nat_bypass_files *files, const char *path, bool first) {
  struct nat_bypass_file file = {.first = first};

  if (files->count == NAT_BYPASS_FILES_MAX)
    return -E2BIG;
  file.path = strdup(path);
  if (!file.path)
    return -ENOMEM;
  files->files[files->count++] = file;
  return 0;
}

/* --- Stamps ---------------------------------------------------------------------- */

static struct nat_file_stamp stamp_of(const char *path) {
  struct stat found;

  if (stat(path, &found) < 0)
    return (struct nat_file_stamp){.size = 0};
  return (struct nat_file_stamp){.device = found.st_dev,
                                 .number = found.st_ino,
                                 .size = found.st_size,
                                 .modified = found.st_mtim,
                                 .changed = found.st_ctim};
}

static bool is_same_time(const struct timespec *one, const struct timespec *other) {
  return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

static bool is_same(const struct nat_file_stamp *one,
                    const struct nat_file_stamp *other) {
  return one->device == other->device && one->number == other->number &&
         one->size == other->size && is_same_time(&one->modified, &other->modified) &&
         is_same_time(&one->changed, &other->changed);
}

bool nat_bypass_changed(const struct nat_bypass_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    const struct nat_file_stamp now = stamp_of(files->files[i].path);

    if (!is_same(&now, &files->files[i].stamp))
      return true;
  }
  return false;
}

/* --- Networks ---------------------------------------------------------------------- */

static int read_file(const struct nat_bypass_file *file, struct nat_networks *networks,
                     struct nat_bypass_error *error) {
  struct nat_ranges_error reason;
  int status = nat_ranges_read(file->path, networks, &reason);

  if (status < 0)
    snprintf(error->text, sizeof(error->text), "the file \"%s\" %s", file->path,
             reason.text);
  return status;
}

/* The networks of the file at `begin`, less those of the others of its option. */
static int read_option(const struct nat_bypass_files *files, size_t begin,
                       struct nat_networks *networks, struct nat_bypass_error *error) {
  struct nat_networks ranges = {0}, less = {0};
  int status = read_file(&files->files[begin], &ranges, error);

  for (size_t i = begin + 1; i < files->count && !files->files[i].first && status == 0;
       i++)
    status = read_file(&files->files[i], &less, error);
  if (status == 0 && (nat_networks_remove_all(&ranges, &less) < 0 ||
                      nat_networks_add_all(networks, &ranges) < 0)) {
    snprintf(error->text, sizeof(error->text), "more than %u ranges in one list",
             NAT_NETWORKS_MAX);
    status = -EINVAL;
  }
  nat_networks_free(&ranges);
  nat_networks_free(&less);
  return status;
}

/* Stamps first: what is written while it is read is read again. */
int nat_bypass_read(struct nat_bypass_files *files, size_t begin,
                    struct nat_networks *networks, struct nat_bypass_error *error) {
  int status = 0;

  for (size_t i = begin; i < files->count; i++)
    files->files[i].stamp = stamp_of(files->files[i].path);
  for (size_t i = begin; i < files->count && status == 0; i++)
    if (files->files[i].first)
      status = read_option(files, i, networks, error);
  return status;
}
