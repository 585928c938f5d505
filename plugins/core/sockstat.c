/* SPDX-License-Identifier: MIT */
#include "egress/sockstat.h"
#include "proc_file.h"
#include "proc_text.h"

#include <errno.h>

#define FILE_SIZE 4096 /* six lines; the kernel's have 60 bytes */

/* "PROTOCOL: name value name value ..." (sockstat_seq_show() in net/ipv4/proc.c) */
static const struct {
  const char *protocol, *name;
} fields[SOCKSTAT_FIELD_COUNT] = {
    [SOCKSTAT_TCP_ALLOC] = {"TCP:", "alloc"},
    [SOCKSTAT_TCP_ORPHAN] = {"TCP:", "orphan"},
    [SOCKSTAT_TCP_TIME_WAIT] = {"TCP:", "tw"},
    [SOCKSTAT_TCP_PAGES] = {"TCP:", "mem"},
    [SOCKSTAT_UDP_INUSE] = {"UDP:", "inuse"},
    [SOCKSTAT_UDP_PAGES] = {"UDP:", "mem"},
};

static void take_pair(const struct proc_text *protocol, const struct proc_text *name,
                      struct proc_text value, struct sockstat *sockstat) {
  uint64_t number;

  if (!proc_text_number(&value, 10, UINT64_MAX, &number) || value.at < value.end)
    return;
  for (unsigned field = 0; field < SOCKSTAT_FIELD_COUNT; field++)
    if (proc_text_equals(protocol, fields[field].protocol) &&
        proc_text_equals(name, fields[field].name)) {
      sockstat->values[field] = number;
      sockstat->present |= 1u << field;
    }
}

int sockstat_parse(const char *text, size_t size, struct sockstat *sockstat) {
  struct proc_text left = {text, text + size}, line;

  *sockstat = (struct sockstat){.present = 0};
  while (proc_text_line(&left, &line)) {
    struct proc_text protocol, name, value;

    if (!proc_text_word(&line, &protocol))
      continue;
    while (proc_text_word(&line, &name) && proc_text_word(&line, &value))
      take_pair(&protocol, &name, value, sockstat);
  }
  return sockstat->present ? 0 : -EBADMSG;
}

int sockstat_read(struct sockstat *sockstat) {
  char text[FILE_SIZE];
  int size = proc_file_read(PROC_NET "sockstat", text, sizeof(text));

  return size < 0 ? size : sockstat_parse(text, (size_t)size, sockstat);
}
