/* SPDX-License-Identifier: MIT */
#include "throwaway.h"

#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24L * 60 * 60)

static void must(int condition, const char *what) {
  if (condition)
    return;
  fprintf(stderr, "throwaway: %s failed\n", what);
  abort();
}

static EVP_PKEY *make_key(void) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  EVP_PKEY *key = NULL;

  must(context && EVP_PKEY_keygen_init(context) == 1 &&
           EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1 &&
           EVP_PKEY_keygen(context, &key) == 1,
       "EVP_PKEY_keygen");
  EVP_PKEY_CTX_free(context);
  return key;
}

static void add_extension(X509 *certificate, int nid, const char *text) {
  X509V3_CTX context;
  X509_EXTENSION *extension;

  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
  must(extension && X509_add_ext(certificate, extension, -1) == 1, "an extension");
  X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, long seconds) {
  static long serial;
  X509 *certificate = X509_new();
  X509_NAME *subject;

  must(certificate != NULL, "X509_new");
  X509_set_version(certificate, 2); /* v3 */
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  subject = X509_get_subject_name(certificate);
  must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                  (const unsigned char *)name, -1, -1, 0) == 1,
       "the name");
  X509_set_issuer_name(certificate, subject);
  X509_set_pubkey(certificate, key);
  return certificate;
}

static void write_pem(const char *path, X509 *certificate, EVP_PKEY *key) {
  FILE *file = fopen(path, "we");

  must(file != NULL, path);
  must(PEM_write_X509(file, certificate) == 1, "PEM_write_X509");
  must(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
       "PEM_write_PrivateKey");
  must(fclose(file) == 0, "fclose");
}

static void read_pem(const char *path, X509 **certificate, EVP_PKEY **key) {
  FILE *file = fopen(path, "re");

  must(file != NULL, path);
  *certificate = PEM_read_X509(file, NULL, NULL, NULL);
  *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  must(*certificate && *key, "reading the authority");
  fclose(file);
}

void throwaway_begin(struct throwaway *throwaway) {
  EVP_PKEY *key = make_key();
  X509 *certificate = make_certificate(key, "throw-away authority", DAY);

  snprintf(throwaway->folder, sizeof(throwaway->folder), "/tmp/egress-tls-XXXXXX");
  must(mkdtemp(throwaway->folder) != NULL, "mkdtemp");
  snprintf(throwaway->authority, sizeof(throwaway->authority), "%s/authority",
           throwaway->folder);
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  must(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
  write_pem(throwaway->authority, certificate, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

void throwaway_end(struct throwaway *throwaway) {
  DIR *folder = opendir(throwaway->folder);
  const struct dirent *entry;

  must(folder != NULL, throwaway->folder);
  while ((entry = readdir(folder)))
    if (entry->d_name[0] != '.')
      unlinkat(dirfd(folder), entry->d_name, 0);
  closedir(folder);
  rmdir(throwaway->folder);
}

void throwaway_issue(const struct throwaway *throwaway, const char *name, long seconds,
                     int self_signed, struct throwaway_leaf *leaf) {
  EVP_PKEY *key = make_key(), *authority_key;
  X509 *certificate = make_certificate(key, name, seconds), *authority;
  char names[128];

  read_pem(throwaway->authority, &authority, &authority_key);
  snprintf(names, sizeof(names), "DNS:%s", name);
  add_extension(certificate, NID_subject_alt_name, names);
  if (!self_signed)
    X509_set_issuer_name(certificate, X509_get_subject_name(authority));
  must(X509_sign(certificate, self_signed ? key : authority_key, EVP_sha256()) > 0,
       "X509_sign");
  snprintf(leaf->path, sizeof(leaf->path), "%s/leaf-%ld", throwaway->folder,
           ASN1_INTEGER_get(X509_get0_serialNumber(certificate)));
  write_pem(leaf->path, certificate, key);
  X509_free(authority);
  EVP_PKEY_free(authority_key);
  X509_free(certificate);
  EVP_PKEY_free(key);
}
