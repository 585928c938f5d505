/* SPDX-License-Identifier: MIT */
#include "nat_ranges_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#define DEPTH_MAX 64u /* yajl's stack grows with the depth; theirs is 3 */

/* Where the parser stands. */
struct reader {
  struct nat_networks *networks;
  struct nat_ranges_error *error;
  unsigned depth;
  bool in_list;  /* inside "prefixes" of the outermost object */
  bool names_list, names_network; /* the key just read */
  size_t found;
  int status;
};

static int fail(struct reader *reader, int status, const char *text) {
  snprintf(reader->error->text, sizeof(reader->error->text), "%s", text);
  reader->status = status;
  return 0; /* yajl: stop */
}

static bool is_key(const unsigned char *key, size_t size, const char *name) {
  return size == strlen(name) && memcmp(key, name, size) == 0;
}

static int take_key(void *data, const unsigned char *key, size_t size) {
  struct reader *reader = data;

  reader->names_list = reader->depth == 1 && is_key(key, size, "prefixes");
  reader->names_network =
      reader->in_list && reader->depth == 3 &&
      (is_key(key, size, "ipv4Prefix") || is_key(key, size, "ipv6Prefix"));
  return 1;
}

static int take_network(struct reader *reader, const unsigned char *text, size_t size) {
  struct net_prefix prefix;
  char copy[64];
  int status;

  snprintf(copy, sizeof(copy), "%.*s", (int)(size < sizeof(copy) ? size : sizeof(copy)),
           (const char *)text);
  if (size >= sizeof(copy) || net_prefix_parse(copy, &prefix) < 0)
    return fail(reader, -EINVAL, "holds a prefix that is no network such as "
                                 "\"192.0.2.0/24\"");
  status = nat_networks_add(reader->networks, &prefix);
  if (status == -E2BIG)
    return fail(reader, -EINVAL, "holds too many networks; expected at most 4096 ranges");
  if (status < 0)
    return fail(reader, status, "out of memory");
  reader->found++;
  return 1;
}

static int take_string(void *data, const unsigned char *text, size_t size) {
  struct reader *reader = data;

  return reader->names_network ? take_network(reader, text, size) : 1;
}

static int go_deeper(struct reader *reader) {
  reader->names_network = false;
  if (++reader->depth > DEPTH_MAX)
    return fail(reader, -EINVAL, "is nested too deeply");
  return 1;
}

static int begin_object(void *data) { return go_deeper(data); }

static int begin_list(void *data) {
  struct reader *reader = data;

  if (reader->depth == 1 && reader->names_list)
    reader->in_list = true;
  return go_deeper(reader);
}

static int end_block(void *data) {
  struct reader *reader = data;

  if (--reader->depth == 1)
    reader->in_list = false;
  return 1;
}

static void report_syntax(struct reader *reader) {
  if (reader->status == 0)
    fail(reader, -EINVAL, "is no JSON; expected Google's goog.json or cloud.json");
}

int nat_ranges_parse(const void *text, size_t size, struct nat_networks *networks,
                     struct nat_ranges_error *error) {
  static const yajl_callbacks callbacks = {
      .yajl_string = take_string,
      .yajl_map_key = take_key,
      .yajl_start_map = begin_object,
      .yajl_end_map = end_block,
      .yajl_start_array = begin_list,
      .yajl_end_array = end_block,
  };
  struct reader reader = {.networks = networks, .error = error};
  yajl_handle handle = yajl_alloc(&callbacks, NULL, &reader);

  if (!handle) {
    fail(&reader, -ENOMEM, "out of memory");
    return reader.status;
  }
  if (yajl_parse(handle, text, size) != yajl_status_ok ||
      yajl_complete_parse(handle) != yajl_status_ok)
    report_syntax(&reader);
  yajl_free(handle);
  if (reader.status == 0 && reader.found == 0)
    fail(&reader, -EINVAL, "holds no \"prefixes\"; expected Google's goog.json or "
                           "cloud.json");
  return reader.status;
}

/* NULL unless it is a regular file: one of another kind may have no end, or make its
 * reader wait. */
static FILE *open_regular(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  FILE *file = NULL;
  struct stat found;

  if (descriptor < 0)
    return NULL;
  if (fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode))
    file = fdopen(descriptor, "r");
  if (!file)
    close(descriptor);
  return file;
}

int nat_ranges_read(const char *path, struct nat_networks *networks,
                    struct nat_ranges_error *error) {
  struct reader reader = {.error = error};
  FILE *file = open_regular(path);
  char *text = malloc(NAT_RANGES_FILE_MAX + 1);
  size_t size = 0;

  if (file && text)
    size = fread(text, 1, NAT_RANGES_FILE_MAX + 1, file);
  if (!file || ferror(file))
    fail(&reader, -EINVAL, "cannot be read");
  else if (!text)
    fail(&reader, -ENOMEM, "out of memory");
  else if (size > NAT_RANGES_FILE_MAX)
    fail(&reader, -EINVAL, "is larger than 4 MiB");
  else
    reader.status = nat_ranges_parse(text, size, networks, error);
  if (file)
    fclose(file);
  free(text);
  return reader.status;
}
