/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* For the rest of the daemon, beside what it has open when the prober starts. */
#define FILES_RESERVED 64

/* Two addresses that are tried at once (RFC 8305), and libcurl's pair of sockets to
 * its resolver's thread. */
#define FILES_OF_TRANSFER 4

/* Behind another hop: a copy of its socket, or a pair and the socket itself. */
#define FILES_OF_NESTED_HOP 3

/* Threads that may wait for names, beside those that there are at the start. */
#define RESOLVER_THREADS 128

static size_t count_files(void) {
  DIR *folder = opendir("/proc/self/fd");
  size_t count = 0;

  while (folder && readdir(folder))
    count++;
  if (folder)
    closedir(folder);
  return count;
}

/* Each task is a folder, and so a link to its parent; proc(5). 0: not known. */
static size_t count_threads(void) {
  struct stat status;

  return stat("/proc/self/task", &status) == 0 && status.st_nlink > 2
             ? status.st_nlink - 2
             : 0;
}

static size_t files_of_transfer(const struct probe_config *config) {
  size_t most = FILES_OF_TRANSFER;

  for (size_t i = 0; i < config->chain_count; i++) {
    const struct probe_chain *chain = &config->chains[i];
    size_t files = FILES_OF_TRANSFER;

    if (chain->mode == PROBE_MODE_NESTED && chain->hop_count > 1)
      files += (chain->hop_count - 1) * FILES_OF_NESTED_HOP;
    if (files > most)
      most = files;
  }
  return most;
}

struct budget budget_of(const struct probe_config *config) {
  struct rlimit limit = {.rlim_cur = 1024};
  size_t used = count_files() + FILES_RESERVED;
  struct budget budget = {.threads = count_threads() + RESOLVER_THREADS};

  getrlimit(RLIMIT_NOFILE, &limit);
  budget.files = (size_t)limit.rlim_cur;
  budget.transfers =
      budget.files > used ? (budget.files - used) / files_of_transfer(config) : 0;
  if (budget.transfers == 0)
    budget.transfers = 1;
  return budget;
}

bool budget_has_thread(const struct budget *budget, size_t coming) {
  return count_threads() + coming < budget->threads;
}

size_t budget_wanted(const struct probe_config *config) {
  size_t wanted = 0;

  for (size_t i = 0; i < config->chain_count; i++)
    wanted += config->chains[i].target_count;
  return wanted;
}
