/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files and directories named, or over its own
 * corpus (FUZZ_CORPUS). It fails if there was nothing to run.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20) /* what libFuzzer would read of a file by default */

static int replay_file(const char *path, unsigned *count) {
  FILE *file = fopen(path, "r");
  uint8_t *data = malloc(INPUT_MAX);
  size_t size = 0;
  int status = file && data ? 0 : -1;

  if (status == 0) {
    size = fread(data, 1, INPUT_MAX, file);
    status = ferror(file) ? -1 : 0;
  }
  if (status == 0) {
    /* A block of the input's own size, so that a sanitizer sees its end. */
    uint8_t *input = realloc(data, size ? size : 1);

    data = input ? input : data;
    LLVMFuzzerTestOneInput(data, size);
    ++*count;
  } else {
    perror(path);
  }
  free(data);
  if (file)
    fclose(file);
  return status;
}

static int replay_directory(const char *path, unsigned *count) {
  struct dirent **entries = NULL;
  int found = scandir(path, &entries, NULL, alphasort);
  int status = found < 0 ? -1 : 0;

  if (found < 0)
    perror(path);
  for (int i = 0; i < found; i++) {
    char file[4096];

    snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && replay_file(file, count) < 0)
      status = -1;
    free(entries[i]);
  }
  free(entries);
  return status;
}

static int replay(const char *path, unsigned *count) {
  struct stat status;

  if (stat(path, &status) < 0) {
    perror(path);
    return -1;
  }
  return S_ISDIR(status.st_mode) ? replay_directory(path, count)
                                 : replay_file(path, count);
}

int main(int argument_count, char **arguments) {
  unsigned count = 0;
  int status = 0;

  for (int i = 1; i < argument_count; i++)
    if (replay(arguments[i], &count) < 0)
      status = -1;
  if (argument_count == 1)
    status = replay(FUZZ_CORPUS, &count);
  printf("%s: %u inputs replayed\n", arguments[0], count);
  return status < 0 || count == 0;
}
