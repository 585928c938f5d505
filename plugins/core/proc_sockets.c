/* SPDX-License-Identifier: MIT */
#include "proc_sockets.h"
#include "proc_file.h"

#include <errno.h>
#include <stdio.h>

#define LISTENING (1u << TCP_STATE_LISTEN)
#define LINE_SIZE 512 /* the kernel's have 150 bytes, tcp6 with all fields 200 */

struct pass {
  const struct sock_diag_request *request;
  sock_diag_callback *callback;
  void *data;
  struct sock_diag_result *result;
  struct sock_diag_record record;
};

/* False where the rest of the file need not be read: listening sockets come first
 * (tcp_seq_start() in net/ipv4/tcp_ipv4.c). */
static bool take_line(struct pass *pass, struct proc_text line) {
  if (proc_sockets_parse(line, &pass->record) < 0) {
    pass->result->malformed++;
    return true;
  }
  if (pass->request->states & 1u << pass->record.state) {
    pass->callback(&pass->record, pass->data);
    pass->result->sockets++;
  }
  return pass->request->states != LISTENING || pass->record.state == TCP_STATE_LISTEN;
}

static int read_lines(FILE *file, struct pass *pass) {
  char buffer[LINE_SIZE];
  bool more = fgets(buffer, sizeof(buffer), file) != NULL; /* the heading */

  while (more && fgets(buffer, sizeof(buffer), file)) {
    struct proc_text text = {buffer, buffer + strlen(buffer)}, line;

    more = !proc_text_line(&text, &line) || take_line(pass, line);
  }
  return ferror(file) ? -EIO : 0;
}

static int read_file(const char *path, struct pass *pass) {
  FILE *file = fopen(path, "re");
  int status;

  if (!file)
    return -errno;
  status = read_lines(file, pass);
  fclose(file);
  return status;
}

/* A kernel without IPv6 has no second file: that is no loss. */
int proc_sockets_dump(const char *name, const struct sock_diag_request *request,
                      sock_diag_callback *callback, void *data,
                      struct sock_diag_result *result) {
  struct pass pass = {request, callback, data, result, .record = {.state = 0}};
  char path[64];
  int status;

  *result = (struct sock_diag_result){0};
  snprintf(path, sizeof(path), PROC_NET "%s", name);
  status = read_file(path, &pass);
  if (status == 0) {
    snprintf(path, sizeof(path), PROC_NET "%s6", name);
    status = read_file(path, &pass);
    if (status == -ENOENT)
      status = 0;
  }
  result->partial = status < 0 || result->malformed > 0;
  return result->sockets > 0 ? 0 : status;
}
