/* SPDX-License-Identifier: MIT */
#include "egress/conntrack.h"

#include <errno.h>
#include <stdlib.h>

struct conntrack_totals {
  uint64_t events[CONNTRACK_EVENT_COUNT];
  uint32_t present;
  size_t cpu_count; /* those seen so far; room doubles */
  size_t cpu_room;
  struct conntrack_cpu *cpus; /* as last seen, in the order of first sight */
};

int conntrack_totals_new(struct conntrack_totals **totals) {
  *totals = calloc(1, sizeof(**totals));
  return *totals ? 0 : -ENOMEM;
}

void conntrack_totals_free(struct conntrack_totals *totals) {
  if (!totals)
    return;
  free(totals->cpus);
  free(totals);
}

static bool make_room(struct conntrack_totals *totals) {
  size_t room = totals->cpu_room ? 2 * totals->cpu_room : 16;
  struct conntrack_cpu *cpus;

  if (totals->cpu_count == CONNTRACK_CPUS_MAX)
    return false;
  if (totals->cpu_count < totals->cpu_room)
    return true;
  cpus = realloc(totals->cpus, room * sizeof(*cpus));
  if (!cpus)
    return false;
  totals->cpus = cpus;
  totals->cpu_room = room;
  return true;
}

/* The CPU as last seen; a new one with nothing counted yet, or NULL if there is
 * no room for it. CPUs come in order, so the search is short. */
static struct conntrack_cpu *last_seen(struct conntrack_totals *totals, uint16_t number) {
  for (size_t i = 0; i < totals->cpu_count; i++)
    if (totals->cpus[i].cpu == number)
      return &totals->cpus[i];
  if (!make_room(totals))
    return NULL;
  totals->cpus[totals->cpu_count] = (struct conntrack_cpu){.cpu = number};
  return &totals->cpus[totals->cpu_count++];
}

/* Counters that start anew (conntrack loaded again) look like a wrap of nearly
 * the whole range, which no CPU can count between two looks. */
static uint32_t growth(uint32_t before, uint32_t now) {
  uint32_t difference = now - before;

  return difference > UINT32_MAX / 2 ? now : difference;
}

void conntrack_totals_add(struct conntrack_totals *totals,
                          const struct conntrack_cpu *cpu) {
  struct conntrack_cpu *seen = last_seen(totals, cpu->cpu);

  if (!seen)
    return;
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++) {
    if (!(cpu->present & 1u << event))
      continue;
    totals->events[event] += seen->present & 1u << event
                                 ? growth(seen->events[event], cpu->events[event])
                                 : cpu->events[event];
    seen->events[event] = cpu->events[event];
    seen->present |= 1u << event;
  }
  totals->present |= cpu->present;
}

void conntrack_totals_get(const struct conntrack_totals *totals,
                          uint64_t events[CONNTRACK_EVENT_COUNT], uint32_t *present) {
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++)
    events[event] = totals->events[event];
  *present = totals->present;
}
