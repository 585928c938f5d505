/* SPDX-License-Identifier: MIT */
#include "egress/conntrack.h"
#include "proc_text.h"

#include <errno.h>

#define COLUMNS_MAX 64 /* the kernel has 17 */

/* Newer kernels count something else in two old columns, under another name: names
 * decide, not places (net/netfilter/nf_conntrack_standalone.c). */
static const struct {
  const char *name;
  enum conntrack_event event;
} columns[] = {
    {"found", CONNTRACK_FOUND},
    {"invalid", CONNTRACK_INVALID},
    {"insert_failed", CONNTRACK_INSERT_FAILED},
    {"drop", CONNTRACK_DROP},
    {"early_drop", CONNTRACK_EARLY_DROP},
    {"icmp_error", CONNTRACK_ERROR},
    {"search_restart", CONNTRACK_SEARCH_RESTART},
    {"clashres", CONNTRACK_CLASH_RESOLVE},
    {"chainlength", CONNTRACK_CHAIN_TOOLONG},
};

static enum conntrack_event event_of(const struct proc_text *name) {
  for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
    if (proc_text_equals(name, columns[i].name))
      return columns[i].event;
  return CONNTRACK_EVENT_COUNT;
}

/* Which event each column holds, if any. Returns how many columns there are. */
static size_t read_heading(struct proc_text line, enum conntrack_event events[COLUMNS_MAX],
                           bool *known) {
  struct proc_text name;
  size_t count = 0;

  *known = false;
  while (count < COLUMNS_MAX && proc_text_word(&line, &name)) {
    events[count] = event_of(&name);
    *known = *known || events[count] != CONNTRACK_EVENT_COUNT;
    count++;
  }
  return count;
}

static bool read_line(struct proc_text line, const enum conntrack_event *events,
                      size_t count, struct conntrack_cpu *cpu) {
  for (size_t i = 0; i < count; i++) {
    struct proc_text word;
    uint64_t number;

    if (!proc_text_word(&line, &word) ||
        !proc_text_number(&word, 16, UINT32_MAX, &number) || word.at < word.end)
      return false;
    if (events[i] == CONNTRACK_EVENT_COUNT)
      continue;
    cpu->events[events[i]] = (uint32_t)number;
    cpu->present |= 1u << events[i];
  }
  return true;
}

int conntrack_parse_stat(const char *text, size_t size,
                         void (*callback)(const struct conntrack_cpu *cpu, void *data),
                         void *data) {
  enum conntrack_event events[COLUMNS_MAX];
  struct proc_text left = {text, text + size}, line;
  bool known = false;
  size_t count = 0;

  if (proc_text_line(&left, &line))
    count = read_heading(line, events, &known);
  if (!known)
    return -EBADMSG;
  for (uint16_t number = 0; number < CONNTRACK_CPUS_MAX && proc_text_line(&left, &line);
       number++) {
    struct conntrack_cpu cpu = {.cpu = number};

    if (!read_line(line, events, count, &cpu))
      return -EBADMSG;
    callback(&cpu, data);
  }
  return 0;
}
