/* SPDX-License-Identifier: MIT */
#include "tls_files.h"

#include "regular_file.h"

static int check_file(enum tls_option option, const char *path,
                      struct tls_trouble *trouble) {
  int result = path ? regular_file_check(path) : 0;

  if (result < 0)
    *trouble = (struct tls_trouble){.error = -result, .option = option, .file = path};
  return result;
}

static int check_files(const struct probe_tls *tls, struct tls_trouble *trouble) {
  int result = tls->verify_peer ? check_file(TLS_CA_CERT, tls->ca_cert, trouble) : 0;

  if (result == 0)
    result = check_file(TLS_CLIENT_CERT, tls->client_cert, trouble);
  if (result == 0)
    result = check_file(TLS_CLIENT_KEY, tls->client_key, trouble);
  return result;
}

int tls_files_check(const struct probe_config *config, const struct probe_chain *chain,
                    const struct leg *leg, struct tls_trouble *trouble) {
  size_t last = chain->mode == PROBE_MODE_NESTED ? chain->hop_count : leg->entry + 1;
  const struct probe_target *target = &chain->targets[leg->target];
  int result = 0;

  if (leg->hop_tcp)
    return 0;
  for (size_t i = leg->entry; i < last && i < chain->hop_count && result == 0; i++)
    if (config->hops[chain->hops[i]].url.scheme == PROBE_SCHEME_HTTPS)
      result = check_files(&config->hops[chain->hops[i]].tls, trouble);
  /* A redirect may lead to https. */
  if (result == 0 &&
      (target->url.scheme == PROBE_SCHEME_HTTPS || target->follow_redirects))
    result = check_files(&target->tls, trouble);
  return result;
}
