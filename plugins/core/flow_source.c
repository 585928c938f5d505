/* SPDX-License-Identifier: MIT */
#include "flow_source.h"
#include "proc_sockets.h"

#include <errno.h>

/* Asking for what a kernel does not have makes it look for a module, in a process
 * of its own: not at each pass. */
#define RETRY (60 * NANOSECONDS_PER_SECOND)

/* A kernel without the family or the module, or a sandbox that hides them. */
static bool is_unavailable(int error) {
  return error == -ENOENT || error == -EPROTONOSUPPORT || error == -EOPNOTSUPP ||
         error == -EAFNOSUPPORT || error == -EPERM || error == -EACCES;
}

static void close_diag(struct flow_source *source) {
  sock_diag_close(source->diag);
  source->diag = NULL;
}

void flow_source_close(struct flow_source *source) {
  close_diag(source);
  source->fallback = 0;
}

static int ask_kernel(struct flow_source *source, const struct sock_diag_request *request,
                      sock_diag_callback *callback, void *data,
                      struct sock_diag_result *result) {
  int status = source->diag ? 0 : sock_diag_open(&source->diag);

  *result = (struct sock_diag_result){0};
  if (status < 0)
    return status;
  if (source->protocol == FLOW_UDP)
    return sock_diag_dump_udp(source->diag, request, callback, data, result);
  return sock_diag_dump_tcp(source->diag, request, callback, data, result);
}

int flow_source_dump(struct flow_source *source, const struct sock_diag_request *request,
                     sock_diag_callback *callback, void *data,
                     struct sock_diag_result *result) {
  const char *name = source->protocol == FLOW_UDP ? "udp" : "tcp";
  nanoseconds now = clock_now(CLOCK_MONOTONIC);
  int status;

  if (source->fallback == 0 || now >= source->retry_at) {
    status = ask_kernel(source, request, callback, data, result);
    source->fallback = is_unavailable(status) ? status : 0;
    if (source->fallback == 0)
      return status;
    close_diag(source);
    source->retry_at = now + RETRY;
  }
  status = proc_sockets_dump(name, request, callback, data, result);
  return status < 0 ? source->fallback : status; /* the first cause says more */
}
