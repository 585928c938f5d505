/* SPDX-License-Identifier: MIT */
#include "trust.h"

#include "curl_compat.h"
#include "verified.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct authority {
  char *path;
  struct stat seen; /* of the file when it was parsed */
  X509_STORE *store; /* NULL: it could not be */
};

/* No larger than the number of files in the configuration. */
struct trust {
  void *tree; /* of authorities, see tsearch(3) */
  struct verified *verified;
};

static int compare_paths(const void *one, const void *other) {
  const struct authority *first = one, *second = other;

  return strcmp(first->path, second->path);
}

static void authority_free(void *node) {
  struct authority *authority = node;

  X509_STORE_free(authority->store);
  free(authority->path);
  free(authority);
}

int trust_new(struct trust **trust) {
  struct trust *made = calloc(1, sizeof(*made));

  if (!made || verified_new(&made->verified) < 0) {
    free(made);
    return -ENOMEM;
  }
  *trust = made;
  return 0;
}

void trust_free(struct trust *trust) {
  if (!trust)
    return;
  tdestroy(trust->tree, authority_free);
  verified_free(trust->verified);
  free(trust);
}

const char *trust_system_bundle(void) {
  const char *bundle = curl_default_bundle();

  return bundle ? bundle : X509_get_default_cert_file();
}

static int add(struct trust *trust, const char *path, struct authority **authority) {
  struct authority *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  made->path = strdup(path);
  if (!made->path || !tsearch(made, &trust->tree, compare_paths)) {
    authority_free(made);
    return -ENOMEM;
  }
  *authority = made;
  return 0;
}

static int find_or_add(struct trust *trust, const char *path,
                       struct authority **authority) {
  union {
    const char *constant;
    char *path;
  } text = {.constant = path};
  const struct authority key = {.path = text.path};
  void *const *node = tfind(&key, &trust->tree, compare_paths);

  if (!node)
    return add(trust, path, authority);
  *authority = *node;
  return 0;
}

static bool is_unchanged(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
         one->st_size == other->st_size &&
         one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
         one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* The flags are libcurl's own: the file's certificates are trusted as they stand,
 * intermediate ones too. NULL: no certificate is in the file. */
static X509_STORE *parse(const char *path) {
  X509_STORE *store = X509_STORE_new();

  if (store && X509_STORE_load_locations(store, path, NULL) == 1 &&
      X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN))
    return store;
  X509_STORE_free(store);
  ERR_clear_error();
  return NULL;
}

struct parsing {
  const char *path;
  X509_STORE *store;
};

static void *parsing_main(void *data) {
  struct parsing *parsing = data;

  parsing->store = parse(parsing->path);
  return NULL;
}

/* Thousands of pieces of memory are given back after a bundle. glibc keeps them for
 * the thread that had them, and with many files all that thread's later memory would
 * come from here and there: of an HTTPS probe a tenth of the CPU time. */
static X509_STORE *parse_apart(const char *path) {
  struct parsing parsing = {.path = path};
  pthread_t thread;

  if (pthread_create(&thread, NULL, parsing_main, &parsing) != 0)
    return parse(path);
  pthread_join(thread, NULL);
  return parsing.store;
}

int trust_find(struct trust *trust, const char *path, X509_STORE **store) {
  struct authority *authority = NULL;
  struct stat now;
  int result;

  if (!path)
    path = trust_system_bundle();
  if (stat(path, &now) < 0)
    return -errno;
  if (!S_ISREG(now.st_mode))
    return -EINVAL;
  result = find_or_add(trust, path, &authority);
  if (result < 0)
    return result;
  if (!is_unchanged(&now, &authority->seen)) {
    verified_forget(trust->verified);
    X509_STORE_free(authority->store);
    authority->store = parse_apart(path);
    authority->seen = now;
  }
  *store = authority->store;
  return authority->store ? 0 : -EINVAL;
}

int trust_verify(struct trust *trust, X509_STORE_CTX *context) {
  return verified_check(trust->verified, context, time(NULL));
}
